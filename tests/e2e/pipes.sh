#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Where the file is none: a FIFO, a reader that is slow, one that leaves; and a compressed file of
# which only a part is there.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
start_container client
make_body "$W/served/large" 3000000
scope=--mntns=${container_mntns[client]}
fetch()
{
	check 'curl' in_container client curl -sS --fail -k --http1.1 -o /dev/null \
		https://127.0.0.1/large
}

# A FIFO, which tlspcap opens when somebody reads; tshark shows it as it comes.
mkfifo "$W/fifo.pcapng"
tee "$W/fifo.copy.pcapng" <"$W/fifo.pcapng" |
	tshark_of host -r - -l -Y http.response -T fields -e http.response.code >"$W/fifo.shown" &
reader=$!
processes+=("$reader")
start_capture fifo -w "$W/fifo.pcapng" "$scope"
fetch
check 'FIFO: shown while capturing' timeout "$TIMEOUT" grep -qm1 200 \
	<(tail -n +1 -F "$W/fifo.shown" 2>&1)
stop_capture fifo
wait "$reader"
lossless fifo
shows_bodies 'FIFO' "$W/fifo.copy.pcapng" "$(hashes "$W/served/large")"

# A reader of 2 MB in a second: the ring buffer waits for it, nothing is lost.
rm -f "$W/slow.stdout" && mkfifo "$W/slow.stdout"
"$PYTHON" -S -c '
import os, time
with open(os.environ["W"] + "/slow.pcapng", "wb") as out:
    while part := os.read(0, 65536):
        out.write(part)
        time.sleep(0.03)' <"$W/slow.stdout" &
reader=$!
processes+=("$reader")
start_capture slow -w - "$scope"
fetch
stop_capture slow
wait "$reader"
lossless slow
shows_bodies 'a slow reader' "$W/slow.pcapng" "$(hashes "$W/served/large")"

# A reader that leaves, with traffic and without: the capture ends, and says why.
for traffic in yes no; do
	rm -f "$W/left.stdout" && mkfifo "$W/left.stdout"
	start bash -c 'exec head -c 24 <"$W/left.stdout" >"$W/left.part"'
	start_capture left -w - "$scope"
	if [[ $traffic == yes ]]; then
		fetch
	else
		kill "$started" # head has what it wants only when there was a packet
	fi
	end_capture left
	same "a reader that leaves, traffic: $traffic: exit status" 1 "$capture_status"
	check "a reader that leaves, traffic: $traffic: it is told" \
		grep -q 'standard output: Broken pipe' "$W/left.said"
done

# Compressed, and cut anywhere: all that is whole is shown.
start_capture packed -w "$W/packed.pcapng.gz" "$scope"
fetch
fetch
stop_capture packed
lossless packed
gunzip -k "$W/packed.pcapng.gz"
whole=$(count_frames "$W/packed.pcapng")
size=$(stat -c %s "$W/packed.pcapng.gz")
for part in 40 75 99; do
	head -c $((size * part / 100)) "$W/packed.pcapng.gz" >"$W/cut.pcapng.gz"
	for suite in "${tsharks[@]}"; do
		n=$(tshark_of "$suite" -r "$W/cut.pcapng.gz" -T fields -e frame.number | wc -l)
		((n > whole * part / 100 * 6 / 10 && n <= whole)) &&
			pass "$part % of a .gz: tshark of $suite shows $n of $whole packets" ||
			fail "$part % of a .gz: tshark of $suite shows $n of $whole packets"
	done
done
finish
