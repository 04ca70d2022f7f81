#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A conversation of 10 MB over 20 files by size, and one of a minute with a message each second
# over 20 files by time: as tests/e2e/rotation.sh has them small and short.
. "$(dirname "$0")/../lib.sh"
. "$E2E/sets"

make_certificate server
start_container box
scope=--mntns=${container_mntns[box]}

steady() # PORT MESSAGES SECONDS [TLS-VERSION [BYTES]]
{
	local port=$1

	shift
	in_container box "$PYTHON" "$E2E/programs/steady.py" "$W/server.pem" "$port" "$W" "$@" ||
		fail "the conversation on port $port failed"
}

for version in 1.2 1.3; do
	start_capture "size$version" "$scope" -b filesize:500
	steady "44${version/./}" 100 0 "$version" 100000
	stop_capture "size$version"
	lossless "size$version"
	set_of "size$version"
	at_least "10 MB, TLS $version" 20
	shows_all "10 MB, TLS $version" "44${version/./}"
	linked "10 MB, TLS $version"
done

start_capture time "$scope" -b duration:3
steady 4433 60 60
stop_capture time
lossless time
set_of time
at_least 'a minute' 20
shows_all 'a minute' 4433
linked 'a minute'
finish
