#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# One row for each TLS library and version: what can be had of it, shown with a client and a
# server of somebody else's. The rows are in the files *.rows beside this one; the table that
# they give is the one in docs/libraries.md, and
#
#	sudo env TLSPCAP=build/tlspcap E2E_WRITE=1 tests/e2e/libraries/libraries.sh [FILE.rows...]
#
# writes it there. Rows of other files, and of suites that are not here, stay as they are.
. "$(dirname "$(readlink -f "$0")")/../lib.sh"
. "$E2E/talk"
. "$E2E/lighttpd"
need curl nginx openssl ss

LIBRARIES=$E2E/libraries
DOCUMENT=$E2E/../../docs/libraries.md
tsharks=(host) # the families' own tests have all of them
table=$W/table
: >"$table"
skipped=
n_rows=0

make_certificate server rsa
make_body "$W/served/body" 50000
E2E_NGINX_EXTRA='keepalive_requests 100;' start_nginx nginx 443

# --- one end of one row -----------------------------------------------------------------------

# The bytes that must be in the file: the body over HTTP, or what a driver says in $expected.
has_it() # FILE
{
	local found

	if [[ $expected ]]; then
		contains "$1" "$expected"
		return
	fi
	rm -rf "$W/objects"
	export_objects host "$1" "$W/objects" || return
	found=$(find "$W/objects" -type f -exec sha256sum {} + | cut -d' ' -f1)
	[[ $found == *"$(hashes "$W/served/body")"* ]]
}

fetch_from() # PORT
{
	curl -sS --fail -k --http1.1 --max-time "$TIMEOUT" "https://127.0.0.1:$1/body" \
		-o "$W/got" && cmp -s "$W/got" "$W/served/body"
}

# An exchange that both sources see at the same time: END DRIVER PORT. Sets $by_secrets and
# $by_calls.
show()
{
	local end=$1 driver=$2 port=$3 scope="--mntns=${container_mntns[$container]}"

	expected=
	if [[ $end == server ]]; then
		"server_$driver" "$container" "$port" || return
	fi
	# shellcheck disable=SC2086
	start_capture secrets "$scope" $options
	# shellcheck disable=SC2086
	start_capture calls "$scope" $options --source=probes --view=null-tls
	if [[ $end == client ]]; then
		"client_$driver" "$container" https://127.0.0.1:443/body "$W/got" \
			>"$W/driver.out" 2>&1
	elif [[ $(type -t "ask_$driver") == function ]]; then
		"ask_$driver" "$port" >"$W/driver.out" 2>&1
	else
		fetch_from "$port" >"$W/driver.out" 2>&1
	fi || { fail "$title: $end $driver failed"; tail -n 5 "$W/driver.out"; }
	stop_capture secrets
	stop_capture calls
	by_secrets=no
	by_calls=no
	has_it "$W/secrets.pcapng" && grep -qaF 'view=tls;' "$W/secrets.pcapng" && by_secrets=yes
	has_it "$W/calls.pcapng" && grep -qaF 'view=null-tls;' "$W/calls.pcapng" && by_calls=yes
	[[ $by_secrets == "$secrets" ]] || explain secrets "$end" "$driver"
	[[ $by_calls == "$plaintext" ]] || explain calls "$end" "$driver"
}

# explain CAPTURE END DRIVER: what a log must tell of an end that is not as its row says.
explain()
{
	printf '      | %s: %s %s, the capture of its %s\n' "$title" "$2" "$3" "$1"
	{
		cat "$W/$1.said"
		head -n 5 "$W/driver.out"
		grep -aoE 'view=[a-z-]*;[a-z]*=[0-9]*;[a-z]*=[a-z-]*' "$W/$1.pcapng" |
			sort | uniq -c
		tshark_of host -r "$W/$1.pcapng" -c 30 | cut -c 1-120
	} 2>&1 | head -n 60 | sed 's/^/      |   /'
}

# --- rows -------------------------------------------------------------------------------------

