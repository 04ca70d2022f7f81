#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# TLS records that pass the socket hooks by: io_uring, sendfile, splice. They are marked as gaps,
# and the process's calls are probed: what follows is shown from these.
. "$(dirname "$0")/lib.sh"
need nginx
need_multi

[[ -x $BUILD/e2e/e2e_bypass ]] || skip "$BUILD/e2e/e2e_bypass is not built"
program=$(own_program e2e_bypass)
start_nginx nginx 443
for name in first second third fourth; do
	make_body "$W/served/$name" 30000
done

says() # FILE TEXT
{
	timeout "$TIMEOUT" grep -qm1 "$2" <(tail -n +1 -F "$1" 2>&1)
}

each_way() # HOW
{
	local how=$1 folder=$W/got-$1 name to_client said=$W/$1.said

	mkdir "$folder"
	start_container "$how"
	mkfifo "$W/to-$how"
	exec {to_client}<>"$W/to-$how"
	start_capture "$how" -v "--mntns=${container_mntns[$how]}"
	in_container "$how" "$program" 443 "$folder" <"$W/to-$how" >"$W/$how.out" 2>"$W/$how.err" &
	processes+=($!)
	printf 'read first\n' >&$to_client
	check "$how: by read and write" says "$W/$how.out" 'done first'
	printf '%s second\n' "$how" >&$to_client
	check "$how: past the hooks" says "$W/$how.out" 'done second'
	check "$how: the process is probed" says "$said" "whose records cannot be read: plaintext"
	for name in third fourth; do
		printf '%s %s\n' "$how" "$name" >&$to_client
		check "$how: $name" says "$W/$how.out" "done $name"
	done
	stop_capture "$how"
	exec {to_client}>&-
	check "$how: it is marked" contains "$W/$how.pcapng" reason=bypass
	check "$how: it is counted" grep -q 'pass no memory to read' "$said"
	for name in first third fourth; do
		# What was received by splice is noticed at the next send.
		[[ $how == splice && $name == third ]] || exported "$how" "$name"
	done
	sound "$how" "$W/$how.pcapng"
}

# The body NAME is in what every tshark exports.
exported() # HOW NAME
{
	local suite

	for suite in "${tsharks[@]}"; do
		[[ -d $W/$1.$suite ]] || export_objects "$suite" "$W/$1.pcapng" "$W/$1.$suite"
		check "$1: $2 in tshark of $suite" grep -qx "$(hashes "$W/served/$2")" \
			<(hashes "$W/$1.$suite"/*)
	done
}

# Several processes do it before tlspcap looks: each of them is probed.
several_at_once()
{
	local folder=$W/got-several n to_client=() fd

	start_container several
	start_capture several -v "--mntns=${container_mntns[several]}"
	for n in 1 2 3; do
		mkdir -p "$folder/$n"
		mkfifo "$W/to-several-$n"
		exec {fd}<>"$W/to-several-$n"
		to_client+=("$fd")
		in_container several "$program" 443 "$folder/$n" <"$W/to-several-$n" \
			>"$W/several-$n.out" 2>"$W/several-$n.err" &
		processes+=($!)
		printf 'read first\n' >&$fd
		check "several: by read and write, $n" says "$W/several-$n.out" 'done first'
	done
	kill -STOP "${capture_pid[several]}"
	for n in 1 2 3; do
		printf 'sendfile second\n' >&${to_client[n - 1]}
		check "several: past the hooks, $n" says "$W/several-$n.out" 'done second'
	done
	kill -CONT "${capture_pid[several]}"
	for n in 1 2 3; do
		check "several: probed are $n" timeout "$TIMEOUT" \
			grep -cm "$n" 'whose records cannot be read: plaintext' \
			<(tail -n +1 -F "$W/several.said" 2>/dev/null)
	done
	for fd in "${to_client[@]}"; do
		exec {fd}>&-
	done
	stop_capture several
	same 'several: each once' 3 \
		"$(grep 'whose records cannot be read: plaintext' "$W/several.said" | sort -u | wc -l)"
}

for how in io_uring sendfile splice; do
	each_way "$how"
done
several_at_once
finish
