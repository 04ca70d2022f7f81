#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Go: a connection is closed while a Write on it goes on in another goroutine. What the Write says
# to have written, when it returns, belongs to that connection.
. "$(dirname "$0")/lib.sh"
. "$E2E/go-talk"
need openssl

make_certificate server
start_container server
read_first=1000000

# close_case NAME [-wrap]
close_case()
{
	local name=$1 address=127.0.0.$((++servers)) to from written out

	shift
	out=$W/closes-$servers.out
	mkfifo "$W/to-$servers" "$W/from-$servers"
	exec {to}<>"$W/to-$servers"
	E2E_CONTAINER=server start_go "closes-$servers" close-server -listen "$address:443" \
		-certificate "$W/server.pem" -to "$W/to-$servers" "$@"
	start_capture case --source=probes --view=plain "--lib=$go_program" \
		"--mntns=${container_mntns[server]}"
	exec {from}<>"$W/from-$servers"
	# Reads some of it, and no more until the server has closed.
	start openssl s_client -quiet -connect "$address:443" </dev/null \
		>"$W/from-$servers" 2>"$W/s_client.err"
	check "$name: it is being written" test "$(timeout "$TIMEOUT" head -c $read_first <&$from | wc -c)" = $read_first
	echo close >&$to
	check "$name: it returned" timeout "$TIMEOUT" grep -qm1 ^written \
		<(tail -n +1 -F "$out" 2>&1)
	exec {from}<&- {to}>&-
	stop_capture case
	written=$(sed -n 's/^written //p' "$out")
	lossless case
	check "$name: some was written: $written" test "${written:-0}" -ge $read_first
	same "$name: in one conversation" 1 "$(fields "$W/case.pcapng" tcp.stream | sort -u | wc -l)"
	same "$name: no address is unknown" '' \
		"$(fields "$W/case.pcapng" frame.number 'frame.comment contains "address="')"
	same "$name: all of it is there" "$written" "$(fields "$W/case.pcapng" tcp.len |
		awk '{ sum += $1 } END { print sum + 0 }')"
}

servers=0
for one in ${E2E_GO_CLOSE:-1.15:stripped 1.27:pie-stripped}; do
	IFS=: read -r version link <<<"$one"
	if ! go_build "$version" "$link"; then
		printf 'SKIP: %s\n' "$go_missing"
		continue
	fi
	close_case "Go $version, $link"
	close_case "Go $version, $link, wrapped" -wrap
done
((servers)) || skip 'no Go compiler is there'
finish
