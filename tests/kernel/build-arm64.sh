#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# build-arm64.sh FOLDER: the programs and the kernel's programs are built for arm64, on this
# machine, and the unit tests of what reads files and bytes run in an emulator of its processor.
set -u -o pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/../env/roots"
build=$1
failures=0

check() # NAME COMMAND...
{
	local name=$1 said

	shift
	if said=$("$@" 2>&1); then
		printf 'ok    %s\n' "$name"
	else
		printf 'FAIL  %s\n' "$name"
		tail -n 25 <<<"$said" | sed 's/^/      | /'
		failures=$((failures + 1))
	fi
}

for program in clang ld.lld cmake ninja; do
	command -v $program >/dev/null && continue
	printf 'SKIP: %s is not installed; tools/setup --tests installs it\n' $program
	exit 77
done
if ! root_ready build-arm64; then
	((EUID == 0)) && "$here/../env/prepare" build-arm64
	root_ready build-arm64 || { printf 'SKIP: %s\n' "$(root_reason build-arm64)"; exit 77; }
fi
TLSPCAP_SYSROOT=$(root_path build-arm64)
export TLSPCAP_SYSROOT
check 'cmake' cmake -G Ninja -S "$here/../.." -B "$build" \
	-DCMAKE_TOOLCHAIN_FILE="$here/arm64.cmake"
check 'the build, without a warning' ninja -C "$build"
machine_of() # FILE: as ELF says it, 183 for arm64
{
	od -An -tu2 -j18 -N2 "$1" | tr -d ' '
}
check 'tlspcap is for arm64' test "$(machine_of "$build/tlspcap")" = 183
for object in tlspcap tlspcap_legacy; do
	check "$object.bpf.o is for the kernel" test "$(machine_of "$build/$object.bpf.o")" = 247
done
if command -v qemu-aarch64 >/dev/null; then
	check 'tlspcap runs' qemu-aarch64 -L "$TLSPCAP_SYSROOT" "$build/tlspcap" --version
	for test in frame pcapng record view locate locate_code locate_elf writer; do
		check "unit_$test" qemu-aarch64 -L "$TLSPCAP_SYSROOT" "$build/tests/unit_$test"
	done
else
	printf 'SKIP: qemu-aarch64 is not installed; tools/setup --tests installs it\n'
fi
((failures == 0))
