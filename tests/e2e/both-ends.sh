#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Client and server are both captured: each conversation is written once.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_container client
start_container server
for i in {1..10}; do
	make_body "$W/served/$i" $((i * 9000))
done
make_body "$W/upload" 60000
make_certificate server

# nginx in one container; curl in another, then in the same.
E2E_CONTAINER=server start_nginx nginx 443

work() # CONTAINER
{
	local i

	for i in {1..10}; do
		SSLKEYLOGFILE=$W/keys in_container "$1" curl -sS --fail -k --http1.1 \
			"https://127.0.0.1/$i" -o "$W/got" || return
	done
	in_container "$1" env "SSLKEYLOGFILE=$W/keys" curl -sS --fail -k --http1.1 \
		-T "$W/upload" "https://[::1]/uploaded" -o "$W/got"
}

for client in client server; do
	name="client in the $client's container"
	rm -f "$W/keys" "$W/served/uploaded"
	start_capture case "--mntns=${container_mntns[server]}" \
		"--mntns=${container_mntns[$client]}"
	check "$name: curl" work $client
	stop_capture case
	lossless case
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W"/served/{1,2,3,4,5,6,7,8,9,10} \
		"$W/upload")"
	same "$name: conversations" 11 "$(complete_conversations "$W/case.pcapng")"
	shows_secrets "$name" "$W/case.pcapng" "$W/keys"
done
finish
