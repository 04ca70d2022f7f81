#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Where and what is written: mode 0600, standard output, a filter, -c, -a, --keylog, -q; and
# a file that kill -9 left.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
start_container client
tsharks=(host)
for i in 1 2 3; do
	make_body "$W/served/$i" 50000
done
scope=--mntns=${container_mntns[client]}

fetch() # PATH [ARGUMENT...]
{
	local path=$1

	shift
	SSLKEYLOGFILE=$W/keys in_container client curl -sS --fail -k --http1.1 \
		"https://127.0.0.1/$path" -o "$W/got" "$@"
}

# Mode, whatever the umask; key log beside.
(umask 000 && start_capture mode --keylog="$W/our.keys" "$scope" && fetch 1 &&
	stop_capture mode && lossless mode && exit $failures) || failures=$((failures + $?))
same 'mode of the file' 600 "$(stat -c %a "$W/mode.pcapng")"
same 'mode of the key log' 600 "$(stat -c %a "$W/our.keys")"
same 'key log' "$(sort -u "$W/keys")" "$(grep -v '^#' "$W/our.keys" | sort -u)"
shows_bodies 'mode' "$W/mode.pcapng" "$(hashes "$W/served/1")"

# Standard output: a pipe into tshark, as it happens, and whole.
rm -f "$W/keys"
mkfifo "$W/live"
tee "$W/stdout.pcapng" <"$W/live" | tshark_of host -l -r - -Y http.request \
	-T fields -e http.request.uri >"$W/live.out" &
reader=$!
processes+=("$reader")
env --default-signal=INT "$TLSPCAP" -w - -U "$scope" >"$W/live" 2>"$W/live.said" &
writer=$!
processes+=("$writer")
check 'stdout: begins' timeout "$TIMEOUT" grep -qm1 'tlspcap: capturing' \
	<(tail -n +1 -F "$W/live.said" 2>&1)
fetch 2
check 'stdout: shown while capturing' timeout "$TIMEOUT" grep -qm1 /2 \
	<(tail -n +1 -F "$W/live.out" 2>&1)
kill -INT "$writer"
wait "$writer"
same 'stdout: exit status' 0 $?
wait "$reader"
shows_bodies 'stdout' "$W/stdout.pcapng" "$(hashes "$W/served/2")"

# The reader goes away: no hang, and it is said.
start_capture gone -w - "$scope" > >(head -c 1 >/dev/null)
rm -f "$W/gone.stdout"
kill -INT "${capture_pid[gone]}"
end_capture gone

# A filter looks at the frames that are written.
start_nginx other 8443
start_capture filter "$scope" 'tcp port 8443'
fetch 1
in_container client curl -sS --fail -k --http1.1 https://127.0.0.1:8443/3 -o "$W/got"
stop_capture filter
shows_bodies 'filter' "$W/filter.pcapng" "$(hashes "$W/served/3")"
same 'filter: ports' 8443 "$(fields "$W/filter.pcapng" tcp.port | tr , '\n' |
	grep -E '^(443|8443)$' | sort -u)"

# -c: exactly so many packets, then it ends by itself.
start_capture count -c 5 "$scope"
fetch 1
end_capture count
same '-c: exit status' 0 "$capture_status"
same '-c: packets' 5 "$(count_frames "$W/count.pcapng")"
sound '-c' "$W/count.pcapng"

# -a: ends by itself.
begin=${EPOCHREALTIME/./}
start_capture duration -a duration:1.5 "$scope"
fetch 1
end_capture duration
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
same '-a: exit status' 0 "$capture_status"
((took >= 1500 && took < 8000)) && pass "-a: took $took ms" || fail "-a: took $took ms"
shows_bodies '-a' "$W/duration.pcapng" "$(hashes "$W/served/1")"

# -q says nothing when nothing is wrong; -v says more.
same '-q' '' "$("$TLSPCAP" -q -a duration:0.2 -w "$W/quiet.pcapng" "$scope" 2>&1)"
start_capture verbose -v "$scope"
fetch 1
stop_capture verbose
check '-v names the library' grep -q libssl "$W/verbose.said"

# Nothing happened: still a file that opens.
start_capture empty "$scope"
stop_capture empty
sound 'empty' "$W/empty.pcapng"
same 'empty: packets' 0 "$(count_frames "$W/empty.pcapng")"

# SIGTERM ends it as SIGINT does; SIGUSR1 prints totals and goes on.
start_capture term "$scope"
fetch 1
kill -USR1 "${capture_pid[term]}"
fetch 2
kill -TERM "${capture_pid[term]}"
end_capture term
same 'SIGTERM: exit status' 0 "$capture_status"
shows_bodies 'SIGTERM' "$W/term.pcapng" "$(hashes "$W"/served/{1,2})"
same 'SIGUSR1: totals twice' 2 "$(grep -c 'packets of' "$W/term.said")"

# kill -9 in mid-capture: what was written is whole blocks and opens.
start_capture kill "$scope"
for _ in {1..30}; do
	fetch 3
done
mkfifo "$W/slow"
in_container client curl -sS --fail -k --limit-rate 20k https://127.0.0.1/3 -o "$W/slow" &
processes+=($!)
head -c 1 "$W/slow" >/dev/null
kill -KILL "${capture_pid[kill]}"
wait "${capture_pid[kill]}" 2>/dev/null
check 'kill -9: tshark opens it' tshark_of host -r "$W/kill.pcapng" -w /dev/null
sound 'kill -9' "$W/kill.pcapng" --killed
n=$(count_frames "$W/kill.pcapng" http.response)
((n > 0)) && pass "kill -9: $n answers are in the file" || fail 'kill -9: the file is empty'
finish
