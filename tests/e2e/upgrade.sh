#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Library files that change while they are captured: one of an overlay's lower layer that is
# copied up, then one that an upgrade puts in its place. New processes map the new file, old
# ones go on with theirs; all of them are captured, each once.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
for body in before copied upgraded old; do
	make_body "$W/served/$body" 20000
done
start_container box / shared
E2E_CONTAINER=box start_nginx inside 444
library=$(ldd "$(command -v curl)" | awk '/libssl\.so/ { print $3 }' | xargs readlink -f)
[[ $library ]] || skip 'curl does not use libssl here'

fetch() # BODY
{
	check "$1" in_container box curl -sSk --fail --http1.1 --max-time "$TIMEOUT" \
		-o "$W/got" "https://127.0.0.1/$1"
}

file_of() { in_container box stat -c '%d:%i %s %y' "$library"; }

start_capture case -v --hold "--mntns=${container_mntns[box]}"
fetch before
check 'the file is copied up' in_container box touch "$library"
fetch copied
first=$(file_of)
check 'an upgrade: a new file' in_container box cp "$library" "$library.new"
check 'an upgrade: in its place' in_container box mv "$library.new" "$library"
[[ $(file_of) != "$first" ]] || fail 'the file is the same as before'
fetch upgraded
# The server has the file of the lower layer since before the capture.
check 'old' curl -sSk --fail --http1.1 --max-time "$TIMEOUT" -o "$W/got" https://127.0.0.1:444/old
stop_capture case
lossless case
shows_bodies 'all of them' "$W/case.pcapng" "$(hashes "$W"/served/{before,copied,upgraded,old})"
same 'each once' 4 "$(complete_conversations "$W/case.pcapng")"
same 'all with secrets' 0 "$(count_frames "$W/case.pcapng" 'frame.comment contains "secrets=missing;"')"
same 'libraries that came' 2 "$(sed -n 's/^tlspcap: TLS libraries that appeared and were probed: //p' "$W/case.said")"
finish
