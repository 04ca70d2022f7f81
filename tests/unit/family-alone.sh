#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A family is its own files and one row of src/locate/families.def: without them nothing of the
# program names it, and the rest builds.
#
#	tests/unit/family-alone.sh FAMILY
set -u
family=$1
top=$(dirname "$(readlink -f "$0")")/../..
W=$(mktemp -d) || exit 1
trap 'rm -rf --one-file-system "$W"' EXIT

# What would name it; not the kernel's nsproxy, libcrypto's <openssl/…>, or the word "go".
names="\\b$family"
case $family in
nspr) names='\bnspr([^o]|$)' ;;
openssl) names='\bopenssl(_(find|is|locate|internal)|\.h|\.bpf)' ;;
go) names='\bgo_[a-z]|\bgo\.h|goroutine|pclntab' ;;
esac

mkdir "$W/tests" && cp -R "$top"/{CMakeLists.txt,bpf,include,src,tools} "$W" || exit 1
rm "$W/src/locate/$family".c "$W/bpf/$family".bpf.h "$W/bpf/$family".h || exit 1
rm -f "$W/src/locate/$family"_* "$W/bpf/$family"*
sed -i "/^FAMILY($family,/{:row;/)\$/d;N;b row}" "$W/src/locate/families.def"
if grep -rniE "$names" "$W"/{CMakeLists.txt,bpf,include,src}; then
	echo "FAIL  $family is named outside of its own files"
	exit 1
fi
echo "ok    nothing names $family"
: >"$W/tests/CMakeLists.txt"
if ! { cmake -DCMAKE_BUILD_TYPE=Debug -S "$W" -B "$W/build" && nice cmake --build "$W/build" --target tlspcap -j 2; } \
	>"$W/log" 2>&1; then
	tail -n 20 "$W/log"
	echo "FAIL  it does not build without $family"
	exit 1
fi
echo "ok    it builds without $family"
