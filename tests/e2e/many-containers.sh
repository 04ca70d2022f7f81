#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Containers on one lower layer (one library file for all of them) and containers with their
# own copies; --mntns of three of them: exactly theirs, whoever else talks.
. "$(dirname "$0")/lib.sh"
need curl nginx

each=${E2E_RUNS:-8}
start_nginx nginx 443
for ((i = 1; i <= each; i++)); do
	for how in shared own; do
		printf 'token-of-%s-%03d-%s\n' $how "$i" "$RANDOM$RANDOM" >"$W/served/$how-$i"
		start_container "$how-$i" / $how
	done
done

# curl in every one of them, two rounds.
work()
{
	local how i

	for how in shared own shared own; do
		for ((i = 1; i <= each; i++)); do
			in_container "$how-$i" curl -sSk --fail --http1.1 -o /dev/null \
				"https://127.0.0.1/$how-$i" || fail "curl in $how-$i"
		done
	done
}

wanted=(shared-1 "own-$each" "own-$((each / 2))")
options=()
for name in "${wanted[@]}"; do
	options+=("--mntns=${container_mntns[$name]}")
done
start_capture case "${options[@]}"
work
stop_capture case
lossless case
same "three of $((2 * each)): conversations" 6 "$(complete_conversations "$W/case.pcapng")"
same 'nothing but theirs' "$(for name in "${wanted[@]}"; do cat "$W/served/$name"; done | sort)" "$(
	export_objects host "$W/case.pcapng" "$W/objects" && cat "$W"/objects/* | sort -u
)"
same 'three interfaces' 3 "$(fields "$W/case.pcapng" frame.interface_id | sort -u | wc -l)"

# Everybody in this network namespace: each once, although many share one file.
start_capture all --netns=/proc/self/ns/net
work
stop_capture all
lossless all
same 'all: conversations' $((4 * each)) "$(complete_conversations "$W/all.pcapng")"
finish
