#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The tests of containers at full size: 1000 curls, 300 new mount namespaces with new
# libraries, 100 restarts, 50 and 50 containers.
here=$(dirname "$(readlink -f "$0")")/..
status=0

run() # RUNS NAME
{
	printf '%s, %d\n' "$2" "$1"
	E2E_RUNS=$1 bash "$here/$2.sh" || { (($? == 77)) || status=1; }
}

run 1000 short-lived
run 300 hold
run 100 container-restarts
run 50 many-containers
exit "$status"
