#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Two threads receive on one socket without a lock: which of two calls was first cannot be known.
# What cannot be placed is marked, and every byte is in the file or in a gap.
. "$(dirname "$0")/lib.sh"

program=$(dirname "$TLSPCAP")/e2e/e2e_readers
[[ -x $program ]] || skip "$program is not built"
bytes=20000000

start_container readers
start_capture case -B 256M --view=tls "--mntns=${container_mntns[readers]}"
check 'both receive' in_container readers timeout 60 "$program" 19200 $bytes
stop_capture case
file=$W/case.pcapng
written=$(fields "$file" tcp.len | awk '{ sum += $1 } END { print sum }')
missing=$(fields "$file" frame.comment | grep -o 'gap=[0-9]*' |
	awk -F = '{ sum += $2 } END { print sum + 0 }')
printf '      %d bytes in the file, %d in gaps\n' "$written" "$missing"
same 'every byte is in the file or in a gap' $bytes $((written + missing))
sound 'two readers' "$file"
finish
