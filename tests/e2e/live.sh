#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tlspcap -w - | tshark -r - -l: the time from a request's completion to its line.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
need nginx

start_nginx nginx 443
start_container client
requests=15
for ((i = 0; i <= requests; i++)); do
	printf 'body %d\n' "$i" >"$W/served/$i"
done

now() # in microseconds
{
	printf '%s' "${EPOCHREALTIME/./}"
}

one_curl() # PATH
{
	in_container client curl -sS --fail -k --http1.1 "https://127.0.0.1/$1" -o /dev/null ||
		fail "curl $1"
}

# watch NAME REQUEST-COMMAND OPTION...: tshark shows a line for each answer.
watch()
{
	local name=$1 request=$2 lags=() i line median begun

	shift 2
	rm -f "$W/live.stdout" "$W/lines" && mkfifo "$W/live.stdout" "$W/lines"
	tshark_of host -r - -l -Y http.response -T fields -e http.response_for.uri \
		<"$W/live.stdout" >"$W/lines" &
	reader=$!
	processes+=("$reader")
	exec {lines}<>"$W/lines"
	start_capture live -w - "$@" "--mntns=${container_mntns[client]}"
	[[ $request == keepalive_get ]] && start_keepalive 127.0.0.1 443 in_container client
	for ((i = 0; i <= requests; i++)); do
		$request "$i"
		begun=$(now)
		IFS= read -r -t "$TIMEOUT" -u "$lines" line || die "$name: $i is not shown"
		[[ $line == */$i ]] || fail "$name: $line is shown instead of $i"
		# The first one waits for tshark's start.
		((i)) && lags+=($(($(now) - begun)))
	done
	[[ $request == keepalive_get ]] && end_keepalive
	stop_capture live
	wait "$reader"
	exec {lines}<&-
	mapfile -t lags < <(printf '%s\n' "${lags[@]}" | sort -n)
	median=${lags[${#lags[@]} / 2]}
	printf '      %s: lag in µs: %s\n' "$name" "${lags[*]}"
	if ((median < 100000)); then
		printf '      %s: the median is under 100 ms\n' "$name"
	else
		printf '      %s: the median is NOT under 100 ms\n' "$name"
	fi
	((median < 1000000)) && pass "$name: median $median µs" || fail "$name: median $median µs"
}

for source in auto probes; do
	watch "new connections, --source=$source" one_curl "--source=$source"
	watch "one connection, --source=$source" keepalive_get "--source=$source"
done
watch 'one connection, -U' keepalive_get -U
finish
