#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Every way to call OpenSSL: one SSL_write of 10 MB, the _ex calls, partial and repeated
# non-blocking writes, SSL_peek, failing calls. Captured are the bytes that were accepted,
# each once.
. "$(dirname "$0")/lib.sh"
need nginx
client=$BUILD/e2e/e2e_client
[[ -x $client ]] || skip "$client was not built; it needs libssl-dev"
cp "$client" "$W/client"

start_nginx nginx 443
start_container client
make_body "$W/big" 10000000
make_body "$W/middle" 3000000
tsharks=(host) # http.sh has shown that they agree

for how in big ex partial retry peek failed; do
	body=$W/middle
	[[ $how == big || $how == ex ]] && body=$W/big
	start_capture case "--mntns=${container_mntns[client]}"
	check "$how: upload" in_container client "$W/client" $how 443 "$body" "up-$how"
	same "$how: arrived" "$(hashes "$body")" "$(hashes "$W/served/up-$how")"
	stop_capture case
	lossless case
	# nginx answers an upload with a page of its own; it is an object too.
	export_objects host "$W/case.pcapng" "$W/objects"
	same "$how: captured once" 1 "$(hashes "$W"/objects/* | grep -c "$(hashes "$body")")"
	same "$how: requests" 1 "$(count_frames "$W/case.pcapng" http.request)"
	same "$how: answers" 1 "$(count_frames "$W/case.pcapng" http.response)"
	same "$how: nothing wrong" '' "$(complaints "$W/objects.expert")"
	sound "$how" "$W/case.pcapng"
	for text in 'after the end' negative; do
		contains "$W/case.pcapng" "$text" && fail "$how: has bytes of a failed call: $text"
	done
	rm -rf "$W/objects"
done
finish
