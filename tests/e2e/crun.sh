#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Containers of crun by their name. They have no control group of their own, so that only crun's
# state says whose the namespace is; and crun writes it when the program has begun already. One is
# there when the capture begins; others come later and connect at once.
. "$(dirname "$0")/lib.sh"
. "$E2E/bundle"
need curl nginx runc crun jq unshare

runs=${E2E_RUNS:-10} name=tlspcap-crun-$$
start_nginx nginx 443
make_body "$W/served/body" 30000
printf 'token-of-other\n' >"$W/served/other"
# Says that it is there, and fetches when it is told to.
cat >"$W/fetch" <<END
echo ready >$W/\$1.ready
read -r path <$W/\$1.go
exec curl -sSk --fail --http1.1 -o $W/\$1.got https://127.0.0.1/\$path
END
for container in web other; do
	make_bundle $container
	mkfifo "$W/$container.ready" "$W/$container.go"
	write_config $container sh "$W/fetch" $container
done

run_container web "$name" crun &
web=$!
run_container other "other-$name" crun &
other=$!
processes+=("$web" "$other")
for container in web other; do
	read -r -t "$TIMEOUT" line <>"$W/$container.ready" || die "the container $container did not start"
done
start_capture case "--container=$name"
echo body >"$W/web.go"
echo other >"$W/other.go"
wait "$web" || fail 'the container failed'
wait "$other" || fail 'the other container failed'
stop_capture case
lossless case
shows_bodies 'crun' "$W/case.pcapng" "$(hashes "$W/served/body")"
contains "$W/case.pcapng" token-of-other && fail 'the other container is in the file' ||
	pass 'nothing of the other container'
check 'it is named' contains "$W/case.pcapng" "container=$name;"

# They connect at once, each with a libssl that is new to the kernel; beside them a container
# that is not wanted, and a namespace that is nobody's.
write_config web curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/body
write_config other curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/other
start_capture hold -v --hold "--container=$name"
for ((i = 0; i < runs; i++)); do
	renew_bundle web
	run_container web "$name" crun || fail "run $i failed"
	((i % 5)) || run_container other "other-$name" crun || fail "the other container failed"
done
stop_capture hold
lossless hold
same 'at once: every run is captured' "$runs" "$(complete_conversations "$W/hold.pcapng")"
same 'at once: all with secrets' 0 \
	"$(count_frames "$W/hold.pcapng" 'frame.comment contains "secrets=missing;"')"
contains "$W/hold.pcapng" token-of-other && fail 'at once: the other container is in the file' ||
	pass 'at once: nothing of the other container'

# What that costs others: nothing is waited for but a container with the name.
start_capture strangers -v --hold "--container=$name"
for ((i = 0; i < runs; i++)); do
	unshare --mount true
done
stop_capture strangers
held=$(grep -o 'held process [0-9]* for [0-9.]*' "$W/strangers.said" | awk '{print $NF}' | sort -n)
printf '      new namespaces of others are held for %s to %s ms, median %s\n' "$(head -n 1 <<<"$held")" \
	"$(tail -n 1 <<<"$held")" "$(sed -n "$(((runs + 1) / 2))p" <<<"$held")"
check 'strangers: each is held' test "$(grep -c . <<<"$held")" -ge "$runs"
check 'strangers: half of them for less than 20 ms' awk -v ms="$(sed -n "$(((runs + 1) / 2))p" <<<"$held")" \
	'BEGIN { exit !(ms < 20) }'
bundle_end web other
finish
