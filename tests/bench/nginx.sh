#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# What a capture costs: requests/s of nginx (one worker) under wrk, with and without, both on
# this machine. Prints the tables of docs/performance.md:
#
#	TLSPCAP=build/tlspcap tests/bench/nginx.sh [ROUNDS [SECONDS]]
#
# In each round, every way to capture is measured right after a measurement without; what is
# told is the median of the rounds' ratios. Nothing else should run meanwhile; the CPU time of
# nginx (for a request, with a capture against without) says less about that than requests/s.
. "$(dirname "$0")/../e2e/lib.sh"
need nginx wrk

rounds=${1:-5} seconds=${2:-4}
# Whatever else runs here gets little meanwhile. A session has a weight of its own, sched(7).
renice -n -20 $$ >/dev/null
echo -20 2>/dev/null >/proc/self/autogroup
ldd "$(command -v wrk)" | grep libssl >"$W/ldd" || skip 'this wrk has TLS of its own inside'

# Debian's nginx as it is installed, but for the log and the number of requests that a
# connection may have.
start_container server
start_container client
start_container other
E2E_CONTAINER=server E2E_NGINX_EXTRA='access_log off; keepalive_requests 1000000000;' \
	start_nginx nginx 443
make_body "$W/served/small" 200
make_body "$W/served/large" $((1 << 20))
mkdir "$W/out"

server=--mntns=${container_mntns[server]}
client=--mntns=${container_mntns[client]}
names=(
	'the server, file on disk'
	'the server, /dev/null'
	'both ends, /dev/null'
	'the server, --source=probes, /dev/null'
	'something else'
)
arguments=(
	"-w $W/out/file $server"
	"-w /dev/null $server"
	"-w /dev/null $server $client"
	"-w /dev/null --source=probes $server"
	"-w /dev/null --mntns=${container_mntns[other]}"
)

# cpu PID...: what these have used since they began, in ticks of 10 ms, user and kernel.
cpu()
{
	local pid ticks=0 line

	for pid; do
		read -r line <"/proc/$pid/stat" || continue
		line=${line##*) }
		set -- $line
		ticks=$((ticks + ${12} + ${13}))
	done
	printf '%s' "$ticks"
}

servers=$(pgrep --ns "${container_pid[server]}" --nslist pid -x nginx)

# run BODY: requests/s in $rate, all of them in $total, µs of nginx's CPU time each in $each.
run()
{
	local begun

	begun=$(cpu $servers)
	in_container client wrk -t 1 -c 8 -d "$seconds" "https://127.0.0.1/$1" >"$W/wrk" ||
		die "wrk: $(cat "$W/wrk")"
	grep 'Non-2xx\|Socket errors' "$W/wrk" && die 'wrk had errors'
	rate=$(awk '/^Requests\/sec/ { print $2 }' "$W/wrk")
	total=$(awk '/requests in/ { print $1 }' "$W/wrk")
	each=$(awk -v ticks=$(($(cpu $servers) - begun)) -v n="$total" \
		'BEGIN { print ticks * 10000 / n }')
}

# measure BODY: a line for each way and round in $W/BODY: the way; requests/s with a capture
# and without; the same of nginx's CPU time for a request; tlspcap's; lost events.
measure()
{
	local round way lost used without without_each

	run "$1" # warm
	for ((round = 0; round < rounds; round++)); do
		for way in "${!names[@]}"; do
			run "$1"
			without=$rate without_each=$each
			rm -f "$W/out/file"
			start_capture case ${arguments[way]}
			used=$(cpu "${capture_pid[case]}")
			run "$1"
			used=$(($(cpu "${capture_pid[case]}") - used))
			stop_capture case
			lost=$(sed -n 's/.*ring buffer full: \([0-9]*\).*/\1/p' "$W/case.said")
			printf '%s %s %s %s %s %s %s\n' "$way" "$rate" "$without" "$each" \
				"$without_each" "$(awk -v t="$used" -v n="$total" \
				'BEGIN { print t * 10000 / n }')" "${lost:-0}" >>"$W/$1"
		done
	done
}

median()
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'
}

table() # BODY
{
	local way rows

	printf 'Without a capture: %.0f requests/s (median; %.0f to %.0f), ' \
		$(awk '{ print $3 }' "$W/$1" | median)
	printf '%.1f µs of nginx'\''s CPU time each.\n\n' \
		$(awk '{ print $5 }' "$W/$1" | median | cut -d' ' -f1)
	printf '| captured | requests/s | in rounds | nginx'\''s CPU time | tlspcap'\''s | lost |\n'
	printf '| --- | --- | --- | --- | --- | --- |\n'
	for way in "${!names[@]}"; do
		rows=$(awk -v way="$way" '$1 == way' "$W/$1")
		printf '| %s | **%.2f** | %.2f to %.2f | %.2f | %.1f µs each | %d events |\n' \
			"${names[way]}" $(awk '{ print $2 / $3 }' <<<"$rows" | median) \
			$(awk '{ print $4 / $5 }' <<<"$rows" | median | cut -d' ' -f1) \
			$(awk '{ print $6 }' <<<"$rows" | median | cut -d' ' -f1) \
			$(awk '{ n += $7 } END { print n }' <<<"$rows")
	done
	printf '\n'
}

printf '%s, %s processors, Linux %s; %s, %s, %s\n' \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" \
	"$(nginx -v 2>&1 | sed 's/.*: //')" "wrk $(wrk -v 2>&1 | sed -n 's/^wrk \([^ ]*\).*/\1/p')" \
	"$(openssl version | cut -d' ' -f1,2)"
printf '%s rounds of %s s each\n\n' "$rounds" "$seconds"
measure small
printf '### 200 byte bodies\n\n'
table small
measure large
printf '### 1 MiB bodies\n\n'
table large
finish
