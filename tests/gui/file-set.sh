#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The real Wireshark, in a window that nobody sees, knows the files of a capture as a file set:
# File, File Set lists all of them, and leads from one to the next. GUI_PICTURE=FILE keeps a
# picture of the list.
. "$(dirname "$0")/../e2e/lib.sh"
. "$E2E/sets"
need nginx
for program in wireshark Xvfb xdotool import; do
	command -v "$program" >/dev/null ||
		skip "$program is not installed; tools/setup --gui installs it"
done

start_nginx nginx 443
start_container client
make_body "$W/served/large" 50000
start_capture set "--mntns=${container_mntns[client]}" -b filesize:40
for i in 1 2 3; do
	in_container client curl -sSk -o /dev/null "https://127.0.0.1/large?$i" || fail 'curl'
done
stop_capture set
set_of set
at_least 'a set' 4
# Of another set, and not to be listed.
cp "${files[0]}" "$W/other_00001_20200101000000.pcapng"

mkdir "$W/home"
export HOME=$W/home XDG_CONFIG_HOME=$W/home/config XDG_RUNTIME_DIR=$W/home QT_QPA_PLATFORM=xcb
mkdir -p "$XDG_CONFIG_HOME/wireshark"
cat >"$XDG_CONFIG_HOME/wireshark/preferences" <<-PREFERENCES
	privs.warn_if_elevated: FALSE
	gui.update.enabled: FALSE
	gui.ask_unsaved: FALSE
	gui.geometry.save.position: FALSE
PREFERENCES
display=:78
start Xvfb "$display" -screen 0 1280x800x24 -nolisten tcp
export DISPLAY=$display
deadline=$((SECONDS + TIMEOUT))
until xdotool getdisplaygeometry >/dev/null 2>&1; do
	((SECONDS < deadline)) || die 'no X server'
	sleep 0.05
done
start wireshark "${files[1]}" >"$W/wireshark.said" 2>&1

window_of() # WORDS: the window that has them in its title, once it is there
{
	timeout "$TIMEOUT" xdotool search --sync --onlyvisible --name "$1" 2>/dev/null | head -n 1
}

# An entry of File, File Set, by its number from 0.
choose()
{
	xdotool windowfocus --sync "$window" mousemove 20 11 click 1
	settled
	xdotool mousemove 57 213 click 1
	settled
	xdotool mousemove 422 $((214 + 25 * $1)) click 1
}

# A window tells nothing when it is drawn: it is when two looks at it are the same.
settled()
{
	local before= after i

	for ((i = 0; i < 50; i++)); do
		after=$(import -window root rgb:- | sha256sum)
		[[ $before == "$after" ]] && return
		before=$after
		sleep 0.2
	done
	return 1
}

window=$(window_of "^${files[1]##*/}")
[[ $window ]] || die 'no window'
xdotool windowsize --sync "$window" 1280 800 windowmove "$window" 0 0
settled
choose 0
list=$(window_of "${#files[@]} File.* in Set")
[[ $list ]] && pass "File Set, List Files: ${#files[@]} files" ||
	fail "no list of ${#files[@]} files"
settled
[[ ! ${GUI_PICTURE:-} ]] || import -window root -colors 64 "png8:$GUI_PICTURE"
[[ ! $list ]] || xdotool windowclose "$list" 2>/dev/null
choose 1
[[ $(window_of "^${files[2]##*/}") ]] && pass 'File Set, Next File' || fail 'no next file'
finish
