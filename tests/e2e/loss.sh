#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Loss on purpose: the smallest buffer, and nobody who empties it for a while. It is counted
# and marked at its place; what comes after it can be read; nothing is shown that was not sent.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
need nginx

start_nginx nginx 443
start_container client
rounds=6
[[ ${E2E_SHORT:-} ]] && rounds=2
for ((i = 0; i <= rounds; i++)); do
	make_body "$W/served/whole$i" 60000
done
make_body "$W/served/lost" 5000000

# lose NAME tls|tcp OPTION...: what stands between two `whole` answers finds nobody at the buffer.
lose()
{
	local name=$1 protocol=$2 file=$W/case.pcapng i

	shift 2
	start_capture case -B 256K "$@" "--mntns=${container_mntns[client]}"
	start_keepalive 127.0.0.1 443 in_container client
	keepalive_get whole0
	for ((i = 1; i <= rounds; i++)); do
		caught_up case
		kill -STOP "${capture_pid[case]}"
		keepalive_get lost
		kill -CONT "${capture_pid[case]}"
		caught_up case
		keepalive_get whole$i
	done
	end_keepalive
	stop_capture case
	grep 'LOST' "$W/case.said" | tail -n 1 | sed 's/^/      /'

	check "$name: gaps are counted" grep 'LOST: [1-9][0-9]* gap' "$W/case.said"
	check "$name: the reason is told" grep 'the ring buffer full: [1-9]' "$W/case.said"
	sound "$name" "$file"
	check "$name: the loss is marked in a comment" \
		grep 'gap=[1-9].*;reason=ring-full;' <(fields "$file" frame.comment)
	check "$name: and in the packet's drop count" grep . <(fields "$file" frame.drop_count)
	same "$name: marked bytes" "$(grep -o '[0-9]* bytes that are known' "$W/case.said" |
		tail -n 1 | cut -d' ' -f1)" "$(fields "$file" frame.comment |
		grep -o 'gap=[0-9]*' | awk -F= '{ sum += $2 } END { print sum }')"
	same "$name: what is shown was there, and what comes after each gap is shown" '' \
		"$(followed "$file" $protocol | "$PYTHON" -S "$E2E/programs/shown.py" 443 \
			"$W/sent" "$W/received" "$W"/served/whole* 2>"$W/shown")"
	sed 's/^/      /' "$W/shown"
	same "$name: one pair of addresses" "127.0.0.1 127.0.0.1 $keepalive_port 443" \
		"$(tshark_of host -r "$file" -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' \
			-T fields -E separator=' ' -e ip.src -e ip.dst -e tcp.srcport \
			-e tcp.dstport | sort -u)"
}

lose '--source=auto' tls
[[ ${E2E_SHORT:-} ]] && finish
lose '--source=probes' tls --source=probes
lose '--view=plain' tcp --view=plain
finish
