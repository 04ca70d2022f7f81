#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 1 GiB over one connection, in 16 answers: tshark's bodies have the hashes of what was served;
# or the loss is reported, with its place. Once with each plan.
. "$(dirname "$0")/../lib.sh"
. "$E2E/tokens"
need nginx

parts=16
start_container client
start_nginx nginx 443
for ((i = 1; i <= parts; i++)); do
	make_body "$W/served/part$i" $((1 << 26))
done
expected=$(hashes "$W"/served/part*)
tsharks=(host)

for source in auto probes; do
	name=--source=$source
	start_capture case "--source=$source" "--mntns=${container_mntns[client]}"
	start_keepalive 127.0.0.1 443 in_container client
	for ((i = 1; i <= parts; i++)); do
		keepalive_get part$i
	done
	end_keepalive
	rm -f "$W/received"
	TIMEOUT=120 stop_capture case
	printf '      %s: %s\n' "$name" "$(tail -n 1 "$W/case.said")"
	file=$W/case.pcapng
	if grep -q 'nothing was lost' "$W/case.said"; then
		shows_bodies "$name" "$file" "$expected"
		same "$name: conversations" 1 "$(complete_conversations "$file")"
	else
		check "$name: the loss is reported" grep 'LOST: [1-9]' "$W/case.said"
		check "$name: and its place" grep 'gap=[1-9]' <(fields "$file" frame.comment)
		same "$name: marked bytes" "$(grep -o '[0-9]* bytes that are known' \
			"$W/case.said" | tail -n 1 | cut -d' ' -f1)" "$(
			fields "$file" frame.comment | grep -o 'gap=[0-9]*' |
				awk -F= '{ sum += $2 } END { print sum }')"
		sound "$name" "$file"
	fi
	rm -f "$file"
done
finish