both() # A B: yes when both are, or the one that is there
{
	[[ $1$2 == *no* ]] && echo no || echo yes
}

# row library=NAME suite=SUITE file=FILE [client=DRIVER] [server=DRIVER] [with=TEXT]
#     [secrets=no] [plaintext=no] [options=…] [from=TEXT] [path=FILE]
#
# FILE, a pattern below the root of SUITE (bookworm: this machine), is the library or the program
# that has it inside. DRIVER is a function client_DRIVER CONTAINER URL OUTPUT-FILE, which gets
# the URL; or server_DRIVER CONTAINER PORT, which serves $W/served and returns when it listens
# (a helper that does not speak HTTP has an ask_DRIVER PORT too, and sets $expected). `with` says
# what was tested; secrets=no or plaintext=no what cannot be had: the row fails when what is found
# is not what it says. `options` are for tlspcap. `from` says where it comes from if not from
# SUITE; `path` is where a FILE is that is not below a root, and `why` why it is not there.
row()
{
	local library= suite= file= client= server= with= secrets=yes plaintext=yes options= from= path= why=
	local "$@" root found version title container views=() ends=()
	local client_secrets= client_calls= server_secrets= server_calls=
	local by_secrets by_calls expected

	title="$library, ${from:-$suite}"
	root=/
	if [[ $suite != bookworm ]]; then
		root=$suite
		if ! root_ready "$suite"; then
			skipped+="$title: $(root_reason "$suite"). "
			return
		fi
	fi
	found=$path
	[[ $file ]] && found=$(compgen -G "$([[ $root == / ]] || root_path "$suite")$file" | head -n 1)
	if [[ ! $found ]]; then
		skipped+="$title: ${why:-there is no $file}. "
		return
	fi
	version=$("$BUILD/tools/tlspcap-locate" "$found" | sed -n '1s/^.*: [^ ]* //p')
	n_rows=$((n_rows + 1))
	container=row$n_rows
	start_container "$container" "$root" own
	if [[ $client ]]; then
		show client "$client" 443
		client_secrets=$by_secrets client_calls=$by_calls
	fi
	if [[ $server ]]; then
		show server "$server" $((4430 + n_rows)) # up to 4550 no other protocol's
		server_secrets=$by_secrets server_calls=$by_calls
	fi
	{ kill -KILL "${containers[-1]}" && wait "${containers[-1]}"; } 2>/dev/null
	same "$title ($version): secrets" "$secrets" "$(both "$client_secrets" "$server_secrets")"
	same "$title ($version): plaintext of its calls" "$plaintext" \
		"$(both "$client_calls" "$server_calls")"
	[[ $(both "$client_secrets" "$server_secrets") == yes ]] && views+=(tls)
	[[ $(both "$client_calls" "$server_calls") == yes ]] && views+=(null-tls)
	printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$library" "$version" "${from:-$suite}" \
		"$(both "$client_calls" "$server_calls")" \
		"$(both "$client_secrets" "$server_secrets")" \
		"$(result "$client_secrets$client_calls")" "$(result "$server_secrets$server_calls")" \
		"$(sed 's/ /, /g' <<<"${views[*]}")" "${with:-$client, $server}" >>"$table"
}

result() # yes-or-no of both sources
{
	case $1 in
	'') echo '-' ;;
	*yes*) echo yes ;;
	*) echo no ;;
	esac
}

# unreachable LIBRARY VERSION SUITE REASON
unreachable()
{
	printf '| %s | %s | %s | no | no | - | - | - | %s |\n' "$@" >>"$table"
}

# --- the table --------------------------------------------------------------------------------

(($#)) || set -- "$LIBRARIES"/*.rows
for rows; do
	# shellcheck disable=SC1090
	. "$rows"
done
cat "$table"
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
"$PYTHON" -S "$LIBRARIES/document" "$DOCUMENT" "$table" "${E2E_WRITE:-}"
finish
