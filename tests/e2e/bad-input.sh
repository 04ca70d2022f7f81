#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# What cannot work is refused at once: one clear line that begins with "tlspcap: ", the right
# exit status (2 usage, 1 failed), and no file left behind.
. "$(dirname "$0")/lib.sh"

out=$W/out.pcapng

# refuses NAME STATUS TEXT ARGUMENT...: TEXT is a pattern for grep -E.
refuses()
{
	local name=$1 expected=$2 text=$3 status lines

	shift 3
	timeout -s KILL "$TIMEOUT" "${as[@]}" "$TLSPCAP" "$@" >"$W/stdout" 2>"$W/said" </dev/null
	status=$?
	same "$name: exit status" "$expected" "$status"
	lines=$(wc -l <"$W/said")
	((lines >= 1 && lines <= 2)) && pass "$name: $lines line" ||
		fail "$name: $lines lines instead of one"
	check "$name: says what and what to do" grep -qE "^(.*/)?tlspcap: .*($text)" "$W/said"
	sed 's/^/      | /' "$W/said"
	same "$name: nothing on stdout" '' "$(cat "$W/stdout")"
	[[ -e $out ]] && fail "$name: left a file behind" || pass "$name: no file left"
	rm -f "$out"
}

as=(env)
refuses 'no -w' 2 '-w' --mntns=/proc/self/ns/mnt
refuses 'unknown option' 2 'nonsense' --nonsense -w "$out"
refuses '-w without a value' 2 'w' -w
refuses 'mntns is no number' 2 'mntns' -w "$out" --mntns=abc
refuses 'mntns 0' 2 'mntns' -w "$out" --mntns=0
refuses 'mntns that is not there' 1 'mntns=4026000000' -w "$out" --mntns=4026000000
refuses 'mntns is another file' 1 'mntns' -w "$out" --mntns=/etc/passwd
refuses 'mntns is another namespace' 1 'mntns' -w "$out" --mntns=/proc/self/ns/net
refuses 'pid is no number' 2 'pid' -w "$out" --pid=1x
refuses 'unknown user' 2 'uid' -w "$out" --uid=no-such-user
refuses 'unknown view' 2 'view' -w "$out" --view=pretty
refuses 'filter does not compile' 1 'filter|syntax' -w "$out" 'tcp porrt 443'
refuses 'limit is no number' 2 'duration' -w "$out" -a duration:x
refuses 'buffer too small' 2 '-B' -w "$out" -B 1K
refuses 'lib is not there' 1 'no-such-lib' -w "$out" --lib=/no-such-lib.so
refuses 'lib without TLS functions' 1 'libz' -w "$out" \
	--lib="$(ldconfig -p | awk '$1 == "libz.so.1" { print $NF; exit }')"
refuses 'lib is not an ELF file' 1 'passwd' -w "$out" --lib=/etc/passwd
refuses 'lib is a folder' 1 '/etc' -w "$out" --lib=/etc
refuses 'no such folder' 1 'no-such-folder' -w /no-such-folder/out.pcapng
refuses 'output is a folder' 1 '/tmp' -w /tmp
refuses 'keylog cannot be written' 1 'no-such-folder' -w "$out" --keylog=/no-such-folder/keys
refuses 'record cannot be written' 1 'no-such-folder' -w "$out" --record=/no-such-folder/record

# Files that are not ours to overwrite.
echo 'precious' >"$W/precious"
ln -s "$W/precious" "$W/link"
refuses 'output is a symbolic link' 1 'link' -w "$W/link"
ln "$W/precious" "$W/hard"
refuses 'output has a second name' 1 'hard' -w "$W/hard"
cp "$W/precious" "$W/foreign" && chown nobody "$W/foreign"
refuses "output is somebody else's" 1 'foreign' -w "$W/foreign"
same 'the files are as they were' 'precious precious' "$(cat "$W/precious" "$W/foreign" | xargs)"

# Binary data on a terminal.
check 'stdout is a terminal' bash -c '
	script -qec "$TLSPCAP -w -" /dev/null </dev/null | grep -aq "tlspcap: .*terminal"'

# No privilege. The copy is one that nobody may run.
install -m 755 "$TLSPCAP" "$W/tlspcap"
chmod 777 "$W"
TLSPCAP=$W/tlspcap
as=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
refuses 'no privilege' 1 'root|privilege|CAP_' -w "$out"
as=(setpriv --bounding-set=-bpf,-sys_admin,-perfmon --inh-caps=-bpf,-sys_admin,-perfmon --)
refuses 'root without capabilities' 1 'root|privilege|CAP_' -w "$out"
finish
