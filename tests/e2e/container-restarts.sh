#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# --container=NAME before there is one: the capture waits for it, captures every one of its
# runs, and nothing of another container. What it holds (descriptors, links, memory) stays.
. "$(dirname "$0")/lib.sh"
. "$E2E/bundle"
need curl nginx runc jq

runs=${E2E_RUNS:-20} name=tlspcap-$$
start_nginx nginx 443
make_body "$W/served/body" 3000
printf 'token-of-other\n' >"$W/served/other"
make_bundle web
make_bundle other
write_config web curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/body
write_config other curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/other

# What the process holds: descriptors, BPF links, memory in KiB.
held()
{
	local pid=${capture_pid[case]}

	printf '%d %d %d\n' "$(ls "/proc/$pid/fd" | wc -l)" \
		"$(ls -l "/proc/$pid/fd" | grep -c 'anon_inode:bpf_link\|anon_inode:bpf-link')" \
		"$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")"
}

start_capture case -v --hold "--container=$name"
grep -q 'waiting for it' "$W/case.said" || cat "$W/case.said"
for ((i = 0; i < runs; i++)); do
	run_container web "$name" || fail "run $i failed"
	((i % 5)) || run_container other "other-$name" || fail "the other container failed"
	((i == 4)) && before=$(held)
done
after=$(held)
stop_capture case
bundle_end web other
printf '      descriptors, links, KiB after 5 runs: %s; after %d: %s\n' "$before" "$runs" "$after"
lossless case
same 'every run is captured' "$runs" "$(complete_conversations "$W/case.pcapng")"
same 'all with secrets' 0 \
	"$(count_frames "$W/case.pcapng" 'frame.comment contains "secrets=missing;"')"
same 'bodies' "$(for ((i = 0; i < runs; i++)); do hashes "$W/served/body"; done)" "$(
	export_objects host "$W/case.pcapng" "$W/objects" && hashes "$W"/objects/*
)"
contains "$W/case.pcapng" token-of-other && fail 'the other container is in the file' ||
	pass 'nothing of the other container'
read -r fds links rss <<<"$before"
read -r fds2 links2 rss2 <<<"$after"
((fds2 <= fds + 2)) && pass "descriptors stay: $fds, $fds2" || fail "descriptors: $fds, then $fds2"
((links2 <= links + 2)) && pass "links stay: $links, $links2" || fail "links: $links, then $links2"
((rss2 < rss + 8192)) && pass "memory stays: $rss KiB, $rss2 KiB" || fail "memory: $rss, $rss2 KiB"
same 'the interface is named after it' "curl $name" \
	"$(tshark_of host -r "$W/case.pcapng" -T fields -e frame.interface_name | sed 's/^mntns:[0-9]* //' | sort -u)"
finish
