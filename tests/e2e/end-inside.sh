#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The peer resets a connection at some moment of a long receive. The kernel then closes the socket
# when the receive gives its lock back, and that is before anybody is told what it moved: no gap.
. "$(dirname "$0")/lib.sh"

runs=300 # of 200, 6 had a gap
start_container box
cat >"$W/inside.py" <<'END'
import mmap, os, random, socket, struct, sys, time

HELLO = b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + bytes(58)
ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
DATA = (b"\x17\x03\x03\x40\x00" + bytes(16384)) * 64
SENT, RECEIVING = 0, 1
flags = mmap.mmap(-1, 4096)

def wait(flag):
    while not flags[flag]:
        pass
    flags[flag] = 0

def client(runs):
    for _ in range(runs):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)  # SO_SNDBUFFORCE
        sock.connect(("127.0.0.1", 443))
        sock.sendall(HELLO)
        sock.recv(len(ALERT))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(DATA)
        flags[SENT] = 1
        wait(RECEIVING)
        end = time.perf_counter() + random.random() * 0.0004
        while time.perf_counter() < end:
            pass
        sock.close()

def serve(listener):
    sock = listener.accept()[0]
    sock.recv(5)
    sock.recv(64)
    sock.sendall(ALERT)
    wait(SENT)
    flags[RECEIVING] = 1
    try:
        while sock.recv_into(buffer):
            pass
    except ConnectionResetError:
        pass
    sock.close()

runs = int(sys.argv[1])
buffer = bytearray(b"a" * (2 << 20))
listener = socket.create_server(("127.0.0.1", 443))
listener.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
if os.fork() == 0:
    client(runs)
    os._exit(0)
for _ in range(runs):
    serve(listener)
END
start_capture case "--mntns=${container_mntns[box]}" -w /dev/null
check 'connections that are reset inside a receive' in_container box "$PYTHON" "$W/inside.py" $runs
stop_capture case
lossless case
check 'all of them were seen' grep -q " $((runs)) conversations" "$W/case.said"
finish
