#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Python's urllib and http.client, which use SSL_read_ex and SSL_write_ex.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
make_body "$W/served/body" 500000
make_body "$W/upload" 300000
for suite in / trixie; do
	name=${suite/\//bookworm}
	if [[ $suite != / ]] && ! root_ready "$suite"; then
		printf 'SKIP: %s\n' "$(root_reason "$suite")"
		continue
	fi
	start_container "$name" "$suite" own
	start_capture case "--mntns=${container_mntns[$name]}"
	check "$name: urllib" env "SSLKEYLOGFILE=$W/keys" nsenter \
		--target "${container_pid[$name]}" --mount --pid --root --wdns=/ -- \
		/usr/bin/python3 -c '
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
get = urllib.request.urlopen("https://127.0.0.1/body", context=context)
assert get.read() == open(sys.argv[2], "rb").read()
put = urllib.request.Request("https://127.0.0.1/uploaded", method="PUT",
                             data=open(sys.argv[3], "rb").read())
assert urllib.request.urlopen(put, context=context).status in (201, 204)
' "$W/server.crt" "$W/served/body" "$W/upload"
	stop_capture case
	lossless case
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W/served/body" "$W/upload")"
	shows_secrets "$name" "$W/case.pcapng" "$W/keys"
	rm -f "$W/keys" "$W/served/uploaded"
done
finish
