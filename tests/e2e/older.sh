#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A connection that is older than the capture: from the first call on, it is readable and has
# the right addresses and roles.
. "$(dirname "$0")/lib.sh"
need openssl
need_multi

start_container client
make_certificate server
mkfifo "$W/to-server" "$W/to-client"

# server's words to the client come from a fifo, and the other way round.
openssl s_server -accept '[::1]:4433' -quiet -cert "$W/server.crt" -key "$W/server.key" \
	<>"$W/to-client" >"$W/server.out" 2>"$W/server.err" &
server=$!
processes+=("$server")
exec {to_client}<>"$W/to-client"
listening() # PORT, without connecting to it
{
	local deadline=$((SECONDS + TIMEOUT))

	until ss -Hltn "sport = $1" | grep -q .; do
		((SECONDS < deadline)) || die "nobody listens on port $1"
	done
}
listening 4433

exec {to_server}<>"$W/to-server"
in_container client openssl s_client -connect '[::1]:4433' -quiet \
	<"$W/to-server" >"$W/client.out" 2>"$W/client.err" &
processes+=($!)

arrives() # FILE TEXT
{
	timeout "$TIMEOUT" grep -qm1 "$2" <(tail -n +1 -F "$1" 2>&1)
}

printf 'before-up\n' >&$to_server
printf 'before-down\n' >&$to_client
check 'connected before the capture' arrives "$W/server.out" before-up
check 'both ways' arrives "$W/client.out" before-down
port=$(ss -Htn state established 'dport = 4433' | awk '{ print $3 }' | sed 's/.*://')

start_capture case "--mntns=${container_mntns[client]}"
for i in 1 2 3; do
	printf 'after-up-%s\n' $i >&$to_server
	check "line $i up" arrives "$W/server.out" after-up-$i
	printf 'after-down-%s\n' $i >&$to_client
	check "line $i down" arrives "$W/client.out" after-down-$i
done
stop_capture case
file=$W/case.pcapng
for text in after-up-{1,2,3} after-down-{1,2,3}; do
	contains "$file" $text && pass "has $text" || fail "has no $text"
done
for text in before-up before-down; do
	contains "$file" $text && fail "has $text, which was before" || pass "no $text"
done
same 'addresses' '::1 ::1' "$(tshark_of host -r "$file" -c 1 -T fields -E separator=' ' \
	-e ipv6.src -e ipv6.dst)"
same 'client' "$port 4433" "$(tshark_of host -r "$file" -T fields -E separator=' ' \
	-e tcp.srcport -e tcp.dstport -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0')"
for direction in up down; do
	from=$port
	[[ $direction == down ]] && from=4433
	same "who sent after-$direction" "$from" "$(fields "$file" tcp.srcport \
		"frame contains \"after-$direction\"" | sort -u)"
done
shows_nothing_wrong 'older' "$file"
finish
