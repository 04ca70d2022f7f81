#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# 30 namespaces, one of which floods: each has files of its own, the quiet ones keep all of
# theirs within a disk that is shared, and a namespace that ends has its file closed.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
. "$E2E/tokens"
need curl nginx
quiet=29
disk=8 # million bytes

start_nginx nginx 443
for ((i = 0; i <= quiet; i++)); do
	start_container "box$i" / shared
done
make_body "$W/served/large" 8000000
printf 'a quiet word\n' >"$W/served/word"
fetch() # CONTAINER PATH
{
	in_container "$1" curl -sS --fail -k --http1.1 -o /dev/null \
		"https://127.0.0.1/$2" || fail "curl in $1"
}

mkdir "$W/sets"
scope=()
for ((i = 0; i <= quiet; i++)); do
	scope+=("--mntns=${container_mntns[box$i]}")
done
start_capture split -w "$W/sets/%{mntns}.pcapng" "${scope[@]}" "--max-disk=$disk" \
	-b "printname:$W/closed"
for round in 1 2 3; do
	fetch box0 large &
	flood=$!
	for ((i = 1; i <= quiet; i++)); do
		fetch "box$i" "word?$round"
	done
	wait "$flood"
done

# One of them ends: its file is complete while the others go on.
end_container box1
ended=${container_mntns[box1]}
check 'the file of a namespace that ended is closed' timeout "$TIMEOUT" \
	grep -qm1 "/${ended}_00001_" <(tail -n +1 -F "$W/closed" 2>&1)
stop_capture split

used=$(du -cb "$W"/sets/* | tail -n 1 | cut -f1)
((used <= disk * 1000000)) && pass "on disk: $used bytes" || fail "on disk: $used bytes"
check 'the flood lost files' grep -q 'files that were deleted' "$W/split.said"
lossless split
wrong=
for ((i = 1; i <= quiet; i++)); do
	mntns=${container_mntns[box$i]}
	files=("$W/sets/${mntns}_00001_"*.pcapng)
	[[ -e ${files[0]} ]] || { wrong+=" $mntns has lost its first file"; continue; }
	cat "$W/sets/${mntns}_"* >"$W/one.pcapng"
	got=$(fields "$W/one.pcapng" http.request.uri | sort -u | tr '\n' ' ')
	[[ $got == '/word?1 /word?2 /word?3 ' ]] || wrong+=" $mntns: $got"
	got=$(fields "$W/one.pcapng" frame.interface_name | sort -u)
	[[ $got == "mntns:$mntns "* ]] || wrong+=" $mntns: $got"
done
same 'the quiet ones have everything' '' "$wrong"
files=("$W/sets/${container_mntns[box0]}_"*)
[[ ${files[0]} == *_00001_* ]] && fail 'the flood has its first file' || pass "the flood: ${#files[@]} files"
files=("$W"/sets/*)
sound_set 'all'
wrong=
for file in "${files[@]}"; do
	mntns=${file##*/}
	got=$(grep -aoh 'mntns=[0-9]*;' "$file" | sort -u)
	[[ ! $got || $got == "mntns=${mntns%%_*};" ]] || wrong+=" $file: $got"
done
same 'nobody in a file of another' '' "$wrong"

# A container's name in that of the file, and one file for each without a rule.
start_capture named -w "$W/named-%{container}.pcapng" "--mntns=${container_mntns[box2]}" \
	"--mntns=${container_mntns[box3]}"
fetch box2 word
fetch box3 word
stop_capture named
files=("$W"/named-*)
same 'one file for each' 2 "${#files[@]}"
sound_set 'one file for each'
printf '      %s\n' "${files[@]##*/}"

# Namespaces that end leave nothing open.
scope=()
for ((i = 4; i < 20; i++)); do
	scope+=("--mntns=${container_mntns[box$i]}")
done
start_capture ends -w "$W/ends.pcapng" --split=mntns "${scope[@]}" -b "printname:$W/ended"
descriptors() { ls "/proc/${capture_pid[ends]}/fd" | wc -l; }
before=$(descriptors)
for ((i = 4; i < 20; i++)); do
	fetch "box$i" word
done
caught_up ends
open=$(descriptors)
for ((i = 4; i < 20; i++)); do
	end_container "box$i"
done
check 'their files are closed' timeout "$TIMEOUT" \
	bash -c 'until [[ $(wc -l <"$0") == 16 ]]; do sleep 0.05; done' "$W/ended"
after=$(descriptors)
((open >= before + 16 && after <= before)) && pass "descriptors: $before, $open, $after" ||
	fail "descriptors: $before, with 16 namespaces $open, without them $after"
stop_capture ends
lossless ends
set_of ends
same 'one file for each' 16 "${#files[@]}"
sound_set 'ends'
finish
