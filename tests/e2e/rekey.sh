#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Keys that change in the midst of a connection, in libraries other than OpenSSL (that one:
# handshakes.sh): KeyUpdate of TLS 1.3 and renegotiation of TLS 1.2, by gnutls-cli and gnutls-serv,
# NSS's tstclnt and selfserv, and by a small client of ours with mbedTLS and wolfSSL; OpenSSL at
# the other end. What the calls gave and took is what the records hold, before and after.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need certutil pk12util openssl ss gnutls-cli gnutls-serv rev selfserv tstclnt

make_certificate server rsa
openssl pkcs12 -export -inkey "$W/server.key" -in "$W/server.crt" -name server -passout pass: \
	-out "$W/server.p12" && mkdir "$W/database" &&
	certutil -N -d "sql:$W/database" --empty-password &&
	pk12util -i "$W/server.p12" -d "sql:$W/database" -W '' >"$W/pk12util.out" ||
	die 'no database for the server'
cp "$BUILD/e2e/e2e_other_client" "$W/other_client"
start_container server
start_server rev13 4413 -rev -tls1_3
start_server rev12 4412 -rev -tls1_2 -client_renegotiation
# The message that stands twice in a conversation then: ClientHello, KeyUpdate of both ends.
declare -A change_type=([1.2]=1 [1.3]=24)

# judge NAME VERSION TEXT...: of both captures
judge()
{
	local name=$1 version=$2 text

	shift 2
	lossless case
	lossless calls
	sound "$name" "$W/case.pcapng"
	same "$name: the calls moved what the records hold" "$(talks "$W/case.pcapng" tls)" \
		"$(talks "$W/calls.pcapng" tcp)"
	for text; do
		contains "$W/case.pcapng" "$text" || fail "$name: no $text in the records"
		contains "$W/calls.pcapng" "$text" || fail "$name: no $text in the calls"
	done
	same "$name: the keys were changed" 2 "$(fields "$W/case.pcapng" tls.handshake.type |
		tr , '\n' | grep -cx "${change_type[$version]}")"
}

captures() # start|stop CONTAINER
{
	if [[ $1 == start ]]; then
		start_capture case "--mntns=${container_mntns[$2]}"
		start_capture calls "--mntns=${container_mntns[$2]}" --source=probes --view=plain
	else
		stop_capture case
		stop_capture calls
	fi
}

changes() # LIBRARY VERSION
{
	local name="$1 of $suite, TLS $2"

	captures start "$suite"
	check "$name" in_container "$suite" "$W/other_client" "$1" "$2" "44${2/./}" change
	captures stop "$suite"
	judge "$name" "$2" words-of-old-keys words-of-new-keys "$(rev <<<words-of-new-keys)" \
		"$(rev <<<more-words)"
}

# The client of $name, whose input is $in, says TEXT.
cli_hears() # TEXT
{
	timeout "$TIMEOUT" grep -qm1 "$1" <(exec {in}>&-
		tail -n +1 -F "$W/cli.out" 2>&1) && return
	fail "$name: it never said $1: $(tail -n 3 "$W/cli.out")"
	return 1
}

gnutls_client() # VERSION COMMAND
{
	local name="gnutls-cli of $suite, TLS $1" in line

	captures start "$suite"
	rm -f "$W/cli.in" && mkfifo "$W/cli.in"
	: >"$W/cli.out"
	in_container "$suite" gnutls-cli --insecure --inline-commands --sni-hostname=server.test \
		--priority "NORMAL:-VERS-ALL:+VERS-TLS$1" -p "44${1/./}" 127.0.0.1 \
		<"$W/cli.in" >"$W/cli.out" 2>&1 &
	processes+=($!)
	exec {in}>"$W/cli.in"
	for line in words-of-old-keys "$2" words-of-new-keys more-words; do
		printf '%s\n' "$line" >&"$in"
		[[ $line == ^* ]] && line=completed || line=$(rev <<<"$line")
		cli_hears "$line" || break
	done
	exec {in}>&-
	wait "${processes[-1]}" || fail "$name: gnutls-cli failed: $(tail -n 3 "$W/cli.out")"
	captures stop "$suite"
	judge "$name" "$1" words-of-old-keys words-of-new-keys "$(rev <<<words-of-new-keys)" \
		"$(rev <<<more-words)"
}

