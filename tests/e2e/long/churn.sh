#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 300 mount namespaces come and go, each with a file of libssl that nobody has seen before: when
# they are gone, so are the probes, the descriptors and the memory that they took.
. "$(dirname "$0")/../lib.sh"
need curl nginx unshare

runs=${E2E_RUNS:-300}
start_nginx nginx 443
make_body "$W/served/body" 2000
mkdir "$W/fresh"
library=$(ldd "$(command -v curl)" | awk '/libssl\.so/ {print $3}')
cat >"$W/fresh.sh" <<END
mount -t tmpfs tmpfs "$W/fresh" && cp "$library" "$W/fresh/" || exit 1
export LD_LIBRARY_PATH="$W/fresh"
exec curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/body
END

cycle() # COUNT
{
	seq "$1" | xargs -P 4 -I{} unshare --mount --propagation private bash "$W/fresh.sh" ||
		fail 'a curl failed'
}

held() # descriptors, BPF links, KiB
{
	local pid=${capture_pid[case]}

	printf '%d %d %d\n' "$(ls "/proc/$pid/fd" | wc -l)" \
		"$(ls -l "/proc/$pid/fd" | grep -c 'bpf[-_]link')" \
		"$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")"
}

# Until the probes of as many files are off again.
await_release() # COUNT
{
	local deadline=$((SECONDS + 90))

	until (($(grep -c 'probes off' "$W/case.said") >= $1)); do
		((SECONDS < deadline)) || return 1
		sleep 0.2
	done
}

start_capture case -v --hold --comm=curl --netns=/proc/self/ns/net
cycle 20
check 'the first 20 are released' await_release 20
before=$(held)
cycle "$runs"
printf '      at the height: %s\n' "$(held)"
check "all $((runs + 20)) are released" await_release $((runs + 20))
after=$(held)
printf '      descriptors, links, KiB before: %s; after %d more: %s\n' "$before" "$runs" "$after"
stop_capture case
lossless case
same 'complete conversations' $((runs + 20)) "$(complete_conversations "$W/case.pcapng")"
read -r fds links rss <<<"$before"
read -r fds2 links2 rss2 <<<"$after"
((fds2 <= fds)) && pass "descriptors: $fds, $fds2" || fail "descriptors: $fds, then $fds2"
((links2 <= links)) && pass "links: $links, $links2" || fail "links: $links, then $links2"
((rss2 < rss + 16384)) && pass "memory: $rss, $rss2 KiB" || fail "memory: $rss, then $rss2 KiB"
finish
