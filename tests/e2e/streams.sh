#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The bytes of a socket are exact, whatever system calls move them: against tcpdump of the
# same connection and against what arrived, over IPv4 and IPv6.
. "$(dirname "$0")/lib.sh"
need tcpdump

[[ ${E2E_TIER:-} == syscall ]] && skip "with this tier, what sendmmsg and recvmmsg move is a gap"
program=$(dirname "$TLSPCAP")/e2e/e2e_socket_calls
[[ -x $program ]] || skip "$program is not built"
total=2000000 # bytes each way
cases=(four2:19002 four3:19003 four4:19004 six0:19010 six1:19011 six2:19012)
[[ ${E2E_SHORT:-} ]] && total=200000 cases=(four2:19002 six1:19011)

# Both directions of the only connection with PORT, as tshark follows it: "up down" hashes.
followed() # FILE PORT
{
	local stream side

	stream=$(tshark_of host -r "$1" -Y "tcp.port == $2" -T fields -e tcp.stream | head -n 1)
	for side in client server; do
		tshark_of host -r "$1" -q -z "follow,tcp,raw,$stream" |
			awk -v side=$side '/^[0-9a-f\t]+$/ { own = !/^\t/; sub(/^\t/, "");
				if (own == (side == "client")) print }' |
			perl -pe 's/\s//g; $_ = pack("H*", $_)' | sha256sum | cut -d " " -f 1
	done | paste -sd " "
}

arrived() # NAME
{
	cat <(sha256sum <"$W/$1.up" | cut -d " " -f 1) \
		<(sha256sum <"$W/$1.down" | cut -d " " -f 1) | paste -sd " "
}

start tcpdump -Z root --immediate-mode -i lo -B 262144 -s 0 -w "$W/wire.pcap" 'portrange 19002-19012' \
	2>"$W/tcpdump.said"
tcpdump=$started
timeout "$TIMEOUT" bash -c 'until grep -q "^tcpdump: listening" "$1"; do sleep 0.02; done' \
	wait "$W/tcpdump.said" || die 'tcpdump does not listen'
# The first connection asks for the hooks on sendmmsg and recvmmsg: it has gaps.
cat >"$W/calls" <<-END
	'$program' 4 19001 $((10 * total)) 1 '$W/first'
	timeout $TIMEOUT bash -c 'until grep -q "hooks on sendmmsg" "\$1"; do sleep 0.02; done' \
		wait '$W/said' || exit 1
END
for case in "${cases[@]}"; do
	name=${case%:*} port=${case#*:} version=4
	[[ $name == six* ]] && version=6
	printf '"%s" %s %s %s %s "%s" || exit 1\n' "$program" $version "$port" $total "${name: -1}" \
		"$W/$name" >>"$W/calls"
done
check "the calls are captured" bash -c '"$@" 2>"$W/said"' capture "$TLSPCAP" -v -B 256M --view=tls \
	-w "$W/out.pcapng" -- bash "$W/calls" || {
	sed 's/^/      | /' "$W/said"
	exit 1
}
kill -INT "$tcpdump" && wait "$tcpdump"
# A kernel that preempts programs skips some of these kinds (docs/kernels.md), and that is told.
skipped=$(grep -o 'the kernel skipped[^:]*: [0-9]*' "$W/said" | tail -n 1)
[[ $skipped && ${E2E_TIER:-} == @(btf|fentry) ]] &&
	skip "this kernel preempts programs, which is counted: $skipped"
if contains "$W/out.pcapng" gap=; then
	pass 'gaps are marked'
else
	# Both ends are captured, and the one that is in the file had no gap.
	same 'nothing is missing' "$(arrived first)" "$(followed "$W/out.pcapng" 19001)"
fi
for case in "${cases[@]}"; do
	name=${case%:*} port=${case#*:}
	same "$name: what arrived" "$(arrived "$name")" "$(followed "$W/out.pcapng" "$port")"
	same "$name: tcpdump" "$(followed "$W/wire.pcap" "$port")" \
		"$(followed "$W/out.pcapng" "$port")"
done
finish
