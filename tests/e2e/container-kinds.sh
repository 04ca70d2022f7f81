#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Kinds of containers: a namespace in a namespace, processes that enter one, a chroot without
# one, a shared one, one with a user namespace, a read-only root, musl's layout, a root on tmpfs.
. "$(dirname "$0")/lib.sh"
need curl nginx unshare nsenter

start_nginx nginx 443
for name in nested entered outside chroot shared user read-only musl tmpfs; do
	printf 'token-of-%s\n' $name >"$W/served/$name"
done
start_container outer
fetch='curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1'

# A root on tmpfs with musl's folders: no ld.so.cache, no multi-arch folder, the library in
# /usr/lib, its folder named by /etc/ld-musl-x86_64.path.
mkdir "$W/small" && mount -t tmpfs tmpfs "$W/small"
mkdir -p "$W/small"/{etc,usr/lib,opt/ssl,dev,proc,bin,lib64,"$(dirname "$(readlink -f "$(command -v curl)")")"}
libraries=$(ldd "$(command -v curl)" | grep -o '/[^ )]*')
cp -L $libraries "$W/small/usr/lib/"
mv "$W"/small/usr/lib/libssl.so.* "$W/small/opt/ssl/"
cp -L "$(ldd "$(command -v curl)" | grep -o '/lib64/[^ )]*')" "$W/small/lib64/"
cp -L "$(command -v curl)" "$W/small/bin/"
printf '/opt/ssl:/usr/lib\n' >"$W/small/etc/ld-musl-x86_64.path"
mount --bind /dev "$W/small/dev"
small="/bin/curl -sSk --fail --http1.1 -o /dev/null https://127.0.0.1"

captured() # NAME...: what the file has, and nothing else
{
	same "$case: $*" "$(for name; do cat "$W/served/$name"; done | sort)" "$(
		export_objects host "$W/$case.pcapng" "$W/objects" &&
			cat $(find "$W/objects" -type f) </dev/null | sort
		rm -rf "$W/objects"
	)"
}

# Who enters the namespace is in it; a namespace inside of it is another one.
case=one
start_capture one "--mntns=${container_mntns[outer]}"
in_container outer $fetch/entered || fail 'entered'
in_container outer unshare --mount $fetch/nested || fail 'nested'
$fetch/outside || fail 'outside'
stop_capture one
lossless one
captured entered

# Everything in this network namespace. The libraries are named: that they are noticed in time when
# nobody has used them before is what --hold is for, and its own test.
case=all
library=$(printf '%s\n' $libraries | grep libssl)
start_capture all --comm=curl --netns=/proc/self/ns/net "--lib=$library" \
	"--lib=/proc/${container_pid[outer]}/root$(readlink -f "$library")" \
	--lib="$(echo "$W"/small/opt/ssl/libssl.so.*)"
in_container outer unshare --mount --propagation private $fetch/nested || fail 'nested'
LD_LIBRARY_PATH=/usr/lib:/opt/ssl chroot "$W/small" $small/chroot || fail 'chroot'
LD_LIBRARY_PATH=/usr/lib:/opt/ssl unshare --mount --root="$W/small" $small/tmpfs || fail 'tmpfs'
unshare --mount --propagation private bash -c "mount -o remount,bind,ro '$W/small' 2>/dev/null ||
	mount --bind -o ro '$W/small' '$W/small'; LD_LIBRARY_PATH=/usr/lib:/opt/ssl exec chroot '$W/small' $small/read-only" || fail 'read-only'
unshare --user --map-root-user --mount $fetch/user || fail 'user'
in_container outer $fetch/shared & first=$!
in_container outer $fetch/shared || fail 'shared'
wait "$first" || fail 'shared'
stop_capture all
umount "$W/small/dev" "$W/small"
lossless all
captured nested chroot tmpfs read-only user shared shared
finish
