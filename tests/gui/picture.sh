#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The real Wireshark, in a window that nobody sees, captures a container by its extcap interface;
# the picture of it shows a decrypted HTTP/2 request. GUI_PICTURE=FILE keeps it, GUI_PROPERTIES=FILE
# that of the file's properties:
#
#	sudo env TLSPCAP=build/tlspcap GUI_PICTURE=docs/wireshark.png tests/gui/picture.sh
. "$(dirname "$0")/../e2e/lib.sh"
need nginx
for program in wireshark Xvfb xdotool import convert; do
	command -v "$program" >/dev/null ||
		skip "$program is not installed; tools/setup --gui installs it"
done

# Neither an X server nor a Qt program tells when it is ready.
wait_until() # WHAT COMMAND...
{
	local what=$1 deadline=$((SECONDS + TIMEOUT))

	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || die "$what"
		sleep 0.05
	done
}

# A container that has a network of its own, with the addresses of documents (RFC 5737).
start_container client
container=${container_pid[client]}
start unshare --net bash -c 'echo ready; exec sleep infinity' >"$W/network"
network=$started
wait_until 'no network' grep -q ready "$W/network"
inside=(nsenter --net="/proc/$network/ns/net")
ip link add server0 type veth peer name client0 netns "$network"
ip address add 192.0.2.1/24 dev server0
ip link set server0 up
"${inside[@]}" ip address add 192.0.2.34/24 dev client0
"${inside[@]}" ip link set client0 up
start_nginx nginx 443
printf '{"hello": "from inside TLS"}\n' >"$W/served/hello.json"
interface=tlspcap-mntns-${container_mntns[client]}

mkdir "$W/extcap" "$W/home"
ln -s "$TLSPCAP" "$W/extcap/tlspcap"
export HOME=$W/home XDG_CONFIG_HOME=$W/home/config XDG_RUNTIME_DIR=$W/home QT_QPA_PLATFORM=xcb
mkdir -p "$XDG_CONFIG_HOME/wireshark"
printf 'gui.byte_view_show: FALSE\n' >"$XDG_CONFIG_HOME/wireshark/recent"
cat >"$XDG_CONFIG_HOME/wireshark/preferences" <<-PREFERENCES
	privs.warn_if_elevated: FALSE
	gui.update.enabled: FALSE
	gui.ask_unsaved: FALSE
	gui.geometry.save.position: FALSE
	gui.window_title: tlspcap
	gui.column.format: "No.", "%m", "Time", "%t", "Source", "%s", "Destination", "%d", "Protocol", "%p", "Info", "%i"
PREFERENCES

# In a network namespace a display needs a file socket, not an abstract one.
display=:77
start Xvfb "$display" -screen 0 1280x800x24 -nolisten tcp
export DISPLAY=$display
wait_until 'no X server' xdotool getdisplaygeometry

mkfifo "$W/bound"
"$E2E/notified" "$W/notify" "$TIMEOUT" >"$W/bound" &
ready=$!
read -r _ <"$W/bound"
NOTIFY_SOCKET=$W/notify start unshare --mount --propagation private bash -c '
	for folder in /usr/lib/*/wireshark/extcap; do
		mount --bind "$0" "$folder" || exit 1
	done
	exec "$@"
' "$W/extcap" wireshark -k -i "$interface" -Y tls \
	>"$W/wireshark.said" 2>&1
wait "$ready" || { cat "$W/wireshark.said"; die 'tlspcap was not started by Wireshark'; }
pass 'Wireshark started the capture'
check 'curl' "${inside[@]}" nsenter --target "$container" --mount --pid --root --wdns=/ -- \
	curl -sS --fail -k --http2 --resolve server.test:443:192.0.2.1 \
	https://server.test/hello.json -o /dev/null
window=$(timeout "$TIMEOUT" xdotool search --sync --onlyvisible --name 'Capturing from' | head -n 1)
[[ $window ]] || die 'no window'
xdotool windowsize --sync "$window" 1280 800 windowmove "$window" 0 0 windowfocus "$window"

# A window tells nothing when it is drawn: it is when two looks at it are the same.
settled()
{
	local before= after

	for ((i = 0; i < 50; i++)); do
		import -window root "$W/look.png"
		after=$(convert "$W/look.png" -crop 1280x760+0+0 rgb:- | sha256sum)
		[[ $before == "$after" ]] && return
		before=$after
		sleep 0.3
	done
	return 1
}
file=
wait_until 'Wireshark shows no packets' bash -c "
	file=\$(ls '$TMPDIR'/wireshark_*.pcapng) && tshark -r \"\$file\" -Y 'http2.type == 0' | grep -q ."
settled
# The first HTTP/2 request is in the ninth row; its HTTP/2 and its comment are opened.
xdotool mousemove 600 257 click 1
settled
xdotool mousemove 130 547 click 1 key shift+Right
settled
xdotool mousemove 80 446 click 1 key Right
settled
[[ ! ${GUI_PICTURE:-} ]] || convert "$W/look.png" -colors 64 "png8:$GUI_PICTURE"
xdotool key ctrl+alt+shift+c
settled
[[ ! ${GUI_PROPERTIES:-} ]] || cp "$W/look.png" "$GUI_PROPERTIES"
for file in "$TMPDIR"/wireshark_*.pcapng; do
	same "Wireshark's own file: the request" /hello.json \
		"$(fields "$file" http2.headers.path)"
done
finish
