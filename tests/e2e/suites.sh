#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The OpenSSL of each Debian suite (1.1.1, 3.0, 3.5, 3.6), in a container of that suite, as
# client (curl, s_client) and as server (s_server), with TLS 1.2 and 1.3.
. "$(dirname "$0")/lib.sh"
need curl nginx openssl

make_body "$W/served/body" 300000
http_response "$W/served/body"
start_nginx nginx 443
skipped=
tsharks=(host) # http.sh has shown that they agree

as_client() # SUITE VERSION
{
	local name="curl of $1, TLS $2"

	start_capture case "--mntns=${container_mntns[$1]}"
	check "$name: curl" env "SSLKEYLOGFILE=$W/keys" bash -c '
		exec nsenter --target "$1" --mount --pid --root --wdns=/ -- curl -sS --fail -k \
			--max-time "$4" --http1.1 "--tlsv$2" --tls-max "$2" \
			--resolve server.test:443:127.0.0.1 https://server.test/body -o "$3/got"
		' curl "${container_pid[$1]}" "$2" "$W" "$TIMEOUT"
	stop_capture case
	lossless case
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W/served/body")"
	shows_secrets "$name" "$W/case.pcapng" "$W/keys"
	rm -f "$W/keys"
}

# Its keys are those of the peer, curl of this machine: both ends know the same.
as_server() # SUITE VERSION
{
	local name="s_server of $1, TLS $2" server

	start_capture case "--mntns=${container_mntns[$1]}"
	in_container "$1" bash -c 'cd "$1/served" && exec openssl s_server -accept 4433 -quiet \
		-naccept 2 -cert "$1/server.crt" -key "$1/server.key" -HTTP "-tls$2"' \
		s_server "$W" "${2/./_}" </dev/null >"$W/s_server.out" 2>&1 &
	server=$!
	processes+=("$server")
	# The look whether it listens is the first connection.
	wait_port 127.0.0.1 4433 "$server"
	check "$name: curl" env "SSLKEYLOGFILE=$W/keys" curl -sS --fail -k --http1.1 \
		--max-time "$TIMEOUT" https://127.0.0.1:4433/body.http -o "$W/got"
	wait "$server"
	stop_capture case
	lossless case
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W/served/body")"
	# curl's list has what only a client logs; nothing of the server's may be missing in it.
	same "$name: no secret that its peer does not know" '' \
		"$(comm -13 <(sort -u "$W/keys") <(secrets "$W/case.pcapng"))"
	same "$name: as many secrets as the peer's" "$(sort -u "$W/keys" | wc -l)" \
		"$(secrets "$W/case.pcapng" | wc -l)"
	same "$name: address" '127.0.0.1 4433' "$(tshark_of host -r "$W/case.pcapng" \
		-Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.stream == 0' \
		-T fields -E separator=' ' -e ip.dst -e tcp.dstport)"
	rm -f "$W/keys"
}

# s_client: SSL_read and SSL_write under another program, with the suite's own key log.
as_s_client() # SUITE VERSION
{
	local name="s_client of $1, TLS $2"

	start_capture case "--mntns=${container_mntns[$1]}"
	printf 'GET /body HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n\r\n' |
		in_container "$1" openssl s_client -connect 127.0.0.1:443 -quiet -no_ign_eof \
			-ign_eof -servername server.test "-tls${2/./_}" -keylogfile "$W/keys" \
			>"$W/got" 2>"$W/s_client.err"
	stop_capture case
	lossless case
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W/served/body")"
	shows_secrets "$name" "$W/case.pcapng" "$W/keys"
	rm -f "$W/keys"
}

for suite in / bullseye trixie sid; do
	if [[ $suite != / ]] && ! root_ready "$suite"; then
		skipped+="$(root_reason "$suite"). "
		continue
	fi
	name=${suite/\//bookworm}
	start_container "$name" "$suite" own
	printf '      %s: %s\n' "$name" "$(in_container "$name" openssl version)"
	for version in 1.2 1.3; do
		as_client "$name" $version
		as_server "$name" $version
		as_s_client "$name" $version
	done
done
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
finish
