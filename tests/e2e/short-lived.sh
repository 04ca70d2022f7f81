#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Curls that live less than 100 ms each, 8 at a time, in a container whose libssl
# nobody had in use when the capture began: as many complete conversations.
. "$(dirname "$0")/lib.sh"
need curl nginx

runs=${E2E_RUNS:-200}
[[ ${E2E_SHORT:-} ]] && runs=16
start_nginx nginx 443
start_container client
for ((i = 1; i <= runs; i++)); do
	printf 'body-%04d-%s\n' "$i" "$RANDOM$RANDOM" >"$W/served/$i"
done
# A port that is used again within the minute would be a remark of Wireshark's.
echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
start_capture case "--mntns=${container_mntns[client]}"
in_container client bash -c 'seq "$2" | xargs -P 8 -I{} curl -sS --fail -k --http1.1 \
	-w "%{time_total}\n" -o "$1/tmp/{}" https://127.0.0.1/{}' curls "$W" "$runs" >"$W/times" ||
	fail 'a curl failed'
stop_capture case
printf '      slowest exchange: %s s\n' "$(sort -n "$W/times" | tail -n 1)"
lossless case
same 'complete conversations' "$runs" "$(complete_conversations "$W/case.pcapng")"
shows_bodies 'short-lived' "$W/case.pcapng" "$(hashes "$W"/served/*)"
same 'processes' "$runs" "$(fields "$W/case.pcapng" frame.comment |
	grep -o 'pid=[0-9]*' | sort -u | wc -l)"
finish
