#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The first capture: curl in a container with its own libssl, HTTP/2 over TLS 1.3, and the file
# shows in tshark what was served. Short enough for an emulated machine.
. "$(dirname "$0")/../e2e/lib.sh"
need curl nginx openssl

start_container client
start_nginx nginx 443
make_body "$W/served/body" 100000
start_capture case "--mntns=${container_mntns[client]}"
SSLKEYLOGFILE=$W/keys check 'curl' in_container client curl -sSk --fail --max-time "$TIMEOUT" \
	--http2 --tlsv1.3 --resolve server.test:443:127.0.0.1 -o "$W/got" https://server.test/body
stop_capture case
lossless case
shows_bodies 'download' "$W/case.pcapng" "$(hashes "$W/served/body")"
shows_secrets 'download' "$W/case.pcapng" "$W/keys"
same 'one conversation, whole' 1 "$(complete_conversations "$W/case.pcapng")"
finish
