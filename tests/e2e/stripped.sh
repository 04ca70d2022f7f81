#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Programs with OpenSSL or BoringSSL inside, with symbols and without, as client and as server,
# 20 connections at once: every byte is on its own socket, and the secrets are the program's own.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
. "$ENVIRONMENT/npm"
need node strip

connections=20
make_certificate server
exchange=$E2E/programs/exchange.js

# exchanges NAME ROLE PROGRAM...: PROGRAM is the ROLE and captured; the other end is this
# machine's node, which writes a key log and is not.
exchanges()
{
	local name="$1 $2" role=$2 container=$2$((++cases)) server_pid
	local peer=(timeout 60 node "--tls-keylog=$W/case.keys")

	shift 2
	start_container "$container"
	local captured=(in_container "$container" timeout 60 "$@")
	local server=("${peer[@]}") client=("${peer[@]}")
	[[ $role == client ]] && client=("${captured[@]}") || server=("${captured[@]}")

	rm -f "$W/case.keys"
	start "${server[@]}" "$exchange" server 443 "$W/server.pem" 2>"$W/server.err"
	server_pid=$started
	wait_port 127.0.0.1 443 "$server_pid"
	# Inside a program's file, the library is found when somebody runs it.
	if [[ $role == client ]]; then
		: >"$W/runs"
		start "${captured[@]}" -e 'console.log("runs"); setInterval(() => {}, 1e9)' \
			>"$W/runs"
		check "$name: another one runs" timeout "$TIMEOUT" bash -c \
			'until grep -q runs "$1"; do sleep 0.02; done' wait "$W/runs"
	fi
	start_capture case -v "--mntns=${container_mntns[$container]}"
	check "$name: exchanges" run_client
	stop_capture case
	[[ $role == client ]] && kill "$server_pid"
	end_container "$container" 2>"$W/ended"
	wait "$server_pid" 2>/dev/null
	check "$name: the program file is probed" grep "probing $1 .*plan: records and secrets" \
		"$W/case.said"
	lossless case
	shows_exchanges "$name" "$W/case.pcapng" "$W/exchanged"
	same "$name: every body was exchanged" $((connections * 6)) "$(wc -l <"$W/exchanged")"
	same "$name: secrets" "$(grep -v '^#' "$W/case.keys" | sort -u)" \
		"$(secrets "$W/case.pcapng")"
}
cases=0

run_client()
{
	"${client[@]}" "$exchange" client 443 "$connections" >"$W/exchanged" 2>"$W/client.err"
}

both_ways() # NAME PROGRAM...
{
	local role

	for role in client server; do
		exchanges "$1" "$role" "${@:2}"
	done
}

node=$(readlink -f "$(command -v node)")
if ldd "$node" | grep libssl >"$W/ldd"; then
	printf 'SKIP: this node uses libssl\n'
else
	strip --strip-all -o "$W/node" "$node" || die 'strip'
	both_ways 'stripped node' "$W/node"
	# Node exports OpenSSL's functions; most programs do not.
	"$PYTHON" -S -c '
import re, sys
names = re.compile(rb"(?<=\0)(SSL|ssl)(?=_(read|write|log_secret|get_client_random)\0)")
program = open(sys.argv[1], "rb").read()
open(sys.argv[2], "wb").write(names.sub(b"xxx", program))' "$W/node" "$W/nameless"
	chmod 755 "$W/nameless"
	both_ways 'nameless node' "$W/nameless"
	start_capture probes --source=probes "--pid=$$" "--lib=$W/nameless"
	stop_capture probes
	check 'no calls to probe, and why' grep \
		'nameless: no plaintext from it: SSL_read and SSL_write have no symbols' \
		"$W/probes.said"
fi
if bun=$(npm_file @oven/bun-linux-x64 bin/bun 2>"$W/npm.err"); then
	both_ways Bun "$bun"
else
	printf 'SKIP: no Bun: %s\n' "$(tail -n1 "$W/npm.err")"
fi
finish
