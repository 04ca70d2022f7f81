#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A connection ends while the ring has no room, not even for the event that says so. Its end is
# told later all the same, and that its last bytes are missing.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
need nginx

start_nginx nginx 443
start_container client
cat >"$W/client.py" <<'END'
import socket, ssl, sys

context = ssl._create_unverified_context()
tls = context.wrap_socket(socket.create_connection(("127.0.0.1", 443)))
tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
print(tls.recv(65536) and tls.getsockname()[1], flush=True)
sys.stdin.readline()
# Larger and smaller events, until the smallest finds no room.
tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
tls.settimeout(0.5)
try:
    while tls.recv(65536):
        pass
except TimeoutError:
    pass
for i in range(600):
    with socket.create_connection(("127.0.0.1", 443)) as sock:
        sock.sendall(b"\x16\x03\x01")
tls.sendall(b"\r\n")  # lost, and nothing after it tells so
tls.close()
print("closed", flush=True)
sys.stdin.readline()
END
mkfifo "$W/to"
exec {to}<>"$W/to"

says() # TEXT
{
	timeout "$TIMEOUT" grep -qm1 "$1" <(tail -n +1 -F "$W/client.out" 2>&1)
}

start_capture case -B 256K "--mntns=${container_mntns[client]}"
in_container client "$PYTHON" "$W/client.py" <"$W/to" >"$W/client.out" 2>"$W/client.err" &
processes+=($!)
check 'connected' says '^[0-9]'
port=$(head -n 1 "$W/client.out")
caught_up case
kill -STOP "${capture_pid[case]}"
echo >&$to
check 'closed while nobody reads' says closed
kill -CONT "${capture_pid[case]}"
caught_up case
stop_capture case
echo >&$to
check 'the ring was full' grep 'the ring buffer full: [1-9]' "$W/case.said"
file=$W/case.pcapng
# After a loss nothing can follow in the same stream, so that it ends with a reset.
same 'its end is in the file' 1 "$(count_frames "$file" "tcp.port == $port && tcp.flags.reset == 1")"
check 'what is missing is marked' grep -q 'gap=[1-9].*reason=ring-full' \
	<(fields "$file" frame.comment "tcp.port == $port")
sound 'lost end' "$file"
finish
