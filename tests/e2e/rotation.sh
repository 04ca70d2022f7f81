#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# One long conversation over files that follow one another, by size and by time: each file
# shows its part, and all of them everything, once.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
need mergecap

make_certificate server
start_container box
scope=--mntns=${container_mntns[box]}

steady() # PORT MESSAGES SECONDS [TLS-VERSION [BYTES]]
{
	local port=$1

	shift
	in_container box "$PYTHON" "$(own_program steady.py)" "$W/server.pem" "$port" "$W" "$@" ||
		fail "the conversation on port $port failed"
}

# By size: 3 MB in 20 files and more.
start_capture size "$scope" -b filesize:150 -b "printname:$W/names"
steady 4433 100 0 1.3 30000
stop_capture size
lossless size
set_of size
at_least 'by size' 20
same 'by size: names are printed' "$(printf '%s\n' "${files[@]}")" "$(cat "$W/names")"
same 'by size: modes' 600 "$(stat -c %a "${files[@]}" | sort -u)"
same 'by size: names for a file set' '' "$(printf '%s\n' "${files[@]##*/}" |
	grep -vE '^size_[0-9]{5}_[0-9]{14}\.pcapng$')"
shows_all 'by size' 4433
linked 'by size'

# The whole set as one file: merged, and one section after the other.
mergecap -w "$W/merged.pcapng" "${files[@]}" || fail 'mergecap'
cat "${files[@]}" >"$W/joined.pcapng"
for whole in merged joined; do
	shows_said "$whole" 4433 tls 30 host "$W/$whole.pcapng"
done
# Wrong is nothing but that the same ports come again.
same 'merged: nothing wrong' '' "$(tshark_of host -r "$W/merged.pcapng" \
	-Y '(tcp.analysis.flags && !tcp.analysis.reused_ports) || _ws.malformed || _ws.expert.severity >= 6291456')"

# By time, with TLS 1.2.
start_capture time "$scope" -b duration:0.5
steady 4434 30 3 1.2
stop_capture time
lossless time
set_of time
at_least 'by time' 4
shows_all 'by time' 4434 tls host
linked 'by time'

# By packets, on a port where plaintext is TCP's payload; compressed; with a command for each.
start_capture packets -w "$W/packets.pcapng.gz" "$scope" -b packets:25 -z 'touch -c -d @0'
steady 8080 60 0
stop_capture packets
lossless packets
set_of packets .pcapng.gz
at_least 'by packets' 4
same 'compressed' '' "$(gzip -t "${files[@]}" 2>&1)"
same '-z: for each file, also the last' 0 "$(stat -c %Y "${files[@]}" | sort -u)"
gunzip "${files[@]}"
files=("${files[@]%.gz}")
shows_all 'by packets' 8080 tcp host

# A ring, and an end after so many files.
start_capture ring "$scope" -C 100k -W 3
steady 4435 100 0 1.3 10000
stop_capture ring
set_of ring
same 'ring: files' 3 "${#files[@]}"
[[ ${files[0]} != *_00001_* ]] && pass 'ring: the last ones' || fail 'ring: the first one is there'
sound_set ring
start_capture few "$scope" -b filesize:50 -a files:4
steady 4436 100 0 1.3 10000
end_capture few
same '-a files: exit status' 0 "$capture_status"
set_of few
same '-a files: files' 4 "${#files[@]}"
sound_set '-a files'

# strftime in the name, with -G.
start_capture dated -w "$W/dated-%Y.pcapng" "$scope" -G 1
steady 4437 30 3
stop_capture dated
mapfile -t files < <(ls "$W"/dated-*)
same '-G: the name' "$W/dated-$(date +%Y).pcapng" "${files[0]}"
at_least '-G' 2
shows_all '-G' 4437 tls host
finish
