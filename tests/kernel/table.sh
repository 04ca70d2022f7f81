#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# tests/kernel/table: what is in the document stays there until it is run again.
set -u
here=$(dirname "$(readlink -f "$0")")
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
export TLSPCAP_CACHE=$folder/cache
before=$folder/before after=$folder/after failed=0

check() # WHAT COMMAND...
{
	local what=$1

	shift
	"$@" && return
	printf 'FAIL %s\n' "$what"
	failed=1
}

# A row of the table in FILE; in it, the cell of the first kernel.
row() # FILE TIER TEST
{
	grep -F "| $2 | $3 |" "$1"
}

cell() # FILE TIER TEST
{
	row "$@" | cut -d'|' -f4
}

ran() # KERNEL TIER TEST STATUS SECONDS REASON
{
	mkdir -p "$TLSPCAP_CACHE/kernel-results/$1"
	printf 'key\t%s\t%s\tc0ffee5\t%s\n' "$4" "$5" "$6" \
		>"$TLSPCAP_CACHE/kernel-results/$1/$2.$3"
}

cp "$here/../../docs/kernels.md" "$before"
cp "$before" "$after"
check 'there is a table' grep -q '^| auto | first |' "$before"
"$here/table" "$after" || exit 1
check 'nothing was run: the document is as before' cmp "$before" "$after"

# The first kernel's first cell, another of it with a reason, and a tier that it has after all.
ran bullseye auto first 0 98.7 ''
ran bullseye auto streams 77 - 'a reason | of its own'
ran bullseye tracepoint first 0 21 ''
"$here/table" "$after" || exit 1
check 'a cell was run again' [ "$(cell "$after" auto first)" = ' passed 99 s ' ]
check 'a cell was skipped' grep -qE '^ skipped \[[0-9]+\] $' <<<"$(cell "$after" auto streams)"
check 'its reason is there' grep -qxE '[0-9]+\. a reason \\\| of its own' "$after"
check 'where it came from is there' grep -qE '^\| bullseye .*c0ffee5: auto first, auto streams, tracepoint first' "$after"
check 'a tier that is there' [ "$(cell "$after" tracepoint first)" = ' passed 21 s ' ]
check 'what was not run in it' [ "$(cell "$after" tracepoint streams)" = '  ' ]
check 'other kernels are as before' diff <(row "$before" auto first | cut -d'|' -f5-) \
	<(row "$after" auto first | cut -d'|' -f5-)
check 'other text is as before' diff <(grep '^#' "$before") <(grep '^#' "$after")

cp "$after" "$before"
rm -rf "$TLSPCAP_CACHE"
"$here/table" "$after" || exit 1
check 'on another machine it stays' cmp "$before" "$after"

printf 'no table\n' >"$folder/other"
check 'a document without a place for it' [ "$("$here/table" "$folder/other" 2>&1)" = \
	"$folder/other: no two lines that begin with <!-- table" ]
exit $failed
