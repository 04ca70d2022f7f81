#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Containers that share what others keep apart: a sidecar in the network namespace of another
# container, one in its process namespace, and programs that a runtime starts in one that runs
# already (docker exec, kubectl exec), from their first handshake on.
. "$(dirname "$0")/lib.sh"
. "$E2E/bundle"
need curl nginx runc crun jq nsenter

make_certificate server
for name in sidecar debugger exec-runc exec-crun; do
	printf 'token-of-%s-%s\n' $name "$RANDOM" >"$W/served/$name"
done
fetch='curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1'
app=tlspcap-app-$$
trap 'runc delete --force "$app" 2>/dev/null; run_crun delete --force "crun-$$" 2>/dev/null; e2e_end' EXIT

# change_config NAME FILTER [JQ-OPTION...]
change_config()
{
	jq "${@:3}" "$2" <"$W/$1/config.json" >"$W/$1/config.new" &&
		mv "$W/$1/config.new" "$W/$1/config.json"
}

# nginx in a container with a network of its own; it waits to be killed.
cat >"$W/nginx.conf" <<CONF
daemon off;
user root;
pid $W/nginx.pid;
error_log $W/error.log;
events { }
http {
	access_log off;
	server {
		listen 127.0.0.1:443 ssl;
		ssl_certificate $W/server.crt;
		ssl_certificate_key $W/server.key;
		root $W/served;
	}
}
CONF
make_bundle app
write_config app nginx -e "$W/error.log" -c "$W/nginx.conf"
change_config app '.linux.namespaces += [{type: "network"}] |
	.mounts += (["/var/lib/nginx", "/run", "/tmp"] | map(select(. as $m | $w | startswith($m + "/") | not) |
	{destination: ., type: "tmpfs", source: "tmpfs"}))' --arg w "$W"
start run_container app "$app"
await_app()
{
	local deadline=$((SECONDS + TIMEOUT))

	until init=$(runc state "$app" 2>/dev/null | jq -e 'select(.status == "running").pid') &&
		nsenter --target "$init" --net -- timeout 2 bash -c ': </dev/tcp/127.0.0.1/443' 2>/dev/null; do
		((SECONDS < deadline)) || die 'the container does not serve'
		sleep 0.02
	done
}
await_app

captured() # CAPTURE NAME...: what the file has, and nothing else
{
	local case=$1

	shift
	lossless "$case"
	same "$case: $*" "$(for name; do cat "$W/served/$name"; done | sort)" "$(
		export_objects host "$W/$case.pcapng" "$W/objects" &&
			cat $(find "$W/objects" -type f) </dev/null | sort
		rm -rf "$W/objects"
	)"
	contains "$W/$case.pcapng" 'secrets=missing;' && fail "$case: secrets are missing"
	same "$case: all from the handshake on" "$#" \
		"$(count_frames "$W/$case.pcapng" 'tls.handshake.type == 1')"
}

ends() # CAPTURE: whose ends the file has
{
	grep -ao 'comm=[^;]*\|;container=[^;]*' "$W/$1.pcapng" | tr -d ';' |
		sort -u | tr '\n' ' '
}

# Sidecars: the network's, and with the processes in sight.
make_bundle sidecar
make_bundle debugger
write_config sidecar $fetch/sidecar
change_config sidecar '.linux.namespaces += [{type: "network", path: $net}]' \
	--arg net "/proc/$init/ns/net"
write_config debugger $fetch/debugger
change_config debugger '.linux.namespaces = [{type: "mount"}, {type: "pid", path: $pid},
	{type: "network", path: $net}]' --arg pid "/proc/$init/ns/pid" --arg net "/proc/$init/ns/net"
both()
{
	run_container sidecar "sidecar-$$" || fail 'the sidecar failed'
	run_container debugger "debugger-$$" || fail 'the one that shares processes failed'
}

start_capture sidecar --hold "--container=sidecar-$$"
both
stop_capture sidecar
captured sidecar sidecar
same 'sidecar: its end only' "comm=curl container=sidecar-$$ " "$(ends sidecar)"
start_capture debugger --hold "--container=debugger-$$"
both
stop_capture debugger
captured debugger debugger
same 'debugger: its end only' "comm=curl container=debugger-$$ " "$(ends debugger)"
start_capture app "--container=$app"
both
stop_capture app
captured app sidecar debugger
same 'app: its end only' "comm=nginx container=$app " "$(ends app)"
start_capture network --hold "--netns=/proc/$init/ns/net" --comm=curl
both
stop_capture network
captured network sidecar debugger
same 'network: the ends of both' \
	"comm=curl container=debugger-$$ container=sidecar-$$ " "$(ends network)"

# A program that the runtime starts in a running container, whose curl nobody has used so far.
for scope in "--container=$app" "--mntns=/proc/$init/ns/mnt"; do
	start_capture exec "$scope" --comm=curl
	check 'exec: it runs' runc exec "$app" $fetch/exec-runc
	stop_capture exec
	captured exec exec-runc
	same "${scope%%=*}: exec's end" "comm=curl container=$app " "$(ends exec)"
done
# As a program of the container that is not there for longer.
start_capture detached "--container=$app" --comm=curl --hold
check 'exec, detached: it runs' runc exec --detach --pid-file "$W/exec.pid" "$app" \
	bash -c "$fetch/exec-runc; echo done >$W/exec.done"
for ((i = 0; i < TIMEOUT * 50; i++)); do
	[[ -e $W/exec.done ]] && break
	sleep 0.02
done
stop_capture detached
captured detached exec-runc
runc kill "$app" KILL
wait "$started"

# The same of crun, which gives its containers no control groups here.
make_bundle crun
write_config crun sh -c "echo >$W/crun.ready; exec sleep infinity"
change_config crun '.linux.namespaces += [{type: "network", path: $net}]' --arg net "/proc/$$/ns/net"
start_nginx nginx 443
mkfifo "$W/crun.ready"
run_container crun "crun-$$" crun &
processes+=($!)
read -r -t "$TIMEOUT" line <>"$W/crun.ready" || die 'crun: the container did not start'
init=$(jq .pid "/run/crun/crun-$$/status")
for scope in "--container=crun-$$" "--mntns=/proc/$init/ns/mnt"; do
	start_capture crun "$scope" --comm=curl
	check 'crun exec: it runs' run_crun exec "crun-$$" $fetch/exec-crun
	stop_capture crun
	captured crun exec-crun
	same "${scope%%=*}: crun exec's end" "comm=curl container=crun-$$ " "$(ends crun)"
done
run_crun kill "crun-$$" KILL
bundle_end app sidecar debugger crun
finish
