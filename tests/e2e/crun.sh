#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A container of crun, which is there when the capture begins, by its name: it has no control
# group of its own, so that only crun's state says whose the namespace is.
. "$(dirname "$0")/lib.sh"
. "$E2E/bundle"
need curl nginx runc crun jq

name=tlspcap-crun-$$
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
bundle_end web other
lossless case
shows_bodies 'crun' "$W/case.pcapng" "$(hashes "$W/served/body")"
contains "$W/case.pcapng" token-of-other && fail 'the other container is in the file' ||
	pass 'nothing of the other container'
check 'it is named' contains "$W/case.pcapng" "container=$name;"
finish
