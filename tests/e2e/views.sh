#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Every view on a port of TLS (443), on one that Wireshark gives to a plaintext protocol
# (8080) and on one that it does not know (50123): with the default, every tshark shows it.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_container client
make_body "$W/served/body" 200000
for port in 443 8080 50123; do
	start_nginx nginx-$port $port
done

# The bodies must be exported by every tshark.
case_of() # VIEW PORT HTTP
{
	local name="--view=$1, port $2, HTTP/$3"

	start_capture case "--view=$1" "--mntns=${container_mntns[client]}"
	check "$name: curl" in_container client curl -sS --fail -k "--http$3" \
		"https://127.0.0.1:$2/body" -o "$W/got"
	stop_capture case
	lossless case
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W/served/body")"
}

for port in 443 8080 50123; do
	case_of auto $port 1.1
	case_of auto $port 2
done
# Wireshark gives 443 to TLS and 8080 to HTTP: there the other view is not shown.
for http in 1.1 2; do
	case_of null-tls 443 $http
	case_of plain 8080 $http
done
case_of null-tls 50123 1.1
case_of plain 50123 1.1
finish
