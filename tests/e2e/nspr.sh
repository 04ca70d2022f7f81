#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The NSS of each Debian suite (3.61, 3.87, 3.110, 3.132): its own client and server, each
# captured on its own, with OpenSSL at the other end, which writes the key log that NSS was
# built without; TLS 1.2 and 1.3, resumption. What the library's calls gave and took is what the
# records hold.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need certutil pk12util openssl ss selfserv tstclnt

make_certificate server rsa
openssl pkcs12 -export -inkey "$W/server.key" -in "$W/server.crt" -name server -passout pass: \
	-out "$W/server.p12" && mkdir "$W/database" &&
	certutil -N -d "sql:$W/database" --empty-password &&
	pk12util -i "$W/server.p12" -d "sql:$W/database" -W '' >"$W/pk12util.out" ||
	die 'no database for the server'
make_body "$W/served/one" 100000
make_body "$W/served/two" 300000
http_response "$W/served/two"
printf 'GET %s HTTP/1.0\r\n\r\n' "$W/served/one" >"$W/ask-file"
printf 'GET /words-to-be-echoed HTTP/1.0\r\n\r\n' >"$W/ask-words"
printf 'GET /two.http HTTP/1.0\r\n\r\n' >"$W/ask-response"

# A whole conversation of s_client; the server ends it. SAYS OPTION...
asks()
{
	local says=$1

	shift
	timeout "$TIMEOUT" openssl s_client -connect "127.0.0.1:$port" -quiet \
		-keylogfile "$W/server.keys" "$@" <"$says" >"$W/got" 2>"$W/got.err"
}

ask_server()
{
	local version session=$W/session.$name

	for version in 1_3 1_2; do
		asks "$W/ask-file" -tls$version
		check "$name, server: a file, TLS $version" cmp "$W/served/one" \
			<(tail -c 100000 "$W/got")
		asks "$W/ask-words" -tls$version -sess_out "$session"
		check "$name, server: words, TLS $version" grep -qa words-to-be-echoed "$W/got"
		asks "$W/ask-words" -tls$version -sess_in "$session"
		check "$name, server: words, resumed, TLS $version" \
			grep -qa words-to-be-echoed "$W/got"
	done
}

# -L 3: three connections, two of them resumed.
ask_client()
{
	local version

	for version in 1.3 1.2; do
		in_container "$client" timeout "$TIMEOUT" tstclnt -h 127.0.0.1 -p $((port + 1)) \
			-D -o -u -V tls$version:tls$version -A "$W/ask-response" -L 3 \
			>"$W/got" 2>"$W/got.err"
		same "$name, client: three times, TLS $version" 0 $?
	done
}

one_suite() # SUITE
{
	local name=${1/\//bookworm} end
	local client=client-$name server=server-$name

	port=$((port + 2))
	start_container "$client" "$1" own
	start_container "$server" "$1" own
	rm -f "$W"/{client,server}.keys
	start in_container "$server" selfserv -d "sql:$W/database" -n server -p $port -u \
		-V tls1.2:tls1.3 >"$W/selfserv.out" 2>&1
	listening $port "$started"
	# Holds the client's libraries, which are found before the first handshake.
	start in_container "$client" selfserv -d "sql:$W/database" -n server -p $((port + 100)) \
		>"$W/idle.out" 2>&1
	listening $((port + 100)) "$started"
	start_s_server client $((port + 1)) -HTTP
	for end in client server; do
		start_capture $end "--mntns=${container_mntns[${!end}]}"
		start_capture $end-probes "--mntns=${container_mntns[${!end}]}" --source=probes \
			--view=plain
	done
	ask_server
	ask_client
	for end in client server; do
		stop_capture $end
		stop_capture $end-probes
		lossless $end
		lossless $end-probes
	done

	shows_bodies "$name, client" "$W/client.pcapng" "$(for _ in 1 2 3 4 5 6; do
		hashes "$W/served/two"; done)"
	shows_nothing_wrong "$name, server" "$W/server.pcapng"
	for end in client server; do
		shows_secrets "$name, $end" "$W/$end.pcapng" "$W/$end.keys"
		same "$name, $end: complete conversations" 6 \
			"$(complete_conversations "$W/$end.pcapng")"
		talks "$W/$end.pcapng" tls >"$W/records"
		same "$name, $end: talks" 12 "$(wc -l <"$W/records")"
		same "$name, $end: the calls moved what the records hold" "$(cat "$W/records")" \
			"$(talks "$W/$end-probes.pcapng" tcp)"
		same "$name, $end: no address is unknown" '' \
			"$(grep -h 'unknown address' "$W/$end.said" "$W/$end-probes.said")"
	done
	tsharks=(host) # the first suite has shown that they agree
}

skipped=
port=4430
suites=(/ bullseye trixie sid)
[[ ${E2E_SHORT:-} ]] && suites=(/)
for suite in "${suites[@]}"; do
	if [[ $suite != / ]] && ! root_ready "$suite"; then
		skipped+="$(root_reason "$suite"). "
		continue
	fi
	one_suite "$suite"
done
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
finish
