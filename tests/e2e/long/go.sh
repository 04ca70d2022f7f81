#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The tests of Go with every release and every way to link; and 100,000 requests with each. The
# compilers work for minutes, the first time.
cd "$(dirname "$0")/.." || exit 1
status=0
programs='' moves=''
for version in 1.15 1.19 1.24 1.27; do
	for link in normal stripped pie pie-stripped cgo; do
		programs+=" $version:$link"
	done
	for case in auto probes probes:wrapped; do
		moves+=" $version:cgo:$case"
	done
done
E2E_GO=$programs E2E_GO_SIDES='server client' bash ./go.sh || status=$?
E2E_GO=$programs bash ./go-older.sh || status=$?
E2E_GO_MOVES=$moves E2E_GO_REQUESTS=4000 bash ./go-moves.sh || status=$?
exit $status
