#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# What a capture costs those that it does not capture: nginx and wrk outside of the scope, with
# the same library file as a container in it, and a process that only makes system calls.
# Prints the tables of docs/performance.md:
#
#	TLSPCAP=build/tlspcap tests/bench/unrelated.sh [ROUNDS [SECONDS]]
#
# In each round every way to capture is measured right after a measurement without one; what is
# told is the median of the rounds' ratios, and their range.
. "$(dirname "$0")/../e2e/lib.sh"
need nginx wrk
program=$BUILD/tests/bench-calls
[[ -x $program ]] || skip "$program is not built"
rounds=${1:-5} seconds=${2:-2}
renice -n -20 $$ >/dev/null
echo -20 2>/dev/null >/proc/self/autogroup

make_certificate server
E2E_NGINX_EXTRA='access_log off; keepalive_requests 1000000000;' start_nginx nginx 443
make_body "$W/served/small" 200
# In scope: a container with the very file that nginx and wrk use, and somebody who uses it.
start_container captured / shared
start in_container captured openssl s_server -accept 444 -key "$W/server.key" \
	-cert "$W/server.crt" -quiet
wait_port 127.0.0.1 444 "$started"
scope=--mntns=${container_mntns[captured]}
names=('the default' '--hold' '--source=probes' '--tier=syscall')
arguments=("$scope" "$scope --hold" "$scope --source=probes" "$scope --tier=syscall")

ask() # sets $rate, and the times of calls in ${ns[NAME]}
{
	local name value

	wrk -t 1 -c 8 -d "$seconds" https://127.0.0.1/small >"$W/wrk" || die "wrk: $(cat "$W/wrk")"
	rate=$(awk '/^Requests\/sec/ { print $2 }' "$W/wrk")
	while read -r name value; do
		ns[$name]=$value
	done < <("$program" 10)
}

declare -A ns
ask # warm
for ((round = 0; round < rounds; round++)); do
	for way in "${!names[@]}"; do
		ask
		before=("$rate" "${ns[nothing]}" "${ns[pipe]}" "${ns[mapping]}")
		# shellcheck disable=SC2086
		start_capture case -w /dev/null ${arguments[way]}
		ask
		stop_capture case
		printf '%s %s %s %s %s %s %s %s %s\n' "$way" "$rate" "${before[0]}" \
			"${ns[nothing]}" "${before[1]}" "${ns[pipe]}" "${before[2]}" \
			"${ns[mapping]}" "${before[3]}" >>"$W/figures"
	done
done

median()
{
	sort -n | awk '{ v[NR] = $1 } END { printf "%.2f (%.2f to %.2f)", v[int((NR + 1) / 2)], v[1], v[NR] }'
}

of() # WAY COLUMN: with against without
{
	awk -v way="$1" -v column="$2" '$1 == way { print $column / $(column + 1) }' "$W/figures" | median
}

printf 'Linux %s, %s processors; %s rounds of %s s; without a capture %.0f requests/s, ' \
	"$(uname -r)" "$(nproc)" "$rounds" "$seconds" \
	"$(awk '{ print $3 }' "$W/figures" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')"
printf 'a call that does nothing %.0f ns, a byte through a pipe %.0f ns, a mapping %.0f ns.\n\n' \
	$(for column in 5 7 9; do
		awk -v c=$column '{ print $c }' "$W/figures" | sort -n | head -n 1
	done)
printf '| another container is captured | requests/s | time: a call | a byte through a pipe | a mapping |\n'
printf '| --- | --- | --- | --- | --- |\n'
for way in "${!names[@]}"; do
	printf '| %s | %s | %s | %s | %s |\n' "${names[way]}" "$(of "$way" 2)" "$(of "$way" 4)" \
		"$(of "$way" 6)" "$(of "$way" 8)"
done
finish
