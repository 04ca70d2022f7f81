#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Programs of probes in user space can be preempted, and some of them wait: none of them may have
# the processor's stack in place of its thread's (bpf/call.h). The translated code says which it is.
. "$(dirname "$0")/lib.sh"
need openssl
[[ $(uname -m) == x86_64 ]] || skip 'what the kernel translates to is read for x86-64 only'

cat >"$W/stacks.py" <<'END'
import ctypes, os, struct, sys

GET_NEXT_ID, GET_FD, GET_INFO = 11, 13, 15
ADDS_OFFSET_OF_PROCESSOR = b"\x65\x4c\x03\x0c\x25"  # add r9, gs:[…]
libc = ctypes.CDLL(None, use_errno=True)

def bpf(command, *words):
    attributes = ctypes.create_string_buffer(struct.pack("IIQ", *words), 128)
    result = libc.syscall(321, command, attributes, 128)
    return result, struct.unpack_from("I", attributes, 4)[0]

def programs():
    number = 0
    while True:
        result, number = bpf(GET_NEXT_ID, number, 0, 0)
        if result < 0:
            return
        fd, _ = bpf(GET_FD, number, 0, 0)
        if fd < 0:
            continue
        code = ctypes.create_string_buffer(1 << 18)
        info = ctypes.create_string_buffer(232)  # struct bpf_prog_info
        struct.pack_into("I", info, 16, len(code))
        struct.pack_into("Q", info, 24, ctypes.addressof(code))
        result, _ = bpf(GET_INFO, fd, len(info), ctypes.addressof(info))
        os.close(fd)
        length = struct.unpack_from("I", info, 16)[0]
        address = struct.unpack_from("Q", info, 24)[0]
        if result == 0:
            yield info.raw[64:80].split(b"\0")[0].decode(), code.raw[: length if address else 0]

for name, code in programs():
    if name.endswith(("_enter", "_leave")):
        kind = "unreadable" if not code else "own"
        print(name, "processor's" if ADDS_OFFSET_OF_PROCESSOR in code else kind)
END
start_container box
start_capture case "--mntns=${container_mntns[box]}" --source=probes -w /dev/null
"$PYTHON" "$W/stacks.py" >"$W/stacks" || fail 'the programs cannot be read'
stop_capture case
grep -q unreadable "$W/stacks" && skip 'this kernel does not show what it translated to'
check 'there are such programs' grep -q '^openssl_enter own$' "$W/stacks"
same "a processor's stack" '' "$(grep "processor's" "$W/stacks")"
finish
