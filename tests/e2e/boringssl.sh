#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# BoringSSL as a shared library (Debian's android-libboringssl): its own client and server, by
# records and by the calls; the secrets are those that it logs itself.
. "$(dirname "$0")/lib.sh"
need nginx curl

make_certificate server
make_body "$W/served/file" 200000
start_nginx nginx 443

mkfifo "$W/request"
exec {request}<>"$W/request"

# The end of its input would end its half of the connection.
client() # NAME CONTAINER
{
	printf 'GET /file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&"$request"
	in_container "$2" env SSLKEYLOGFILE="$W/case.keys" timeout "$TIMEOUT" bssl-tool client \
		-connect 127.0.0.1:443 -server-name server.test \
		<&"$request" >"$W/got" 2>"$W/client.err"
	same "$1: downloaded" "$(hashes "$W/served/file")" \
		"$(tail -c 200000 "$W/got" | sha256sum | cut -d' ' -f1)"
}

port=4433
for suite in trixie sid; do
	port=$((port + 1))
	start_container $suite $suite
	start in_container $suite env SSLKEYLOGFILE="$W/server.keys" bssl-tool server \
		-accept "$port" -www -loop -key "$W/server.pem" >"$W/server.out" 2>&1
	wait_port ::1 "$port" "$started"
	for source in records probes; do
		name="$suite client, $source"
		rm -f "$W/case.keys"
		start_capture case "--source=$source" "--mntns=${container_mntns[$suite]}"
		client "$name" $suite
		stop_capture case
		lossless case
		shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W/served/file")"
		same "$name: secrets" "$(sort -u "$W/case.keys")" "$(secrets "$W/case.pcapng")"
	done

	name="$suite server"
	: >"$W/server.keys"
	start_capture case "--mntns=${container_mntns[$suite]}"
	check "$name: curl" curl -sSk --http1.1 -o "$W/got" "https://localhost:$port/"
	stop_capture case
	lossless case
	shows_nothing_wrong "$name" "$W/case.pcapng"
	# Its body ends with the connection, which tshark 4.0 does not export.
	check "$name: its answer is shown" contains "$W/case.pcapng" "$(grep -m1 Cipher: "$W/got")"
	check "$name: and the request" contains "$W/case.pcapng" 'User-Agent: curl'
	same "$name: secrets" "$(sort -u "$W/server.keys")" "$(secrets "$W/case.pcapng")"
done
finish
