#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 0-RTT: SSL_write_early_data in the client, SSL_read_early_data in the server, each captured
# alone; and a resumed TLS 1.2 session.
. "$(dirname "$0")/lib.sh"
need openssl

start_container client
start_container server
make_certificate server
printf 'early-token: sent before the handshake is done\n' >"$W/early"

# The server says on stdout what it reads.
in_container server bash -c 'exec openssl s_server -accept 4433 -cert "$1/server.crt" \
	-key "$1/server.key" -early_data -quiet -keylogfile "$1/server.keys"' s_server "$W" \
	<> <(:) >"$W/server.out" 2>"$W/server.err" &
server=$!
processes+=("$server")
wait_port 127.0.0.1 4433 "$server"

# One connection: sends a line late, ends when the server has it.
connect() # TOKEN OPTION...
{
	local token=$1

	shift
	{
		printf '%s\n' "$token"
		timeout "$TIMEOUT" grep -qm1 "^$token" <(tail -n +1 -F "$W/server.out" 2>&1)
		# The tickets come before the end of input closes the connection.
		timeout "$TIMEOUT" tail -n +1 -F "$W/client.keys" 2>&1 | grep -qm1 EXPORTER
	} | in_container client openssl s_client -connect 127.0.0.1:4433 -quiet -no_ign_eof \
		-keylogfile "$W/client.keys" "$@" >"$W/client.out" 2>"$W/client.err"
}

for end in client server; do
	rm -f "$W/session" "$W/client.keys"
	connect "first-token-$end" -sess_out "$W/session"
	[[ -s $W/session ]] || die "no session to resume: $(cat "$W/client.err")"
	: >"$W/client.keys"
	start_capture case "--mntns=${container_mntns[$end]}"
	connect "late-token-$end" -sess_in "$W/session" -early_data "$W/early"
	stop_capture case
	check "$end: the server had the early data" grep -q early-token "$W/server.out"
	lossless case
	for token in early-token "late-token-$end"; do
		contains "$W/case.pcapng" "$token" && pass "$end: has $token" ||
			fail "$end: has no $token"
		same "$end: $token is there once" 1 "$(tshark_of host -r "$W/case.pcapng" -q \
			-z follow,tls,ascii,0 | grep -caF "$token")"
	done
	shows_secrets "$end" "$W/case.pcapng" "$W/client.keys"
	check "$end: the early secret too" \
		grep -q ^CLIENT_EARLY_TRAFFIC_SECRET <(secrets "$W/case.pcapng")
	shows_nothing_wrong "$end" "$W/case.pcapng"
done
finish
