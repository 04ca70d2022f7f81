#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A keep-alive connection to nginx that is older than the capture, of the client's side and of
# the server's: its requests from then on are shown, with the right addresses; and so is what
# another client does meanwhile on a connection of its own.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
need nginx curl
need_multi

start_container client
start_container server
E2E_CONTAINER=server start_nginx nginx 443
for name in early first second other; do
	make_body "$W/served/$name" 70000
done

older() # SOURCE CAPTURED
{
	local name="--source=$1, the $2's side" file=$W/case.pcapng

	start_keepalive 127.0.0.1 443 in_container client
	keepalive_get early
	start_capture case "--source=$1" "--mntns=${container_mntns[$2]}"
	keepalive_get first
	check "$name: another connection" in_container client curl -sS --fail -k --http1.1 \
		https://127.0.0.1/other -o /dev/null
	keepalive_get second
	end_keepalive
	stop_capture case
	lossless case
	shows_bodies "$name" "$file" "$(hashes "$W"/served/{first,second,other})"
	same "$name: conversations" 2 "$(count_frames "$file" \
		'tcp.flags.syn == 1 && tcp.flags.ack == 0')"
	same "$name: the older one is marked" \
		"127.0.0.1 127.0.0.1 $keepalive_port 443" \
		"$(tshark_of host -r "$file" -T fields -E separator=' ' -Y \
			'frame.comment contains "start=before-capture;" && tcp.flags.str contains "S" &&
			tcp.flags.ack == 0' -e ip.src -e ip.dst -e tcp.srcport -e tcp.dstport)"
}

sources=(auto probes)
[[ ${E2E_SHORT:-} ]] && sources=(auto)
for source in "${sources[@]}"; do
	for side in client server; do
		older $source $side
	done
done
finish
