#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Kinds of sockets and of reads that few programs use, each captured at the client alone and at
# the server alone: TCP Fast Open (the first bytes go with the SYN), Multipath TCP, and TLS in
# memory whose record headers are read byte by byte.
. "$(dirname "$0")/lib.sh"

program=$(own_program kinds.py)
echo 3 >/proc/sys/net/ipv4/tcp_fastopen || skip 'no TCP Fast Open'
make_certificate server
for size in 0 1 2 3; do
	make_body "$W/served/body$size" $((7 + size * size * 20000))
done
bodies=$(hashes "$W"/served/body*)

# How many connections have had data in their SYN, as the kernel counts.
fast_opened()
{
	awk '/^TcpExt:/ { if (!n) { n = split($0, name); next }
		split($0, value); for (i in name) if (name[i] == "TCPFastOpenPassive") print value[i] }' \
		/proc/net/netstat
}

each_kind() # KIND PORT
{
	local kind=$1 port=$2 end before

	start_container "server-$kind"
	start_container "client-$kind"
	start in_container "server-$kind" "$PYTHON" "$program" server "$kind" "$port" \
		"$W/server.pem" "$W/served"
	wait_port 127.0.0.1 "$port" "$started"
	before=$(fast_opened)
	for end in client server; do
		start_capture "$kind-$end" "--mntns=${container_mntns[$end-$kind]}"
	done
	check "$kind: exchange" in_container "client-$kind" timeout "$TIMEOUT" "$PYTHON" "$program" client \
		"$kind" "$port" body0 body1 body2 body3
	for end in client server; do
		stop_capture "$kind-$end"
		lossless "$kind-$end"
		shows_bodies "$kind, $end" "$W/$kind-$end.pcapng" "$bodies"
		same "$kind, $end: genuine handshakes" 4 \
			"$(count_frames "$W/$kind-$end.pcapng" 'tls.handshake.type == 1')"
		same "$kind, $end: only records" 0 \
			"$(grep -ac 'synthesized=tls' "$W/$kind-$end.pcapng")"
	done
	[[ $kind != *fastopen ]] && return
	check "$kind: data was in SYNs" test "$(fast_opened)" -gt "$before"
}

each_kind bytewise 19101
each_kind fastopen 19102
each_kind blocking-fastopen 19103
if "$PYTHON" -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)' \
	2>/dev/null; then
	each_kind mptcp 19104
else
	printf 'SKIP: this kernel has no Multipath TCP\n'
fi
finish
