#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The two sources check each other: what is decrypted from the sockets' records and what the
# library's calls took and gave, captured at the same time, are the same bytes, in each
# direction of every conversation; in the clients and in the servers.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need curl nginx openssl

start_container client
start_container server
for body in 0 1 100 16384 16385 100000 3000000; do
	make_body "$W/served/$body" $body
done
make_body "$W/upload" 1500000
E2E_CONTAINER=server E2E_NGINX_EXTRA='ssl_early_data on;' start_nginx nginx 443
E2E_CONTAINER=server start_nginx nginx-1.2 8443 TLSv1.2
start_server updates 4401 -rev -tls1_3
start_server renegotiates 4402 -rev -tls1_2 -client_renegotiation
printf 'GET /100 HTTP/1.1\r\nHost: server.test\r\n\r\n' >"$W/early"

for end in client server; do
	for source in records probes; do
		start_capture "$end-$source" "--source=$source" --view=plain \
			"--mntns=${container_mntns[$end]}"
	done
done

# --- the mixed workload -----------------------------------------------------------------------

browse() # ARGUMENT...
{
	in_container client curl -sS --fail -k --max-time "$TIMEOUT" "$@"
}

everything() # PORT CURL-OPTION...
{
	local port=$1

	shift
	browse "$@" --no-progress-meter -Z --remote-name-all --output-dir "$W/got" \
		"https://127.0.0.1:$port/"{0,1,100,16384,16385,100000,3000000}
}

mkdir "$W/got"
jobs=()
for options in --http1.1 --http2 '--http1.1 --tls-max 1.2' '--http2 --tls-max 1.2'; do
	read -ra options <<<"$options"
	for port in 443 8443; do
		everything $port "${options[@]}" &
		jobs+=($!)
		browse "${options[@]}" -T "$W/upload" -o "$W/got.$port" \
			"https://127.0.0.1:$port/uploaded-$port-${#jobs[@]}" &
		jobs+=($!)
	done
done
in_container client "$PYTHON" -c '
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
for body in sys.argv[2:]:
    answer = urllib.request.urlopen("https://127.0.0.1/" + body, context=context)
    assert len(answer.read()) == int(body)
' "$W/server.crt" 1 16385 3000000 &
jobs+=($!)

client_begin 4401
client_says old-keys && client_does k KEYUPDATE && client_says new-keys &&
	client_does K KEYUPDATE && client_says newer-keys
client_end
client_begin 4402 -tls1_2
client_says first && client_does R RENEGOTIATING && client_says second
client_end
for early in '' "$W/early"; do # a full handshake, then one with 0-RTT
	client_begin 443 -tls1_3 ${early:+-sess_in "$W/session" -early_data "$early"} \
		-sess_out "$W/session"
	printf 'GET /1 HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n\r\n' >&"$client_in"
	client_hears closed # it has read everything
	client_end
done
check '0-RTT was accepted' grep -q 'Early data was accepted' "$W/client.out"
for job in "${jobs[@]}"; do
	wait "$job" || fail 'a client failed'
done

for end in client server; do
	for source in records probes; do
		stop_capture "$end-$source"
		# Four captures and many processes on few processors: the kernel skips a probe
		# now and then, when it interrupts another. What that costs would differ below.
		same "$end-$source: nothing else was lost" '' "$(grep -vE \
			': (capturing|[0-9]+ packets|probes that the kernel skipped)' \
			"$W/$end-$source.said")"
	done
done

# --- the comparison ---------------------------------------------------------------------------

cat >"$W/directions" <<'END'
import collections, hashlib, sys

directions = collections.defaultdict(lambda: [0, hashlib.sha256()])
for line in sys.stdin:
    *ends, payload = line.rstrip("\n").split("\t")
    direction = directions[" ".join(ends)]
    payload = bytes.fromhex(payload.replace(":", ""))
    direction[0] += len(payload)
    direction[1].update(payload)
for ends, (length, digest) in sorted(directions.items()):
    print(ends, length, digest.hexdigest())
END

# Each direction of each conversation: addresses, ports, number of bytes and their hash.
directions() # FILE
{
	tshark_of host -r "$1" -T fields -e ip.src -e tcp.srcport -e ip.dst -e tcp.dstport \
		-e tcp.payload | "$PYTHON" -S "$W/directions"
}

for end in client server; do
	for source in records probes; do
		directions "$W/$end-$source.pcapng" >"$W/$end-$source.directions"
		sound "$end-$source" "$W/$end-$source.pcapng"
	done
	same "$end: the same bytes from both sources" "$(cat "$W/$end-records.directions")" \
		"$(cat "$W/$end-probes.directions")"
	printf '      %s: %d directions, %d bytes\n' $end \
		"$(wc -l <"$W/$end-records.directions")" \
		"$(awk '{ n += $5 } END { print n }' "$W/$end-records.directions")"
done
# What a client wrote its server read, and the other way round.
same 'the same bytes at both ends' "$(cat "$W/client-records.directions")" \
	"$(cat "$W/server-records.directions")"
check 'there were many' test "$(wc -l <"$W/client-records.directions")" -gt 60
finish
