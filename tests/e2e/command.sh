#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tlspcap ... -- COMMAND: its exit status, its children's traffic, nobody else's.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
tsharks=(host)
make_body "$W/served/mine" 40000
make_body "$W/served/child" 30000
make_body "$W/served/other" 20000

run() # NAME STATUS ARGUMENT...
{
	local name=$1 expected=$2

	shift 2
	timeout "$TIMEOUT" "$TLSPCAP" -w "$W/$name.pcapng" "$@" >"$W/$name.stdout" \
		2>"$W/$name.said" </dev/null
	same "$name: exit status" "$expected" $?
}

run curl 0 -- curl -sS --fail -k --http1.1 https://127.0.0.1/mine -o "$W/got"
lossless curl
shows_bodies 'curl' "$W/curl.pcapng" "$(hashes "$W/served/mine")"
same 'curl got it' "$(hashes "$W/served/mine")" "$(hashes "$W/got")"

# Somebody else's traffic at the same time; children and grandchildren belong to it.
while :; do
	curl -sS --fail -k --http1.1 https://127.0.0.1/other -o /dev/null || break
done &
other=$!
processes+=("$other")
run tree 0 -- bash -c 'curl -sSk --http1.1 https://127.0.0.1/mine -o "$0/1"
	(bash -c "curl -sSk --http1.1 https://127.0.0.1/child -o $0/2; true") & wait' "$W"
kill "$other"
shows_bodies 'tree' "$W/tree.pcapng" "$(hashes "$W"/served/{mine,child})"

run fails 22 -- curl -sS --fail -k --http1.1 https://127.0.0.1/no-such-file -o "$W/got"
check 'fails: its own words come through' grep -q 404 "$W/fails.said"
run killed 143 -- bash -c 'kill -TERM $$'
run absent 127 -- /no/such/program
run output 0 -- echo 'its own output'
same 'output' 'its own output' "$(cat "$W/output.stdout")"
finish
