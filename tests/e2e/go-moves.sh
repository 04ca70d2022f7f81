#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 10,000 requests in Go with more threads than processors, from goroutines whose stacks grow,
# shrink and move in mid-call (programs/go/echo.go): no program crashes, and no byte is lost,
# with genuine records and with probes on every call, over a plain TCP connection and over one
# that the program has wrapped. Client and server check each other's answers.
. "$(dirname "$0")/lib.sh"
. "$E2E/go-talk"
need openssl

# VERSION:LINK:SOURCE[:wrapped]
: "${E2E_GO_MOVES:=1.15:stripped:probes 1.27:pie-stripped:auto 1.27:pie-stripped:probes:wrapped}"
connections=${E2E_GO_CONNECTIONS:-25} requests=${E2E_GO_REQUESTS:-400}
make_certificate server
start_container client
start_container server

# Of each direction of each conversation: CLIENT-PORT WAY BYTES SHA256, as the client says it.
cat >"$W/directions" <<'END'
import collections, hashlib, sys

server = sys.argv[1]
directions = collections.defaultdict(lambda: [0, hashlib.sha256()])
for line in sys.stdin:
    source, destination, payload = line.rstrip("\n").split("\t")
    payload = bytes.fromhex(payload.replace(":", ""))
    direction = directions[(source, "<") if destination == server else (destination, ">")]
    direction[0] += len(payload)
    direction[1].update(payload)
for (port, way), (length, digest) in sorted(directions.items()):
    print(port, {"<": ">", ">": "<"}[way], length, digest.hexdigest())
END

directions() # FILE
{
	tshark_of host -r "$1" -T fields -e tcp.srcport -e tcp.dstport -e tcp.payload |
		"$PYTHON" -S "$W/directions" 443 | sort
}

# moves_case NAME SOURCE [-wrap]
moves_case()
{
	local name=$1 source=$2 end

	shift 2
	address=127.0.0.$((++servers))
	E2E_CONTAINER=server start_go "echo-$servers" echo-server -listen $address:443 \
		-certificate "$W/server.pem" "$@"
	for end in client server; do
		start_capture $end "--source=$source" --view=plain "--lib=$go_program" \
			"--mntns=${container_mntns[$end]}"
	done
	if ! in_container client env GOMAXPROCS=16 timeout 200 "$go_program" echo-client \
		-connections "$connections" -requests "$requests" "$@" $address:443 \
		>"$W/said" 2>"$W/client.err"; then
		fail "$name: $(head -n 5 "$W/client.err")"
		return
	fi
	pass "$name: $connections connections, $((connections * requests)) requests"
	for end in client server; do
		stop_capture $end
		# What the kernel skips when a hook interrupts another would be missing below.
		same "$name, $end: nothing else was lost" '' "$(grep -vE \
			': (capturing|[0-9]+ packets|probes that the kernel skipped)' "$W/$end.said")"
		same "$name, $end: every byte" "$(sort "$W/said")" "$(directions "$W/$end.pcapng")"
	done
	kill -0 "$go_pid" 2>/dev/null && pass "$name: the server lives" ||
		fail "$name: the server: $(head -n 5 "$W/echo-$servers.out")"
}

servers=0
for one in $E2E_GO_MOVES; do
	IFS=: read -r version link source wrapped <<<"$one"
	if ! go_build "$version" "$link"; then
		printf 'SKIP: %s\n' "$go_missing"
		continue
	fi
	moves_case "Go $version, $link, --source=$source${wrapped:+, wrapped}" "$source" \
		${wrapped:+-wrap}
done
((servers)) || skip 'no Go compiler is there'
finish
