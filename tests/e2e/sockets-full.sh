#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# More connections than the kernel side's table of sockets has room for: those that are in it are
# whole, the others are counted and told, and there is room again when they are closed.
. "$(dirname "$0")/lib.sh"
need nginx

many=100 later=5
printf 'hello\n' >"$W/served/hello"
start_nginx nginx 443
start_container client
mkfifo "$W/to"
exec {to}<>"$W/to"
in_container client "$PYTHON" "$(own_program many.py)" 443 <"$W/to" >"$W/out" &
client=$!
processes+=("$client")

exchange() # NUMBER TIMES
{
	printf '%s\n' "$1" >&$to
	check "$1 connections at once" timeout "$TIMEOUT" grep -cm "$2" '' \
		<(tail -n +1 --pid="$client" -F "$W/out" 2>/dev/null)
}

# What is accepted on the machine is in the table as well.
export TLSPCAP_SOCKETS=64
start_capture case "--mntns=${container_mntns[client]}"
exchange "$many" 1
exchange "$later" 2
stop_capture case
exec {to}>&-

shown=$(count_frames "$W/case.pcapng" 'tls.handshake.type == 1')
answers=$(count_frames "$W/case.pcapng" 'http.response')
said=$(sed -n 's/.*times that the table of sockets was full: \([0-9]*\).*/\1/p' "$W/case.said")
check "of $many + $later connections $shown are shown" \
	test "$shown" -gt "$((later + 1))" -a "$shown" -le "$((64 + later))"
same 'each of them whole' "$shown" "$answers"
check "the others are counted: ${said:-0}" test "${said:-0}" -ge "$((many + later - shown))"
check 'the later ones are shown' test "$(tshark_of host -r "$W/case.pcapng" \
	-Y 'tls.handshake.type == 1' -T fields -e tcp.srcport | tail -n "$later" |
	sort -u | wc -l)" = "$later"
sound case "$W/case.pcapng"
export TLSPCAP_SOCKETS=none
check 'a number that is none' bash -c "! $TLSPCAP -q -w '$W/none' --mntns=${container_mntns[client]}"
finish
