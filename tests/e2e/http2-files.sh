#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A long HTTP/2 connection over files that follow one another: in each of them every message has
# all its headers, and its body, although the compression refers to what was in files before.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
need node mergecap

make_certificate server
start_container box
scope=(--mntns="${container_mntns[box]}" --lib="$(readlink -f "$(command -v node)")")

# shows_messages NAME PORT SUITE FILE...: file after file, each alone. An end of a file cuts a body
# where it is in the midst of a DATA frame; all headers are there.
shows_messages()
{
	local name=$1 port=$2 suite=$3 file cut n_files=${#files[@]}

	shift 3
	for file; do
		tshark_of "$suite" -r "$file" -Y http2.type -T fields -E separator=/t -E 'aggregator=|' \
			-e tcp.dstport -e http2.type -e http2.streamid -e http2.length \
			-e http2.data.data -e http2.header.name -e http2.header.value
	done | "$PYTHON" -S "$E2E/http2-said" "$port" "$W/said" >"$W/got" 2>&1
	cut=$(tail -n 1 "$W/got")
	same "$name: messages in tshark of $suite" '' "$(head -n -1 "$W/got" | cut -c 1-200)"
	((cut < n_files)) && pass "$name: $cut bodies go over an end" ||
		fail "$name: $cut bodies lack a part in $n_files files"
}

talk() # PORT TABLE
{
	in_container box node "$(own_program http2_long.js)" "$W/server.pem" "$1" 60 "$2" \
		>"$W/said" || fail "the conversation on port $1 failed"
	same "port $1: messages" 120 "$(wc -l <"$W/said")"
}

# The tables' usual size, and the one of browsers.
for table in 4096 65536; do
	start_capture "table$table" "${scope[@]}" -b filesize:150
	talk 443 "$table"
	stop_capture "table$table"
	lossless "table$table"
	set_of "table$table"
	at_least "table $table" 10
	suites=(host)
	((table > 4096)) && suites=("${tsharks[@]}")
	for suite in "${suites[@]}"; do
		shows_messages "table $table" 443 "$suite" "${files[@]}"
	done
	same "table $table: nothing wrong" '' "$(for file in "${files[@]}"; do
		tshark_of host -r "$file" -Y 'tcp.analysis.flags || _ws.malformed ||
			_ws.expert.severity >= 6291456'
	done)"
	same "table $table: what was made up is marked" '1 1' "$(for file in "${files[@]:1:5}"; do
		fields "$file" tcp.dstport 'frame.comment contains "synthesized=http2-state;" &&
			http2.streamid == 0 && http2.type == 1' |
			awk '{ $1 == 443 ? up++ : down++ } END { print up + 0, down + 0 }'
	done | sort -u)"
	sound_set "table $table"
	linked "table $table"
done

# Plaintext from the first file on, as TCP's payload and in the envelope.
for view in plain null-tls; do
	port=443
	[[ $view == plain ]] && port=8080
	start_capture "$view" "${scope[@]}" -b filesize:150 "--view=$view"
	talk "$port" 4096
	stop_capture "$view"
	set_of "$view"
	at_least "$view" 8
	shows_messages "$view" "$port" host "${files[@]}"
done

# The whole set as one file.
start_capture merged "${scope[@]}" -C 500k
talk 443 4096
stop_capture merged
set_of merged
mergecap -w "$W/all.pcapng" "${files[@]}"
shows_messages 'merged' 443 host "$W/all.pcapng"
finish
