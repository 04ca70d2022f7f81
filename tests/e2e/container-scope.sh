#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Scopes by what people know: a container's name, id and pod, by its control group and what its
# runtime has written down; --cgroup, --comm, --netns; a container that claims to be another.
. "$(dirname "$0")/lib.sh"
need curl nginx jq

# Version 2's hierarchy, or that of a controller of version 1.
for root in /sys/fs/cgroup /sys/fs/cgroup/memory /sys/fs/cgroup/unified; do
	[[ -e $root/cgroup.procs && -w $root/cgroup.procs ]] && break
	root=
done
[[ $root ]] || skip 'no control groups that can be made here'
id=22$(head -c 31 /dev/urandom | xxd -p -c 64)
pod=0f00baaa-1111-2222-3333-$(head -c 6 /dev/urandom | xxd -p)
states=/var/lib/docker/containers/$id
tasks=/run/containerd/io.containerd.runtime.v2.task/tlspcap-test-$$
cgroups=("$root/docker/$id" "$root/tlspcap-test-$$/kubepods/besteffort/pod$pod/00${id:2}"
	"$root/docker/11${id:2}/$id")
made=()

make_folder() # PATH: with all above it; what was made is taken away again
{
	[[ -d $1 ]] && return
	make_folder "${1%/*}"
	mkdir "$1" 2>/dev/null || skip "$1 cannot be made"
	made=("$1" "${made[@]}")
}

clean()
{
	kill -KILL "${containers[@]}" 2>/dev/null
	wait "${containers[@]}" 2>/dev/null
	rm -f "$states/config.v2.json" "$tasks/00${id:2}/config.json"
	for folder in "${made[@]}"; do
		for i in {1..100}; do
			rmdir "$folder" 2>/dev/null && break
			sleep 0.02
		done
	done
}
trap 'clean; e2e_end' EXIT

start_nginx nginx 443
for name in web app liar; do
	printf 'token-of-%s-%s\n' $name "$RANDOM" >"$W/served/$name"
	start_container $name / $([[ $name == web ]] && echo own || echo shared)
done
for i in 0 1 2; do
	make_folder "${cgroups[i]}"
done
join() # NAME CGROUP
{
	echo "${container_pid[$1]}" >"$2/cgroup.procs" || skip "no process can be moved to $2"
}
join web "${cgroups[0]}"
join app "${cgroups[1]}"
join liar "${cgroups[2]}" # in its own control group, one with the name of web's container
make_folder "$states"
make_folder "$tasks/00${id:2}"
cat >"$states/config.v2.json" <<-END
	{"ID": "$id", "Name": "/shop-web", "State": {"Pid": ${container_pid[web]}},
	 "Config": {"Image": "nginx:1", "Labels": {}}}
END
cat >"$tasks/00${id:2}/config.json" <<-END
	{"ociVersion": "1.0.2", "annotations": {"io.kubernetes.cri.container-name": "app",
	 "io.kubernetes.cri.sandbox-name": "app-7d4f", "io.kubernetes.cri.sandbox-namespace": "shop"}}
END

work()
{
	local name

	for name in web app liar; do
		in_container $name curl -sSk --fail --http1.1 -o /dev/null "https://127.0.0.1/$name" ||
			fail "curl in $name"
	done
}

# captures NAME "OPTIONS" WHO...: exactly theirs.
captures()
{
	local name=$1 options=$2

	shift 2
	start_capture "$name" $options
	work
	stop_capture "$name"
	lossless "$name"
	same "$options: $*" "$(for who; do cat "$W/served/$who"; done | sort)" "$(
		mkdir "$W/objects" && export_objects host "$W/$name.pcapng" "$W/objects" &&
			cat $(find "$W/objects" -type f) </dev/null | sort
		rm -rf "$W/objects"
	)"
}

captures name --container=shop-web web
captures none "--container=${id:0:12} --pod=$pod"
captures each "--container=${id:0:12} --container=app" app web
captures pod --pod=shop/app-7d4f app
captures both "--container=app --pod-namespace=shop" app
comments=$(fields "$W/name.pcapng" frame.comment | head -n 1)
[[ $comments == *";container=shop-web;container-id=$id;image=nginx:1;"* ]] &&
	pass 'the comment says container, id and image' || fail "the comment says $comments"
[[ $(fields "$W/pod.pcapng" frame.comment | head -n 1) == *';pod=shop/app-7d4f;'* ]] &&
	pass 'the comment says the pod' || fail 'the comment does not say the pod'
same 'the interface is named after it' "shop-web ${id:0:12}" \
	"$(fields "$W/name.pcapng" frame.interface_name | sed 's/^mntns:[0-9]* //' | sort -u)"
[[ $(fields "$W/name.pcapng" frame.interface_description | head -n 1) == *"image nginx:1"* ]] &&
	pass 'the description has the image' || fail 'the description has no image'

"$TLSPCAP" --list=json --container=shop-web >"$W/list.json" 2>"$W/list.said" ||
	fail "--list: $(cat "$W/list.said")"
same '--list=json: the container' "shop-web docker" "$(jq -r \
	'[.groups[].container | .name + " " + .runtime] | unique | .[]' "$W/list.json")"
same '--list=json: its library' "openssl true true" "$(jq -r \
	'[.groups[] | select(.family == "openssl") | "\(.family) \(.plaintext) \(.secrets)"] | unique | .[]' \
	"$W/list.json")"
"$TLSPCAP" --list --container=shop-web >"$W/list" 2>&1
grep -q "shop-web ${id:0:12}.*openssl.*yes *yes" "$W/list" && pass '--list: a row' ||
	fail "--list: $(head -n 3 "$W/list")"

# Processes by their control group, name and network namespace.
for who in web app; do
	(
		echo $BASHPID >"${cgroups[$([[ $who == web ]] && echo 0 || echo 1)]}/cgroup.procs"
		exec sleep infinity
	) &
	processes+=($!)
done
start_capture cgroup "--cgroup=$root/docker"
for i in 0 1 2; do
	(
		echo $BASHPID >"${cgroups[i]}/cgroup.procs"
		exec curl -sSk --fail --http1.1 -o /dev/null "https://127.0.0.1/$([[ $i == 1 ]] && echo app || echo web)"
	) || fail "curl in ${cgroups[i]}"
done
stop_capture cgroup
lossless cgroup
same '--cgroup: those below it, and no other' 2 "$(complete_conversations "$W/cgroup.pcapng")"
start_capture comm --comm=curl --netns=/proc/self/ns/net
work
stop_capture comm
same '--comm and --netns' 3 "$(complete_conversations "$W/comm.pcapng")"
same '--comm: the clients only' client \
	"$(fields "$W/comm.pcapng" frame.comment | grep -o 'role=[a-z]*' | cut -d= -f2 | sort -u)"
start_capture nobody --comm=curl-of-nobody --netns=/proc/self/ns/net
work
stop_capture nobody
same '--comm of nobody' 0 "$(complete_conversations "$W/nobody.pcapng")"
kill "${processes[@]: -2}" 2>/dev/null
finish
