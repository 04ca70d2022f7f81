#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A disk that is slower than what is captured: the program that is captured is not slowed, what
# finds the ring buffer full is counted and marked, memory stays as it is, and what
# comes after is captured again.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
. "$E2E/tokens"
need curl nginx ab fusermount3
. "$E2E/faulty-disk"

start_nginx nginx 443
start_container client
scope=--mntns=${container_mntns[client]}
make_body "$W/served/large" 20000
printf 'after the storm\n' >"$W/served/after"

# load NAME: requests a second of a client that is captured; $rate becomes the best one.
load()
{
	local got

	in_container client ab -q -n 2500 -c 4 -k https://127.0.0.1/large >"$W/ab" 2>&1 ||
		fail "ab: $(tail -n 3 "$W/ab")"
	got=$(awk '/^Requests per second/ { print int($4) }' "$W/ab")
	same "$1: no request failed" '2500 0' \
		"$(awk '/^(Complete|Failed) requests/ { printf "%s%s", s, $3; s = " " }' "$W/ab")"
	((rate >= got)) || rate=$got
}

resident() # NAME
{
	awk '/^VmHWM/ { print $2 }' "/proc/${capture_pid[$1]}/status"
}

# By turns, and the best of each: this machine has other work as well. A slow disk takes 128 KiB in
# 200 ms.
fast=0 slow=0
start_capture slow -w "$W/disk/slow.pcapng" "$scope" -B 2M
disk_is
rate=0
load 'first'
first_kb=$(resident slow)
for round in 1 2 3; do
	disk_is
	rate=$fast
	load "fast disk, round $round"
	fast=$rate
	disk_is slow=200
	rate=$slow
	load "slow disk, round $round"
	slow=$rate
done
disk_is
caught_up slow
check 'after it, the client' in_container client curl -sS --fail -k --http1.1 -o /dev/null \
	https://127.0.0.1/after
slow_kb=$(resident slow)
stop_capture slow
sed 's/^/      | /' "$W/slow.said"
printf '      requests/s: %d with a fast disk, %d with a slow one: %d %%\n' "$fast" "$slow" \
	$((100 * slow / fast))
((slow * 10 >= fast * 7)) && pass 'the program is not slowed' ||
	fail "the program is slowed: $fast requests/s, then $slow"
printf '      at most in memory: %d and %d kB\n' "$first_kb" "$slow_kb"
((slow_kb < first_kb + 32000)) && pass 'memory stays as it is' ||
	fail "memory: $first_kb kB, then $slow_kb"
check 'losses are told' grep -q 'ring buffer full' "$W/slow.said"
same 'each with its reason' 'reason=ring-full;' \
	"$(fields "$W/behind/slow.pcapng" frame.comment 'frame.drop_count > 0' |
		grep -o 'reason=[^;]*;' | sort -u)"
# Each gap that is told at the end is in a packet's count, and in the interface's.
told=$(sed -n 's/.*LOST: \([0-9]*\) gap.*/\1/p' "$W/slow.said" | tail -n 1)
same 'in the packets as many as are told' "$told" \
	"$(fields "$W/behind/slow.pcapng" frame.drop_count | awk '{ n += $1 } END { print n + 0 }')"
same 'after it, everything is captured again' /after \
	"$(fields "$W/behind/slow.pcapng" http.request.uri 'http.request.uri == "/after"')"
files=("$W/behind/slow.pcapng")
sound_set 'slow'
rm "$W/behind/slow.pcapng"

# In a set of files: the counts of all packets, those of all interfaces, and what the end says.
start_capture set -w "$W/disk/set.pcapng" "$scope" -B 512K -b filesize:300
disk_is slow=100
rate=0
load 'a set on a slow disk'
disk_is
caught_up set
check 'after it, the client' in_container client curl -sS --fail -k --http1.1 -o /dev/null \
	https://127.0.0.1/after
stop_capture set
told=$(sed -n 's/.*LOST: \([0-9]*\) gap.*/\1/p' "$W/set.said" | tail -n 1)
mapfile -t files < <(printf '%s\n' "$W"/behind/set_* | sort)
at_least "a set" 3
sound_set 'a set'
same "$told gaps: in the packets of all files" "$told" "$(for file in "${files[@]}"; do
	fields "$file" frame.drop_count
done | awk '{ n += $1 } END { print n + 0 }')"
for suite in "${tsharks[@]}"; do
	same "$told gaps: in the statistics of all interfaces, for tshark of $suite" "$told" \
		"$(for file in "${files[@]}"; do
			tshark_of "$suite" -r "$file" -X 'read_format:MIME Files Format' -T fields \
				-e pcapng.options.option.data.interface.dropped
		done | tr , '\n' | awk '{ n += $1 } END { print n + 0 }')"
done
same 'each interface has statistics, for capinfos' '' "$(for file in "${files[@]}"; do
	capinfos -I "$file" | grep 'stat entries' | grep -v '= 1$'
done)"
finish
