#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The tests of Go with every release and every way to link: 10,000 requests with each, on stacks
# that move, and 100,000 with each release. The compilers work for minutes, the first time.
cd "$(dirname "$0")/.." || exit 1
status=0
programs='' moves='' short=''
for version in 1.15 1.19 1.24 1.27; do
	for link in normal stripped pie pie-stripped cgo; do
		programs+=" $version:$link"
		[[ $link == cgo ]] || short+=" $version:$link:auto $version:$link:probes"
	done
	for case in auto probes probes:wrapped; do
		moves+=" $version:cgo:$case"
	done
done
E2E_GO=$programs E2E_GO_SIDES='server client' bash ./go.sh || status=$?
E2E_GO=$programs bash ./go-older.sh || status=$?
E2E_GO_MOVES=$short bash ./go-moves.sh || status=$?
E2E_GO_MOVES=$moves E2E_GO_REQUESTS=4000 bash ./go-moves.sh || status=$?
exit $status
