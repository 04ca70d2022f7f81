#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# What a capture adds to a send and its receive: for bytes that are TLS, for others, and for a
# process that is not captured. Steady also on a busy machine:
#
#	TLSPCAP=build/tlspcap tests/bench/socket-calls.sh [TLSPCAP'S OPTION...]
. "$(dirname "$0")/../e2e/lib.sh"
program=$BUILD/tests/bench-sockets
[[ -x $program ]] || skip "$program is not built"
start_container captured
start_container other

each() # WHAT CONTAINER
{
	for kind in tls other; do
		printf '%-28s ' "$1"
		in_container "$2" "$program" "$kind"
	done
}

each 'without a capture' captured
start_capture case -w /dev/null "$@" "--mntns=${container_mntns[captured]}"
each 'captured' captured
each 'another process is captured' other
stop_capture case
each 'without a capture' captured
finish
