#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Every call of GnuTLS that moves data: corked, with padding, of a file, in packets; and git, whose
# libcurl is built with GnuTLS. As records and by the calls themselves.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need openssl git nginx ss gnutls-cli

make_certificate server rsa
printf 'by-file\n' >"$W/by-file"
cp "$BUILD/e2e/e2e_gnutls_calls" "$W/gnutls_calls"

# --- the calls --------------------------------------------------------------------------------

calls() # SUITE
{
	local name=${1/\//bookworm} text

	start_container "$name" "$1" own
	# Its own key log tells what the one of the client must be.
	start_s_server "s_server_$name" "$port" -rev
	start_capture case "--mntns=${container_mntns[$name]}"
	start_capture calls "--mntns=${container_mntns[$name]}" --source=probes --view=plain
	check "$name: the calls" in_container "$name" "$W/gnutls_calls" "$port" "$W/by-file"
	stop_capture case
	stop_capture calls
	lossless case
	lossless calls
	for text in by-send by-send2 by-range by-cork by-file; do
		# What was corked is sent in two calls.
		{ [[ $text == by-cork ]] || contains "$W/calls.pcapng" $text; } &&
			contains "$W/case.pcapng" $text &&
			contains "$W/calls.pcapng" "$(rev <<<$text)" && pass "$name: $text" ||
			fail "$name: no $text"
	done
	same "$name: the calls moved what the records hold" "$(talks "$W/case.pcapng" tls)" \
		"$(talks "$W/calls.pcapng" tcp)"
	check "$name: the name that was asked for" grep -qaF 'sni=calls.test' "$W/calls.pcapng"
	# Of a connection to look whether it listens there may be nothing in the server's log.
	same "$name: the server's secrets" "$(grep -vE '^#|EXPORTER' "$W/s_server_$name.keys" |
		sort -u)" "$(secrets "$W/case.pcapng" | grep -v EXPORTER)"
	port=$((port + 1))
}

skipped=
port=4440
for suite in / trixie sid; do
	if [[ $suite != / ]] && ! root_ready "$suite"; then
		skipped+="$(root_reason "$suite"). "
		continue
	fi
	calls "$suite"
done

# --- git --------------------------------------------------------------------------------------

git init -q "$W/work"
make_body "$W/work/file" 200000
git -C "$W/work" add file
git -C "$W/work" -c user.name=test -c user.email=test@server.test commit -q -m test
git clone -q --bare "$W/work" "$W/served/repo.git"
git -C "$W/served/repo.git" repack -q -a -d
git -C "$W/served/repo.git" update-server-info
chmod -R a+rX "$W/served"
start_nginx nginx 443
start_capture case "--mntns=${container_mntns[bookworm]}"
check 'git clone' in_container bookworm env GIT_SSL_NO_VERIFY=1 SSLKEYLOGFILE="$W/keys" \
	git clone -q https://127.0.0.1/repo.git "$W/tmp/clone"
stop_capture case
lossless case
check 'git got it' cmp "$W/tmp/clone/file" "$W/work/file"
export_objects host "$W/case.pcapng" "$W/objects"
check 'git: the pack is in the file' grep -qF \
	"$(hashes "$W"/served/repo.git/objects/pack/*.pack)" \
	<(find "$W/objects" -type f -exec sha256sum {} +)
same 'git: nothing wrong' '' "$(complaints "$W/objects.expert")"
shows_secrets git "$W/case.pcapng" "$W/keys"
# --- connections that are older than the capture ----------------------------------------------

# The lines go to gnutls-serv, which sends them back; the second one while captured.
older() # VERSION
{
	local in client

	mkfifo "$W/cli.$1"
	in_container bookworm gnutls-cli --insecure -p 4450 127.0.0.1 \
		--priority "NORMAL:-VERS-ALL:+VERS-TLS$1" <"$W/cli.$1" >"$W/cli.out" 2>&1 &
	client=$!
	processes+=("$client")
	exec {in}>"$W/cli.$1"
	hears "words-before-$1"
	start_capture older "--mntns=${container_mntns[bookworm]}"
	hears "words-after-$1"
	stop_capture older # it has inherited the client's input
	exec {in}>&-
	wait "$client" || fail "gnutls-cli failed: $(tail -n 3 "$W/cli.out")"
	same "older, TLS $1: sent and received" 2 "$(tshark_of host -r "$W/older.pcapng" -q \
		-z follow,tls,ascii,0 | grep -c "^words-after-$1")"
	contains "$W/older.pcapng" words-before && fail 'it has words of before'
	shows_nothing_wrong "older, TLS $1" "$W/older.pcapng"
}

hears() # LINE
{
	printf '%s\n' "$1" >&"$in"
	timeout "$TIMEOUT" grep -qm1 "^$1" <(exec {in}>&-
		tail -n +1 -F "$W/cli.out" 2>&1) || fail "gnutls-cli heard no $1"
}

start gnutls-serv -q --echo --x509keyfile "$W/server.key" --x509certfile "$W/server.crt" -p 4450 \
	>"$W/serv.out" 2>&1
listening 4450 "$started"
tsharks=(host)
older 1.2
older 1.3
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
finish
