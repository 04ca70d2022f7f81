#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A runtime in a container (Docker in Docker): what it starts belongs to the outer container, which
# is named; also when the inner one has an id that another container has. And a container of a user
# without rights, in a user namespace.
. "$(dirname "$0")/lib.sh"
. "$E2E/bundle"
need curl nginx runc crun jq capsh setpriv xxd

start_nginx nginx 443
for name in outer inner other; do
	printf 'token-of-%s-%s\n' $name "$RANDOM" >"$W/served/$name"
done
fetch='curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1'
hex=$(head -c 32 /dev/urandom | xxd -p -c 64)
for name in outer inner other; do
	make_bundle $name
done
write_config inner $fetch/inner
write_config other $fetch/other

# What it takes to run containers in it: all rights, a /run and control groups of its own.
capabilities=$(capsh --print | sed -n 's/^Bounding set =//p' | tr a-z A-Z | jq -Rc 'split(",")')
make_outer() # COMMAND...
{
	write_config outer "$@"
	jq --argjson capabilities "$capabilities" '.process.noNewPrivileges = false |
		.process.capabilities |= map_values($capabilities) | del(.process.rlimits) |
		.mounts += [{destination: "/sys", type: "bind", source: "/sys", options: ["rbind"]},
			{destination: "/run", type: "tmpfs", source: "tmpfs"}]' \
		<"$W/outer/config.json" >"$W/outer/config.new" &&
		mv "$W/outer/config.new" "$W/outer/config.json"
}

# In the outer container: its own program, and one of an inner container of this runtime and id.
cat >"$W/nest" <<END
W=$W
skip() { echo "SKIP: \$*"; exit 77; }
need() { :; }
. "$E2E/bundle"
$fetch/outer || exit 1
run_container inner "\$2" "\$1"
END

captured() # CAPTURE NAME...: what the file has, and nothing else
{
	local case=$1

	shift
	same "$case: $*" "$(for name; do cat "$W/served/$name"; done | sort)" "$(
		export_objects host "$W/$case.pcapng" "$W/objects" &&
			cat $(find "$W/objects" -type f) </dev/null | sort
		rm -rf "$W/objects"
	)"
}

# nested NAME OUTER-ID RUNTIME INNER-ID SCOPE: both are the outer one's.
nested()
{
	make_outer bash "$W/nest" "$3" "$4"
	start_capture "$1" -v --hold "--container=$5"
	check "$1: they run" run_container outer "$2"
	run_container other "other-$2" || fail 'the other container failed'
	stop_capture "$1"
	lossless "$1"
	captured "$1" outer inner
	contains "$W/$1.pcapng" 'secrets=missing;' && fail "$1: secrets are missing"
	same "$1: named after the outer one" "$2" "$(grep -ao ';container=[^;]*' "$W/$1.pcapng" |
		cut -d= -f2 | sort -u)"
}
nested crun "$hex" crun "inner-$$" "${hex:0:12}"
nested runc "$hex" runc "${hex:32}${hex:0:32}" "$hex"
nested named "tlspcap-outer-$$" runc "inner-$$" "tlspcap-outer-$$"
# An inner one that takes the id of another container does not get into its scope.
make_outer bash "$W/nest" runc "$hex"
start_capture liar --hold "--container=$hex"
check 'liar: they run' run_container outer "liar-$$"
run_container other "$hex" || fail 'the other container failed'
stop_capture liar
captured liar other

# A user's container: nobody but that user made its namespaces, and there it is root.
user=54321
make_bundle rootless
write_config rootless $fetch/inner
jq --argjson user $user '.linux.namespaces += [{type: "user"}] |
	.linux.uidMappings = [{containerID: 0, hostID: $user, size: 1}] |
	.linux.gidMappings = [{containerID: 0, hostID: $user, size: 1}] |
	del(.process.rlimits, .linux.resources)' <"$W/rootless/config.json" >"$W/rootless/config.new" &&
	mv "$W/rootless/config.new" "$W/rootless/config.json"
install -d -o $user -g $user "$W/users"
start_capture rootless --hold --uid=$user
check 'rootless: it runs' in_unified setpriv --reuid=$user --regid=$user --clear-groups --no-new-privs \
	env XDG_RUNTIME_DIR="$W/users" HOME="$W/users" crun --cgroup-manager=disabled --root="$W/users" \
	run --bundle "$W/rootless" users
run_container other "other-$$" || fail 'the other container failed'
stop_capture rootless
lossless rootless
captured rootless inner
bundle_end outer inner other rootless
finish
