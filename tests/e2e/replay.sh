#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# What --record wrote, replayed, gives the same packets, secrets and comments.
. "$(dirname "$0")/lib.sh"
need curl nginx
replay=$BUILD/tools/tlspcap-replay
[[ -x $replay ]] || skip "$replay was not built"

start_nginx nginx 443
start_container client
for i in {1..8}; do
	make_body "$W/served/$i" $((i * 30000))
done
start_capture case --record="$W/case.record" "--mntns=${container_mntns[client]}"
for version in 1.2 1.3; do
	for http in 1.1 2; do
		in_container client bash -c 'seq 8 | xargs -P 4 -I{} curl -sSk --fail \
			"--http$1" --tlsv1.2 --tls-max "$2" https://127.0.0.1/{} -o "$3/got-{}"' \
			curls $http $version "$W" || fail 'a curl failed'
	done
done
stop_capture case
lossless case
same 'mode of the recording' 600 "$(stat -c %a "$W/case.record")"

check 'replay' "$replay" -w "$W/replayed.pcapng" "$W/case.record"
picture() # FILE
{
	tshark_of host -r "$1" -t e -T fields -E separator='|' -e frame.time_epoch \
		-e frame.len -e frame.comment -e frame.interface_name -e ip.src -e ip.dst \
		-e tcp.srcport -e tcp.dstport -e tcp.seq_raw -e tcp.ack_raw -e tcp.flags \
		-e tcp.checksum -e tcp.payload -e _ws.col.Info | sha256sum
	count_frames "$1"
	secrets "$1" | sha256sum
}
same 'the same packets' "$(picture "$W/case.pcapng")" "$(picture "$W/replayed.pcapng")"
"$replay" -w "$W/again.pcapng" "$W/case.record"
same 'the same twice' "$(hashes "$W/replayed.pcapng")" "$(hashes "$W/again.pcapng")"
finish
