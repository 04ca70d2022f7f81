#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# kill -9 at any moment: whatever files there are, they are whole blocks and open. Many times
# with tlspcap-replay, which writes as tlspcap does and as fast as it can; some with tlspcap.
# E2E_KILLS: how many times.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
need curl nginx
kills=${E2E_KILLS:-30}
real=${E2E_REAL_KILLS:-3}

start_nginx nginx 443
start_container client
scope=--mntns=${container_mntns[client]}
make_body "$W/served/large" 30000000
start_capture events -w /dev/null "--record=$W/events" "$scope"
in_container client curl -sSk --http1.1 -o /dev/null https://127.0.0.1/large
stop_capture events

# What mends the files is a process of its own.
guards_end()
{
	local deadline=$((SECONDS + TIMEOUT))

	while pgrep -x tlspcap-guard --ns $$ --nslist net >/dev/null; do
		((SECONDS < deadline)) || die 'a guard does not end'
		sleep 0.01
	done
}

# whole NAME: every file of the round; an empty one had no block yet.
whole()
{
	local said

	find "$W" -maxdepth 1 -name 'out*' -size 0 -delete
	set_of out "$2"
	[[ -e $W/out$2 ]] && files+=("$W/out$2")
	((${#files[@]})) || return 0
	n_files=$((n_files + ${#files[@]}))
	if [[ $2 == *.gz ]]; then
		said=$(gzip -t "${files[@]}" 2>&1) || { fail "$1: $said"; return; }
		gunzip "${files[@]}"
		files=("${files[@]%.gz}")
	fi
	said=$("$BUILD/tools/tlspcap-check" --killed "${files[@]}" 2>&1) || {
		fail "$1: $(grep -v ' 0 findings$' <<<"$said" | head -n 3)"
		rm -f "${files[@]}"
		return
	}
	said=$(capinfos "${files[@]}" 2>&1 >"$W/infos") || fail "$1: capinfos: $said"
	# The last one alone: it is the one that was being written. Every tshark has its turn.
	turn=$((turn + 1))
	said=$(tshark_of "${tsharks[turn % ${#tsharks[@]}]}" -r "${files[-1]}" -X 'read_format:MIME Files Format' -q -z expert 2>&1)
	[[ $said ]] && fail "$1: $said"
	rm -f "${files[@]}"
}

begin=${EPOCHREALTIME/./}
"$BUILD/tools/tlspcap-replay" -q -w "$W/all.pcapng" "$W/events"
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
n_files=0 turn=0
for ((i = 0; i < kills; i++)); do
	suffix=.pcapng
	((i % 5 == 4)) && suffix=.pcapng.gz
	set -- -C 1
	((i % 3 == 0)) && set -- # one file
	"$BUILD/tools/tlspcap-replay" -q -w "$W/out$suffix" "$@" "$W/events" 2>/dev/null &
	sleep "$(printf '0.%03d' $((RANDOM % (took + 10))))"
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
	guards_end
	whole "kill $i of $kills" "$suffix"
done
((failures)) || pass "$kills times kill -9 of tlspcap-replay: $n_files files are whole"

n_files=0
for ((i = 0; i < real; i++)); do
	start_capture killed -w "$W/out.pcapng" "$scope" -C 1
	in_container client curl -sSk --http1.1 -o /dev/null https://127.0.0.1/large &
	processes+=($!)
	sleep "$(printf '0.%03d' $((RANDOM % 500)))"
	kill -KILL "${capture_pid[killed]}"
	wait "${capture_pid[killed]}" 2>/dev/null
	guards_end
	whole "kill $i of tlspcap" .pcapng
	wait $!
done
((failures)) || pass "$real times kill -9 of tlspcap: $n_files files are whole"
finish
