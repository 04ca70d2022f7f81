#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Programs that keep TLS away from the socket (memory BIO): Python's asyncio and Node's https,
# as client and as server, 50 connections at once. Every byte is on its own socket.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"

connections=50
[[ ${E2E_SHORT:-} ]] && connections=8
make_certificate server
python=("$PYTHON" "$(own_program exchange.py)")
node=(node "$(own_program exchange.js)")

# exchange NAME CAPTURED: `server` and `client` hold commands; the CAPTURED one of them runs in
# a container. Leaves $W/case.pcapng and what was exchanged in $W/exchanged.
exchange()
{
	local name=$1 captured=$2 container=$2$((++cases)) server_pid server_at=() client_at=()

	start_container "$container"
	if [[ $captured == server ]]; then
		server_at=(in_container "$container")
	else
		client_at=(in_container "$container")
	fi
	start "${server_at[@]}" "${server[@]}" server 443 "$W/server.pem"
	server_pid=$started
	wait_port 127.0.0.1 443 "$server_pid"
	# TLS inside a program's file: the file is found when somebody runs it.
	if [[ ${client[0]} == node && $captured == client ]]; then
		start in_container "$container" node -e \
			'require("fs").writeFileSync(process.argv[1], ""); setInterval(() => {}, 1e9)' \
			"$W/$container.runs"
		check "$name: another node runs" timeout "$TIMEOUT" bash -c \
			'until [[ -e $1 ]]; do sleep 0.02; done' wait "$W/$container.runs"
	fi
	start_capture case -v "--mntns=${container_mntns[$container]}"
	check "$name: exchanges" run_client
	stop_capture case
	[[ $captured == client ]] && kill "$server_pid"
	end_container "$container"
	wait "$server_pid" 2>/dev/null
}
cases=0

run_client()
{
	"${client_at[@]}" timeout $((2 * TIMEOUT)) "${client[@]}" client 443 "$connections" >"$W/exchanged"
}

both_ways() # NAME
{
	local captured

	for captured in client server; do
		exchange "$1 $captured" "$captured"
		lossless case
		shows_exchanges "$1 $captured" "$W/case.pcapng" "$W/exchanged"
		same "$1 $captured: every body was exchanged" $((connections * 6)) \
			"$(wc -l <"$W/exchanged")"
	done
}

server=("${python[@]}") client=("${python[@]}")
both_ways asyncio

[[ ${E2E_SHORT:-} ]] && finish
if command -v node >/dev/null; then
	server=("${node[@]}") client=("${node[@]}")
	both_ways Node
	if ldd "$(command -v node)" | grep libssl >"$W/ldd"; then
		printf '      node %s uses libssl\n' "$(node --version)"
	else
		printf '      node %s has OpenSSL inside\n' "$(node --version)"
		check 'the program file is probed' \
			grep "probing .*$(readlink -f "$(command -v node)")" "$W/case.said"
	fi
else
	printf 'SKIP: node is not installed; the package nodejs has it\n'
fi
finish
