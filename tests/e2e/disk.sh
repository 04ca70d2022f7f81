#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# A full disk, a folder that goes away, a folder of somebody else, a name that is taken, a
# reader that stands still: what is there opens, the cause is told, the program does not notice.
. "$(dirname "$0")/lib.sh"
. "$E2E/sets"
need curl nginx setpriv

start_nginx nginx 443
start_container client
scope=--mntns=${container_mntns[client]}
make_body "$W/served/large" 3000000
fetch()
{
	check 'the client does not notice' in_container client curl -sS --fail -k --http1.1 \
		-o /dev/null --max-time 20 https://127.0.0.1/large
}

# A full disk, with one file and with many.
mkdir "$W/small"
for many in '' '-b filesize:300'; do
	mount -t tmpfs -o size=1500k tmpfs "$W/small"
	start_capture full -w "$W/small/full.pcapng" "$scope" $many
	fetch
	end_capture full
	same "full disk${many:+, many files}: exit status" 1 "$capture_status"
	check 'full disk: it is told' grep -q 'No space left on device' "$W/full.said"
	mapfile -t files < <(find "$W/small" -type f -size +0 | sort)
	at_least 'full disk' 1
	sound_set 'full disk'
	umount "$W/small"
done

# With a limit that fits, the same disk is enough.
mount -t tmpfs -o size=1500k tmpfs "$W/small"
start_capture fits -w "$W/small/fits.pcapng" "$scope" -b filesize:200 -b files:5
fetch
fetch
stop_capture fits
lossless fits
mapfile -t files < <(find "$W/small" -type f | sort)
same 'a ring on a small disk: files' 5 "${#files[@]}"
sound_set 'a ring on a small disk'
umount "$W/small"

# The folder goes away: the file that is open can still be written, the next one cannot.
mkdir "$W/gone"
start_capture gone -w "$W/gone/gone.pcapng" "$scope" -b filesize:300
rm -r "$W/gone"
fetch
end_capture gone
same 'a folder that is gone: exit status' 1 "$capture_status"
check 'a folder that is gone: it is told' grep -q 'cannot create .*No such file' "$W/gone.said"

# Another user's folder: later files are made as well, though root's rights were given up.
mkdir "$W/theirs"
chown 65534:65534 "$W/theirs"
chmod 700 "$W/theirs"
start_capture theirs -w "$W/theirs/theirs.pcapng" "$scope" -b filesize:300 -W 3 -C 1
got=$(grep CapEff "/proc/${capture_pid[theirs]}/status" | cut -f2)
(((0x$got & 2) == 0)) && pass "no CAP_DAC_OVERRIDE: $got" || fail "CAP_DAC_OVERRIDE is in effect: $got"
fetch
stop_capture theirs
lossless theirs
mapfile -t files < <(find "$W/theirs" -type f | sort)
same "another user's folder: files" 3 "${#files[@]}"
same "another user's folder: they are ours" '0 600' "$(stat -c '%u %a' "${files[@]}" | sort -u)"

# What somebody put where a file of ours was is not deleted, and links are not followed.
mkdir "$W/mixed"
start_capture mixed -w "$W/mixed/mixed.pcapng" "$scope" -b filesize:300 -b files:2
first=$(ls "$W/mixed")
mv "$W/mixed/$first" "$W/moved.pcapng"
echo precious >"$W/mixed/$first"
fetch
stop_capture mixed
same 'what is not ours is not deleted' precious "$(cat "$W/mixed/$first")"
mkdir "$W/links"
ln -s "$W/target" "$W/links/links-$(date +%Y).pcapng"
start_capture links -w "$W/links/links-%Y.pcapng" "$scope" -G 100
fetch
stop_capture links
[[ -e $W/target ]] && fail 'a link was followed' || pass 'a link is not followed'
check 'the next name is taken' test -f "$W/links/links-$(date +%Y)_00001.pcapng"

# A command that fails is told, and does what it can do without any right.
start_capture fails "$scope" -b filesize:1000 -z 'sh -c exit\ 3'
fetch
stop_capture fails 1
check '-z: a failure is told' grep -q 'the command of -z failed' "$W/fails.said"
cat >"$W/look" <<-END
	#!/bin/sh
	grep -E '^(CapPrm|CapEff|NoNewPrivs)' /proc/self/status >"\$1.look"
	ps -o pgid= -p \$\$ >>"\$1.look"
END
chmod 755 "$W/look"
start_capture looks "$scope" -b filesize:100000 -z "$W/look"
fetch
stop_capture looks
set_of looks
same '-z: no right' '0000000000000000' "$(awk '/^Cap/ { print $2 }' "${files[0]}.look" | sort -u)"

# A reader that stands still: the ring takes what it can, the rest is counted; a second Ctrl-C
# ends it.
mkfifo "$W/still.stdout"
sleep 100 <>"$W/still.stdout" &
processes+=($!)
start_capture still -w - -B 1M "$scope"
fetch
fetch
kill -INT "${capture_pid[still]}"
sleep 0.3 # for the first one to be noticed, or it would count as none
kill -INT "${capture_pid[still]}"
end_capture still
same 'a reader that stands still: exit status' 1 "$capture_status"
check 'a reader that stands still: losses are told' grep -q 'ring buffer full' "$W/still.said"
finish
