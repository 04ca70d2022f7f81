#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Libraries and a program for AArch64: the search finds in them what it finds in their twins for
# this machine; a capture refuses them, and 32-bit code, and says why.
. "$(dirname "$0")/lib.sh"
. "$ENVIRONMENT/npm"

root_ready arm64 || "$ENVIRONMENT/prepare" arm64 >"$W/prepare.out" 2>&1
root_ready arm64 || skip "$(root_reason arm64)"
root_ready sid || skip "$(root_reason sid)"

# found FILE: family, version, methods, places, and which functions by which kind of probe.
found()
{
	"$BUILD/tools/tlspcap-locate" "$1" | sed -E '
		1s/.*: //
		s/ at 0x[0-9a-f]+//
		s/^  0x[0-9a-f]+/ /'
}

for library in libssl.so.3 android/libssl.so.0; do
	twin=$(found "$(root_path sid)/usr/lib/x86_64-linux-gnu/$library")
	[[ $twin == *'secrets: yes'* ]] || fail "no secrets in this machine's $library"
	same "$library" "$twin" "$(found "$(root_path arm64)/usr/lib/aarch64-linux-gnu/$library")"
done

if bun=$(npm_file @oven/bun-linux-aarch64 bin/bun 2>"$W/npm.err") &&
	twin=$(npm_file @oven/bun-linux-x64 bin/bun 2>"$W/npm.err"); then
	same Bun "$(found "$twin")" "$(found "$bun")"
else
	printf 'SKIP: no Bun for both machines: %s\n' "$(tail -n1 "$W/npm.err")"
fi

refused() # NAME FILE
{
	"$TLSPCAP" --list "--pid=$$" "--lib=$2" >"$W/list" 2>&1 && fail "$1 is taken"
	check "$1 is refused" grep 'its code is 32-bit or for another machine' "$W/list"
}

refused 'a library for another machine' \
	"$(root_path arm64)/usr/lib/aarch64-linux-gnu/libssl.so.3"
{
	printf '\177ELF\1\1\1'
	head -c 4096 /dev/zero
	printf 'CLIENT_RANDOM\0'
} >"$W/libssl.so.3"
refused 'a 32-bit library' "$W/libssl.so.3"
finish
