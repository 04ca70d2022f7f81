#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Packets that arrive in interrupts, as from a network card: the loopback's are handed to the other
# processor, whose own programs they interrupt. No change of a socket's state may be lost.
. "$(dirname "$0")/lib.sh"
need nginx ab

# The folder of this network namespace's devices shows in a fresh mount of sysfs only.
unshare --mount --propagation private bash -c '
	mount -t sysfs sysfs /sys && printf %x $(((1 << $(nproc)) - 1)) >/sys/class/net/lo/queues/rx-0/rps_cpus
' 2>"$W/rps" || skip "packets cannot be steered to processors here: $(cat "$W/rps")"

requests=2000
printf 'hello\n' >"$W/served/hello"
E2E_WORKERS=2 start_nginx nginx 443
scope=("--pid=$nginx_pid")
while read -r worker; do
	scope+=("--pid=$worker")
done < <(pgrep -P "$nginx_pid")
start_capture case "${scope[@]}"
check 'short connections' ab -q -n "$requests" -c 20 -f TLS1.3 https://127.0.0.1/hello
stop_capture case
grep -h 'tlspcap: [0-9]* packets\|skipped' "$W/case.said" | sed 's/^/      /'
check 'no gap that there was not' bash -c "! grep 'LOST' '$W/case.said'"
# Some kernels run no programs in some of their tasks, and so not in the interrupts of these.
skipped=$(sed -n 's/.*probes that the kernel skipped: //p' "$W/case.said")
got=$(count_frames "$W/case.pcapng" 'http.request.uri == "/hello"')
if ((got + ${skipped:-0} >= requests)); then
	pass "$got of $requests requests, ${skipped:-0} skips are counted"
else
	fail "$got of $requests requests, ${skipped:-0} skips are counted"
fi
((${skipped:-0} <= requests / 100)) || fail 'more than one in a hundred was skipped'
check 'nothing that tshark complains about' bash -c "
	! '$ENVIRONMENT/tshark' host -r '$W/case.pcapng' -Y tcp.analysis.lost_segment | grep ."
finish
