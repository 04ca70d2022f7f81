#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 100 MB down and 100 MB up: the hashes are equal and nothing was dropped; or the drop is
# reported and marked (with a buffer that is too small it must be).
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
start_container client
size=100000000
[[ ${E2E_SHORT:-} ]] && size=5000000
make_body "$W/served/down" $size
make_body "$W/up" $size
tsharks=(host) # http.sh has shown that they agree

transfer()
{
	in_container client curl -sS --fail -k --http1.1 --max-time $((4 * TIMEOUT)) \
		https://127.0.0.1/down -o "$W/got" &&
		in_container client curl -sS --fail -k --http1.1 --max-time $((4 * TIMEOUT)) \
			-T "$W/up" https://127.0.0.1/uploaded -o /dev/null
}

start_capture case "--mntns=${container_mntns[client]}"
check 'transfer' transfer
stop_capture case
if grep -q 'nothing was lost' "$W/case.said"; then
	pass 'nothing was lost, says tlspcap'
	shows_bodies 'bulk' "$W/case.pcapng" "$(hashes "$W/served/down" "$W/up")"
else
	sed 's/^/      | /' "$W/case.said"
	grep -q 'LOST\|ring buffer full' "$W/case.said" &&
		fail 'lost at the default buffer, and reported' ||
		fail 'lost at the default buffer, and not reported'
fi
rm -f "$W/case.pcapng" "$W/served/uploaded"

# The smallest buffer, on purpose: what is lost is counted, the file is sound.
start_capture small -B 256K "--mntns=${container_mntns[client]}"
check 'transfer with a small buffer' transfer
stop_capture small
sound 'small buffer' "$W/small.pcapng"
if grep -q 'nothing was lost' "$W/small.said"; then
	shows_bodies 'small buffer' "$W/small.pcapng" "$(hashes "$W/served/down" "$W/up")"
else
	check 'small buffer: the loss is reported' grep LOST "$W/small.said"
	check 'small buffer: the loss is marked in the file' \
		grep -qi 'lost\|gap' <(fields "$W/small.pcapng" frame.comment)
fi
finish
