#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A record's header that is received alone, and nothing after it: it waits in the kernel to be one
# event with its rest, and is in the file when the socket is closed, when the program is killed,
# and when the capture ends before that. The bytes are those that tcpdump sees.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need tcpdump

# To each client a header of its own, out of scope: another end of it would have the bytes as well.
cat >"$W/send" <<'END'
import socket
listener = socket.create_server(("127.0.0.1", 443))
clients = []
while True:
    clients.append(listener.accept()[0])
    clients[-1].recv(100)
    clients[-1].sendall(b"\x17\x03\x03\x00" + bytes([16 + len(clients)]))
END

# Sends a ClientHello's beginning, receives 5 bytes, says so, and does what it is told.
cat >"$W/receive" <<'END'
import socket, sys
client = socket.create_connection(("127.0.0.1", 443))
client.sendall(b"\x16\x03\x01\x00\x05hello")
assert client.recv(5)[0] == 0x17
print(client.getsockname()[1], flush=True)
if sys.argv[1] == "close":
    client.close()
    print("closed", flush=True)
input()
END

start "$PYTHON" -S "$W/send"
wait_port 127.0.0.1 443 "$started"
start_container client
start tcpdump --immediate-mode -U -Z root -s 0 -i lo -w "$W/wire.pcap" 2>"$W/tcpdump.said"
tcpdump_pid=$started
check 'tcpdump listens' timeout "$TIMEOUT" grep -qm1 'listening on' \
	<(tail -n +1 -F "$W/tcpdump.said" 2>&1)
start_capture case --view=tls "--mntns=${container_mntns[client]}"
for how in close kill stay; do
	mkfifo "$W/$how.in" "$W/$how.out"
	exec {out}<>"$W/$how.out"
	in_container client "$PYTHON" -S "$W/receive" "$how" <>"$W/$how.in" >"$W/$how.out" &
	processes+=($!)
	read -r -t "$TIMEOUT" -u "$out" port || die "$how: nothing was received"
	[[ $how != close ]] || read -r -t "$TIMEOUT" -u "$out" _ || die 'it does not close'
	[[ $how == kill ]] && kill -KILL "$(last_child $!)" && wait $! 2>/dev/null
	ports+=("$port")
done
stop_capture case
kill -INT "$tcpdump_pid"
wait "$tcpdump_pid"

received() # FILE PORT
{
	tshark_of host -r "$1" -Y "tcp.dstport == $2 && tcp.len > 0" -T fields -e tcp.payload
}
for port in "${ports[@]}"; do
	wire=$(received "$W/wire.pcap" "$port")
	[[ $wire == 17030300?? ]] || fail "tcpdump saw: $wire"
	same "$port: as tcpdump" "$wire" "$(received "$W/case.pcapng" "$port")"
done
sound case "$W/case.pcapng"
finish
