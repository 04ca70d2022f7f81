#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Libraries and programs for AArch64: the search finds in them what it finds in their twins for
# this machine, and in Go's what its symbols say; a capture refuses them, and 32-bit code, and
# says why.
. "$(dirname "$0")/lib.sh"
. "$ENVIRONMENT/npm"
. "$E2E/go-talk"

root_ready arm64 || outside "$ENVIRONMENT/prepare" arm64 >"$W/prepare.out" 2>&1
root_ready arm64 || skip "$(root_reason arm64)"
root_ready sid || skip "$(root_reason sid)"

# found FILE: family, version, methods, places, and which functions by which kind of probe.
found()
{
	"$BUILD/tools/tlspcap-locate" "$1" | sed -E '
		1s/.*: //
		s/ at 0x[0-9a-f]+//g
		s/^  0x[0-9a-f]+/ /'
}

for library in libssl.so.3 android/libssl.so.0 libgnutls.so.30 libssl3.so libfreeblpriv3.so \
	libmbedtls.so.21 libmbedcrypto.so.16 libwolfssl.so.45; do
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

if workerd=$(npm_file @cloudflare/workerd-linux-arm64 bin/workerd 2>"$W/npm.err") &&
	twin=$(npm_file @cloudflare/workerd-linux-64 bin/workerd 2>"$W/npm.err"); then
	same 'rustls in workerd' "$(found "$twin")" "$(found "$workerd")"
else
	printf 'SKIP: no workerd for both machines: %s\n' "$(tail -n1 "$W/npm.err")"
fi

# Go's functions by the symbol table: name, place in the file, and those of its RET instructions,
# each of which is this very word.
cat >"$W/functions" <<'END'
import re, struct, subprocess, sys

path = sys.argv[1]
image = open(path, "rb").read()
said = subprocess.run(["readelf", "-lsW", path], stdout=subprocess.PIPE, text=True).stdout
segments = [[int(x, 16) for x in m] for m in re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", said)]
name = r"crypto/tls\.(?:\(\*Conn\)\.(?:Read|Write|Close)|\(\*Config\)\.writeKeyLog|keysFromMasterSecret)"
for address, size, symbol in sorted(re.findall(r": (\w+) +(\d+) FUNC .* (" + name + r")\n", said)):
    address, size = int(address, 16), int(size)
    start = next(o + address - a for o, a, n in segments if a <= address < a + n)
    print(symbol, f"0x{start:08x}", "enter")
    if symbol.endswith(("Read", "Write")):
        for at in range(start, start + size, 4):
            if struct.unpack_from("<I", image, at)[0] == 0xd65f03c0:
                print(symbol, f"0x{at:08x}", "leaves")
END
go_missing=
for version in ${E2E_GO_ARM64:-1.15 1.27}; do
	go_build "$version" arm64 || break
	same "Go $version" "$("$PYTHON" "$W/functions" "$go_program" | sort)" "$(
		"$BUILD/tools/tlspcap-locate" "$go_program" | awk '$1 ~ /^0x/ {
			print $3, $1, $4 }' | tr -d , | sort)"
	named=$(found "$go_program" | sed 1,3d)
	go_build "$version" arm64-stripped || break
	same "Go $version, stripped" "$named" "$(found "$go_program" | sed 1,3d)"
done
[[ $go_missing ]] && printf 'SKIP: %s\n' "$go_missing"

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
