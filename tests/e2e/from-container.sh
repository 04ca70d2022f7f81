#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tlspcap in a container of its own, as samples/docker and samples/kubernetes run it: privileged,
# with the host's process ids, with its tracing files, and with what the runtime knows of its
# containers. It captures another container by its name; SIGTERM completes the file.
. "$(dirname "$0")/lib.sh"
. "$E2E/bundle"
need curl nginx runc jq capsh objdump

samples=$E2E/../../samples
name=tlspcap-web-$$
start_nginx nginx 443
make_body "$W/served/body" 30000
printf 'token-of-other\n' >"$W/served/other"
make_bundle web
make_bundle other
make_bundle tool shared
write_config web curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/body
write_config other curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1/other
mkdir -p /run/runc "$W/captures"

# What `privileged` and `hostPID` mean for the runtime; mounts as in the samples.
capabilities=$(capsh --print | sed -n 's/^Bounding set =//p' | tr a-z A-Z | jq -Rc 'split(",")')
cat >"$W/tlspcap" <<END
#!/bin/bash
jq --argjson arguments "\$(printf '%s\n' $TLSPCAP "\$@" | jq -Rsc 'split("\n")[:-1]')" \
	--argjson capabilities '$capabilities' --arg w "$W" --arg build "$BUILD" '
	.process.terminal = false | .process.args = \$arguments | .root.readonly = true |
	.process.noNewPrivileges = false |
	.process.capabilities |= map_values(\$capabilities) |
	del(.hostname, .process.rlimits, .linux.maskedPaths, .linux.readonlyPaths) |
	.linux.namespaces = [{type: "mount"}] |
	.mounts = [{destination: "/proc", type: "bind", source: "/proc", options: ["rbind"]},
		{destination: "/dev", type: "bind", source: "/dev", options: ["rbind"]},
		{destination: "/sys", type: "bind", source: "/sys", options: ["rbind"]},
		{destination: "/run/runc", type: "bind", source: "/run/runc", options: ["rbind", "ro"]},
		{destination: \$build, type: "bind", source: \$build, options: ["rbind", "ro"]},
		{destination: \$w, type: "bind", source: \$w, options: ["rbind"]}]' \
	<"$W/spec.json" >"$W/tool/config.json" || exit 1
exec runc run --bundle "$W/tool" "tlspcap-tool-$$"
END
chmod 755 "$W/tlspcap"
cp "$W/tool/config.json" "$W/spec.json"
mkdir -p "$W/tool/rootfs$BUILD"
TLSPCAP=$W/tlspcap

start_capture case --hold "--container=$name" -w "$W/captures/case.pcapng"
run_container web "$name" || fail 'the container failed'
run_container other "other-$name" || fail 'the other container failed'
run_container web "$name" || fail 'the container failed the second time'
kill -TERM "${capture_pid[case]}"
end_capture case
same 'SIGTERM: exit status' 0 "$capture_status"
lossless case
shows_bodies 'from a container' "$W/captures/case.pcapng" "$(hashes "$W"/served/body{,})"
contains "$W/captures/case.pcapng" token-of-other && fail 'the other container is in the file' ||
	pass 'nothing of the other container'
same 'its interface has its name' "curl $name" "$(tshark_of host -r "$W/captures/case.pcapng" \
	-T fields -e frame.interface_name | sed 's/^mntns:[0-9]* //' | sort -u)"
bundle_end web other tool

# --- the samples themselves ------------------------------------------------------------------

# What the program is linked with is in the image.
if [[ $(. /etc/os-release && echo "$ID$VERSION_ID") == debian12 ]]; then
	needed=$(objdump -p "$BUILD/tlspcap" | awk '/NEEDED/ { print $2 }' | while read -r library; do
		ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }'
	done | xargs readlink -f | xargs dpkg -S 2>"$W/dpkg" | cut -d: -f1 | sort -u |
		grep -v '^libc6$\|^libgcc')
	check 'what it is linked with is known' test -n "$needed"
	while IFS= read -r package; do
		check "the image has $package" grep -qw -- "$package" "$samples/docker/Dockerfile"
	done <<<"$needed"
fi
"$PYTHON" - "$samples" <<'PY' || fail 'the YAML of the samples'
import sys
import yaml

compose = yaml.safe_load(open(sys.argv[1] + "/docker/compose.yaml"))["services"]["tlspcap"]
assert compose["pid"] == "host" and compose["privileged"], compose
_, daemonset = yaml.safe_load_all(open(sys.argv[1] + "/kubernetes/daemonset.yaml"))
pod = daemonset["spec"]["template"]["spec"]
container, = pod["containers"]
assert pod["hostPID"] and container["securityContext"]["privileged"]
mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
assert set(mounts) == {volume["name"] for volume in pod["volumes"]}, mounts
assert mounts["tracing"] == "/sys/kernel/tracing"
PY
finish
