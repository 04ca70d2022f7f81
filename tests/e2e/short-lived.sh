#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Curls that live less than 100 ms each, 8 at a time, in a container whose libssl
# nobody had in use when the capture began: as many complete conversations.
. "$(dirname "$0")/lib.sh"
need curl nginx ss

runs=${E2E_RUNS:-200}
[[ ${E2E_SHORT:-} ]] && runs=16
start_nginx nginx 443
start_container client
# Each from a port of its own: one that is used again would be a remark of Wireshark's.
first=20001
for ((i = first; i < first + runs; i++)); do
	printf 'body-%05d-%s\n' "$i" "$RANDOM$RANDOM" >"$W/served/$i"
done
start_capture case "--mntns=${container_mntns[client]}"
in_container client bash -c 'seq "$2" "$3" | xargs -P 8 -I{} curl -sS --fail -k --http1.1 \
	--local-port {} -w "%{time_total}\n" -o "$1/tmp/{}" https://127.0.0.1/{}' curls "$W" \
	"$first" "$((first + runs - 1))" >"$W/times" ||
	fail 'a curl failed'
# The last ones have ended; nginx may yet have to close its side.
deadline=$((SECONDS + TIMEOUT))
while [[ $(ss -Hnt exclude time-wait exclude listening 'sport = :443') ]]; do
	((SECONDS < deadline)) || { fail 'nginx does not close its connections'; break; }
done
stop_capture case
printf '      slowest exchange: %s s\n' "$(sort -n "$W/times" | tail -n 1)"
lossless case
same 'complete conversations' "$runs" "$(complete_conversations "$W/case.pcapng")"
shows_bodies 'short-lived' "$W/case.pcapng" "$(hashes "$W"/served/*)"
same 'processes' "$runs" "$(fields "$W/case.pcapng" frame.comment |
	grep -o 'pid=[0-9]*' | sort -u | wc -l)"
finish
