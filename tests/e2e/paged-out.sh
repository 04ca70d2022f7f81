#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A process some of whose memory is not there at the moment: not touched yet, or taken back by
# the kernel. No secret of it is missing.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need openssl ss
client=$BUILD/e2e/e2e_paged_out
[[ -x $client ]] || skip "$client was not built; it needs libssl-dev"
cp "$client" "$W/client"

make_certificate server
start_container client
start_container server
start_server reversing 4401 -rev -quiet

for how in '' --source=probes; do
	name=paged-out$how
	start_capture "$name" ${how:+"$how"} "--mntns=${container_mntns[client]}"
	check "$name: 50 connections" in_container client "$W/client" 4401 50 "$W/keys"
	stop_capture "$name"
	lossless "$name"
	shows_secrets "$name" "$W/$name.pcapng" "$W/keys"
	same "$name: lines that were answered" 50 \
		"$(tshark_of host -r "$W/$name.pcapng" -T fields -e data.data |
			grep -c "^$(printf 'nekot\n' | xxd -p)\$")"
done
finish
