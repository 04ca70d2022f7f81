#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 200 curls that live less than 100 ms each, several at a time, in a container whose libssl
# nobody had in use when the capture began: 200 complete conversations.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
start_container client
for i in {1..200}; do
	printf 'body-%03d-%s\n' "$i" "$RANDOM$RANDOM" >"$W/served/$i"
done
start_capture case "--mntns=${container_mntns[client]}"
in_container client bash -c 'seq 200 | xargs -P 4 -I{} curl -sS --fail -k --http1.1 \
	-w "%{time_total}\n" -o "$1/tmp/{}" https://127.0.0.1/{}' curls "$W" >"$W/times" ||
	fail 'a curl failed'
stop_capture case
printf '      slowest exchange: %s s\n' "$(sort -n "$W/times" | tail -n 1)"
lossless case
same 'complete conversations' 200 "$(complete_conversations "$W/case.pcapng")"
shows_bodies 'short-lived' "$W/case.pcapng" "$(hashes "$W"/served/*)"
same 'processes' 200 "$(fields "$W/case.pcapng" frame.comment |
	grep -o 'pid=[0-9]*' | sort -u | wc -l)"
finish
