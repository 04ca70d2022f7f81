#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A disk that goes wrong: EIO in the middle of a file, at its close and now and then; half
# writes and interrupted ones; a file system that becomes read-only, ours and ext4's own; one
# that is slow. What is there opens, the cause is told, the program does not notice.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
need curl nginx fusermount3 mkfs.ext4
. "$E2E/faulty-disk"

EIO=5 ENOSPC=28 EROFS=30 EINTR=4

start_nginx nginx 443
start_container client
scope=--mntns=${container_mntns[client]}
make_body "$W/served/large" 3000000
fetch()
{
	check 'the client does not notice' in_container client curl -sS --fail -k --http1.1 \
		-o /dev/null --max-time 20 https://127.0.0.1/large
}

# What was written opens; `cut` when it may end in half a block.
opens() # NAME [cut]
{
	mapfile -t files < <(find "$W/behind" -type f -size +0 | sort)
	at_least "$1" 1
	if [[ ${2:-} ]]; then
		for suite in "${tsharks[@]}"; do
			n=$(tshark_of "$suite" -r "${files[-1]}" -T fields -e frame.number | wc -l)
			((n > 3)) && pass "$1: tshark of $suite shows $n packets" ||
				fail "$1: tshark of $suite shows $n packets"
		done
	else
		sound_set "$1"
		for suite in "${tsharks[@]}"; do
			check "$1: tshark of $suite" tshark_of "$suite" -r "${files[-1]}" -w /dev/null
		done
	fi
	rm -f "$W"/behind/*
}

# ends NAME WORDS DISK OPTION...: the capture ends by itself, with status 1, and says so.
ends()
{
	local name=$1 words=$2 disk=$3

	shift 3
	disk_is
	[[ " $* " == *' -w '* ]] || set -- -w "$W/disk/wrong.pcapng" "$@"
	start_capture wrong "$scope" "$@"
	disk_is "$disk"
	fetch
	end_capture wrong
	same "$name: exit status" 1 "$capture_status"
	check "$name: it is told" grep -q "$words" "$W/wrong.said"
}

ends 'EIO' 'Input/output error' "write=$EIO after=700000"
opens 'EIO'
ends 'EIO from the first byte on' 'Input/output error' "write=$EIO"
rm -f "$W"/behind/*
ends 'EIO in a set' 'Input/output error' "write=$EIO after=250000" -b filesize:300
opens 'EIO in a set'
ends 'EIO, compressed' 'Input/output error' "write=$EIO after=1500000" -w "$W/disk/wrong.pcapng.gz"
gunzip "$W/behind/wrong.pcapng.gz"
opens 'EIO, compressed'
ends 'ENOSPC' 'No space left on device' "write=$ENOSPC after=700000"
opens 'ENOSPC'
ends 'EIO at close, in a set' 'Input/output error' "close=$EIO" -b filesize:300
opens 'EIO at close, in a set'
# Nothing can be cut there.
ends 'read-only' 'Read-only file system' "change=$EROFS after=700000"
opens 'read-only' cut
ends 'read-only, in a set' 'Read-only file system' "change=$EROFS after=250000" -b filesize:300
opens 'read-only, in a set' cut

# The close of the last file: the end was asked for, and the status tells it all the same.
disk_is "close=$EIO"
start_capture last -w "$W/disk/last.pcapng" "$scope"
fetch
stop_capture last 1
check 'EIO at the last close: it is told' grep -q 'last.pcapng: Input/output error' "$W/last.said"
opens 'EIO at the last close'

# The key log and the recording are as good as the capture.
for kind in keylog record; do
	disk_is
	start_capture beside "--$kind=$W/disk/beside" "$scope"
	disk_is "write=$EIO"
	fetch
	end_capture beside
	same "EIO, --$kind: exit status" 1 "$capture_status"
	check "EIO, --$kind: it is told" grep -q 'beside: Input/output error' "$W/beside.said"
	mv "$W/beside.pcapng" "$W/behind"
	rm -f "$W/behind/beside"
	opens "EIO, --$kind"
done

# Half writes and interrupted ones are no errors.
disk_is "most=1000 write=$EINTR every=3"
start_capture odd -w "$W/disk/odd.pcapng" "$scope"
fetch
stop_capture odd
lossless odd
cp "$W/behind/odd.pcapng" "$W/odd.pcapng"
shows_bodies 'half writes' "$W/odd.pcapng" "$(hashes "$W/served/large")"
rm -f "$W"/behind/*

# ext4's own way to be read-only: it has found an error, or is told so.
mkdir "$W/ext4"
truncate -s 32M "$W/image"
mkfs.ext4 -q "$W/image"
if mount -o loop "$W/image" "$W/ext4"; then
	trap 'umount "$W/ext4"; e2e_end' EXIT
	for many in '' '-b filesize:300'; do
		start_capture abort -w "$W/ext4/abort.pcapng" "$scope" $many
		fetch
		check 'ext4 is made read-only' mount -o remount,abort "$W/ext4"
		fetch
		end_capture abort
		same "ext4${many:+, many files}: exit status" 1 "$capture_status"
		check "ext4${many:+, many files}: it is told" \
			grep -Eq 'Read-only file system|Input/output error' "$W/abort.said"
		cp "$W"/ext4/*.pcapng "$W/behind"
		opens "ext4${many:+, many files}"
		umount "$W/ext4"
		mkfs.ext4 -q -F "$W/image"
		mount -o loop "$W/image" "$W/ext4"
	done
else
	echo 'SKIP: this machine has no loop devices; ext4 was left out'
fi
finish