gnutls_server() # VERSION LETTER TEXT
{
	local name="gnutls-serv of $suite, TLS $1" line

	captures start "$suite"
	client_begin $port "-tls${1/./_}"
	for line in words-of-old-keys "$2" words-of-new-keys more-words; do
		printf '%s\n' "$line" >&"$client_in"
		[[ $line == "$2" ]] && line=$3
		client_hears "$line" || break
	done
	client_end
	captures stop "$suite"
	judge "$name" "$1" words-of-old-keys words-of-new-keys more-words
}

# With -r 1 it begins another handshake when the first one is over; OpenSSL does not take data in
# the midst of that.
nss_client()
{
	local name="tstclnt of $suite, TLS 1.2" in line

	captures start "$suite"
	rm -f "$W/cli.in" && mkfifo "$W/cli.in"
	: >"$W/cli.out"
	in_container "$suite" tstclnt -h 127.0.0.1 -p 4412 -d "sql:$W/database" -v -o -r 1 \
		-V tls1.2:tls1.2 <"$W/cli.in" >"$W/cli.out" 2>&1 &
	processes+=($!)
	exec {in}>"$W/cli.in"
	for line in '' words-of-new-keys more-words; do
		[[ $line ]] && printf '%s\n' "$line" >&"$in"
		[[ $line ]] && line=$(rev <<<"$line") || line='; 2 cache misses'
		cli_hears "$line" || break
	done
	exec {in}>&-
	kill "$(last_child "${processes[-1]}")" # it stays when its input has ended
	wait "${processes[-1]}" 2>/dev/null
	captures stop "$suite"
	judge "$name" 1.2 words-of-new-keys "$(rev <<<words-of-new-keys)" "$(rev <<<more-words)"
}

# It answers one request, which it gives back, and closes.
nss_server()
{
	local name="selfserv of $suite, TLS 1.3"

	start in_container "$suite" selfserv -d "sql:$W/database" -n server -p $((++port)) \
		-V tls1.3:tls1.3 >"$W/selfserv.out" 2>&1
	listening $port "$started"
	captures start "$suite"
	client_begin $port -tls1_3
	client_does K KEYUPDATE &&
		printf 'GET /words-of-new-keys HTTP/1.0\n\n' >&"$client_in" &&
		client_hears words-of-new-keys
	client_end
	captures stop "$suite"
	judge "$name" 1.3 words-of-new-keys
}

start_container client
skipped= port=4420
suites=(bookworm trixie sid)
[[ ${E2E_SHORT:-} ]] && suites=(bookworm)
for suite in "${suites[@]}"; do
	root=$suite
	[[ $suite == bookworm ]] && root=/
	if [[ $root != / ]] && ! root_ready "$root"; then
		skipped+="$(root_reason "$root"). "
		continue
	fi
	start_container "$suite" "$root" own
	start in_container "$suite" gnutls-serv -q --echo --x509keyfile "$W/server.key" \
		--x509certfile "$W/server.crt" -p $((++port)) >"$W/serv.out" 2>&1
	listening $port "$started"
	gnutls_client 1.3 '^rekey^'
	gnutls_server 1.2 R RENEGOTIATING
	if [[ $suite == bookworm ]]; then
		gnutls_client 1.2 '^renegotiate^'
		gnutls_server 1.3 K KEYUPDATE
	fi
	# Of NSS the oldest and the newest: the test is long.
	if [[ $suite != trixie ]]; then
		nss_client
		nss_server
	fi
	changes mbedtls 1.2
	changes wolfssl 1.3
	# Not tested: wolfSSL's renegotiation with OpenSSL, which its client refused. mbedTLS has no KeyUpdate.
	tsharks=(host) # these have shown that they agree
done
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
finish
