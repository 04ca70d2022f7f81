#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Network namespaces. Client and server in two of them, both captured: each conversation is
# written once. And the same addresses and ports in two pairs of them at the same time, in one
# file: both are readable, and whose they are is told.
. "$(dirname "$0")/lib.sh"
need curl nginx ip

start_container clients
start_container servers
make_certificate server
for i in 1 2; do
	make_body "$W/served/first$i" 4000000 # fits into no pipe and no socket
	make_body "$W/served/second$i" 30000
done

# new_network: a network namespace as long as $started lives.
new_network()
{
	local ready=$W/network.ready

	mkfifo "$ready"
	start unshare --net bash -c 'ip link set lo up && echo >"$1"; exec sleep infinity' \
		network "$ready"
	read -r -t "$TIMEOUT" <>"$ready" || die 'no network namespace'
	rm "$ready"
}

network= # the process in whose network namespace in_container works
in_container()
{
	local pid=${container_pid[$1]}

	shift
	nsenter --target "$pid" --mount --pid --root --wdns=/ "--net=/proc/$network/ns/net" -- "$@"
}

wait_port() # ADDRESS PORT PID
{
	local deadline=$((SECONDS + TIMEOUT))

	until nsenter "--net=/proc/$network/ns/net" ss -Hltn "sport = :$2" | grep -q .; do
		((SECONDS < deadline)) || die "nobody listens on port $2"
		sleep 0.01
	done
}

# Pairs of namespaces, all with the same addresses; nginx in each second one.
for i in 1 2; do
	new_network && near[i]=$started
	new_network && far[i]=$started
	ip link add "near$i" netns "${near[i]}" type veth peer name "far$i" netns "${far[i]}" ||
		skip 'no veth devices'
	for side in near far; do
		network=$side[i]
		network=${!network}
		address=10.0.0.1/24
		[[ $side == far ]] && address=10.0.0.2/24
		nsenter "--net=/proc/$network/ns/net" bash -c \
			'ip address add "$2" dev "$1" && ip link set "$1" up' up "$side$i" "$address"
	done
	network=${far[i]} E2E_CONTAINER=servers start_nginx "nginx$i" 443
done

# Two requests on one connection with a given port. It is open from when something comes out
# of the pipe $W/first.PAIR until that is emptied.
browse() # PAIR
{
	network=${near[$1]} in_container clients curl -sS --fail -k --http1.1 --max-time 60 \
		--local-port 50000 "https://10.0.0.2/first$1" -o "$W/first.$1" \
		--next -sS --fail -k --http1.1 --max-time 60 "https://10.0.0.2/second$1" \
		-o "$W/second.$1"
}

# Ports are used once more at once: nobody waits in TIME_WAIT for them.
for i in 1 2; do
	nsenter "--net=/proc/${near[i]}/ns/net" sysctl -qw net.ipv4.tcp_max_tw_buckets=0
done

# At the same time, each in its pair: all connections are open before one of them ends.
at_once() # PAIR...
{
	local pair jobs=() pipes=()

	for pair; do
		rm -f "$W/first.$pair" && mkfifo "$W/first.$pair"
		browse "$pair" &
		jobs+=($!)
		exec {fd}<"$W/first.$pair"
		pipes+=("$fd")
	done
	for fd in "${pipes[@]}"; do
		head -c 1 <&"$fd" >"$W/byte"
		[[ -s $W/byte ]] || { fail 'an exchange did not begin'; return 1; }
	done
	for fd in "${pipes[@]}"; do
		cat <&"$fd" >/dev/null
		exec {fd}<&-
	done
	for pair in "${jobs[@]}"; do
		wait "$pair" || fail "curl ended with $?"
	done
}

# tuples FILE: of each conversation.
tuples()
{
	tshark_of host -r "$1" -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' -T fields \
		-E separator=' ' -e ip.src -e ip.dst -e tcp.srcport -e tcp.dstport | sort
}

real='10.0.0.1 10.0.0.2 50000 443'

for source in auto probes; do
	name="both ends, --source=$source"
	start_capture case "--source=$source" "--mntns=${container_mntns[clients]}" \
		"--mntns=${container_mntns[servers]}"
	at_once 1
	stop_capture case
	lossless case
	same "$name: written once" "$real" "$(tuples "$W/case.pcapng")"
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "$W"/served/{first,second}1)"

	for whom in clients servers 'clients servers'; do
		name="equal addresses, of $whom, --source=$source"
		options=()
		for container in $whom; do
			options+=("--mntns=${container_mntns[$container]}")
		done
		start_capture case "--source=$source" "${options[@]}"
		at_once 1 2
		stop_capture case
		lossless case
		shows_bodies "$name" "$W/case.pcapng" \
			"$(hashes "$W"/served/{first,second}{1,2})"
		same "$name: conversations" 2 "$(complete_conversations "$W/case.pcapng")"
		same "$name: one has the real addresses" 1 \
			"$(tuples "$W/case.pcapng" | grep -cx "$real")"
		same "$name: the other tells them" '10.0.0.1 10.0.0.2 443 50000' \
			"$(fields "$W/case.pcapng" frame.comment ipv6 | head -n 1 | tr ';' '\n' |
				sed -n 's/^\(local\|remote\)\(-port\)\?=//p' | sort | xargs)"
	done
done

# One right after the other.
start_capture case "--mntns=${container_mntns[clients]}"
at_once 1
at_once 2
stop_capture case
same 'one after the other: the first has its addresses' "$real" \
	"$(tuples "$W/case.pcapng" | tail -n 1)"
# The first is over when the second begins: the same addresses and ports again, which tshark notes.
for suite in "${tsharks[@]}"; do
	export_objects "$suite" "$W/case.pcapng" "$W/after.$suite"
	same "one after the other: bodies in tshark of $suite" \
		"$(hashes "$W"/served/{first,second}{1,2})" "$(hashes "$W/after.$suite"/*)"
	same "one after the other: nothing else wrong for tshark of $suite" '' \
		"$(complaints "$W/after.$suite.expert" |
			grep -v 'A new tcp session is started with the same ports as an earlier')"
done
finish
