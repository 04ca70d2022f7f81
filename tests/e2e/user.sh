#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# -Z USER: the files are that user's, and what is run runs as that user; --fail-on-loss.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_nginx nginx 443
make_body "$W/served/body" 40000
tsharks=(host)
install -d -o nobody "$W/out"
curl="curl -sS --fail -k --max-time $TIMEOUT --http1.1 https://127.0.0.1/body"

run() # NAME STATUS ARGUMENT...
{
	local name=$1 expected=$2

	shift 2
	timeout "$TIMEOUT" "$TLSPCAP" "$@" >"$W/$name.stdout" 2>"$W/$name.said" </dev/null
	same "$name: exit status" "$expected" $?
}

# --- one file, and all that can be beside it -------------------------------------------------
run user 0 -Z nobody -w "$W/out/user.pcapng" --keylog="$W/out/keys" --record="$W/out/events" \
	-- bash -c "id -un; id -Gn; echo \$USER; grep CapPrm /proc/self/status; $curl -o $W/out/got"
same 'the command: who runs it' $'nobody\nnogroup\nnobody\nCapPrm:\t0000000000000000' \
	"$(cat "$W/user.stdout")"
shows_bodies 'the command' "$W/out/user.pcapng" "$(hashes "$W/served/body")"
lossless user
same 'whose the files are' "$(printf 'nobody 600 %s\n' events keys user.pcapng)" \
	"$(cd "$W/out" && stat -c '%U %a %n' events keys user.pcapng)"
# Again, over that user's own file, by number; -w - has no file.
run again 0 -Z "$(id -u nobody)" -w "$W/out/user.pcapng" -- $curl -o "$W/out/got"
shows_bodies 'over its own file' "$W/out/user.pcapng" "$(hashes "$W/served/body")"

# --- files that follow one another, and -z --------------------------------------------------
run set 0 -Z nobody -w "$W/out/set.pcapng" -b packets:20 -z 'stat -c %U' -- \
	bash -c "for i in 1 2 3 4; do $curl -o $W/out/got; done"
n=$(find "$W/out" -name 'set_*' | wc -l)
check 'more than one file' test "$n" -gt 1
same 'whose they are' "$n" "$(find "$W/out" -name 'set_*' -user nobody -perm 600 | wc -l)"
same '-z saw each' "$n" "$(grep -c '^nobody$' "$W/set.stdout")"

# --- what cannot be --------------------------------------------------------------------------
run folder 1 -Z nobody -w "$W/user.pcapng" -- true
check 'folder: it says whose rights' grep -q 'nobody' "$W/folder.said"
check 'folder: no file' test ! -e "$W/user.pcapng"
run nobody 2 -Z no-such-user -w "$W/out/x.pcapng" -- true
check 'no such user: it is named' grep -q no-such-user "$W/nobody.said"

# --- --fail-on-loss --------------------------------------------------------------------------
run nothing-lost 0 --fail-on-loss -w "$W/whole.pcapng" -- $curl -o "$W/got"
make_body "$W/served/large" 20000000
lossy() # NAME STATUS COMMAND OPTION...
{
	local name=$1 expected=$2 command=$3

	shift 3
	run "$name" "$expected" -B 256K -w "$W/lossy.pcapng" "$@" -- bash -c "
		kill -STOP \$PPID
		${curl/body/large} -o $W/got
		kill -CONT \$PPID
		$command"
	check "$name: something was lost" grep -q LOST "$W/$name.said"
}
lossy lost-3 3 true --fail-on-loss
lossy lost-0 0 true
lossy lost-own 7 'exit 7' --fail-on-loss

# --- -s, as people are used to ---------------------------------------------------------------
run snap 0 -s 0 -w "$W/whole.pcapng" -- true
run cut 2 -s 96 -w "$W/whole.pcapng" -- true
check 'cut: it says what to do' grep -q -- '-s 0' "$W/cut.said"
finish
