#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Connections in Go that are older than the capture: the server waits in a Read that nobody saw
# begin, on one that is idle. What comes from then on is shown, the answer to that Read included.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
. "$E2E/go-talk"
need openssl

: "${E2E_GO:=1.15:stripped 1.27:pie-stripped}"
make_certificate server
start_container client
start_container server
for name in early first second; do
	make_body "$W/served/$name" 70000
done

ask() # NAME
{
	local line

	printf '\n' >&"$to_client"
	IFS= read -r -t "$TIMEOUT" -u "$from_client" line
	same "$name: the client" "got $1" "$line"
}

# A client in Python, which the server in Go hears.
from_server()
{
	start_keepalive $address 443 in_container client
	keepalive_get early
	start_capture case "--mntns=${container_mntns[server]}"
	keepalive_get first
	keepalive_get second
	end_keepalive
	stop_capture case
}

# A client in Go.
from_client() # OPTION...
{
	rm -f "$W"/hold.{in,out} && mkfifo "$W"/hold.{in,out}
	in_container client "$go_program" web-client -hold "$@" \
		"https://$address/"{early,first,second} <"$W/hold.in" >"$W/hold.out" &
	client=$!
	processes+=("$client")
	exec {to_client}>"$W/hold.in" {from_client}<"$W/hold.out"
	ask early
	start_capture case "--mntns=${container_mntns[client]}"
	ask first
	ask second
	exec {to_client}>&- {from_client}<&-
	wait "$client" || fail "$name: the client did not end well"
	stop_capture case
}

# older_case NAME from_server|from_client [OPTION...]
older_case()
{
	local name=$1 file=$W/case.pcapng

	shift
	"$@"
	lossless case
	shows_bodies "$name" "$file" "$(hashes "$W"/served/{first,second})"
	same "$name: marked, with its addresses" "$address 443" \
		"$(tshark_of host -r "$file" -T fields -E separator=' ' -Y \
			'frame.comment contains "start=before-capture;" && tcp.flags.str contains "S" &&
			tcp.flags.ack == 0' -e ip.dst -e tcp.dstport)"
}

servers=0
all_tsharks=("${tsharks[@]}")
for one in $E2E_GO; do
	if ! go_build "${one%:*}" "${one#*:}"; then
		printf 'SKIP: %s\n' "$go_missing"
		continue
	fi
	address=127.0.0.$((++servers))
	E2E_CONTAINER=server start_go "web-$servers" web-server -listen $address:443 \
		-certificate "$W/server.pem" -folder "$W/served"
	tsharks=("${all_tsharks[servers % ${#all_tsharks[@]}]}")
	older_case "Go ${one%:*}, ${one#*:}, server" from_server
	older_case "Go ${one%:*}, ${one#*:}, client" from_client -http1
	older_case "Go ${one%:*}, ${one#*:}, client, http2" from_client
done
((servers)) || skip 'no Go compiler is there'
finish
