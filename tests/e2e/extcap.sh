#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Wireshark's own way to a capture: tshark finds tlspcap in its extcap folder, lists its
# interfaces, and captures on them; its dialogs' questions and answers.
. "$(dirname "$0")/lib.sh"
need nginx

start_nginx nginx 443
start_container client
interface=tlspcap-mntns-${container_mntns[client]}
printf 'hello\n' >"$W/served/hello"

# tshark of another suite runs in a root of its own: from there, back to this machine's files.
mkdir "$W/extcap"
printf '#!/bin/bash\nexec chroot /proc/%d/root "%s" "$@"\n' $$ \
	"$TLSPCAP" >"$W/extcap/tlspcap"
chmod +x "$W/extcap/tlspcap"

tshark_here() # SUITE ARGUMENT...
{
	"$ENVIRONMENT/tshark" --extcap="$W/extcap" "$@"
}

# --- what it answers -------------------------------------------------------------------------
"$TLSPCAP" --extcap-interfaces --extcap-version=4.0 >"$W/interfaces"
check 'interfaces: its version' grep -qx 'extcap {version=[0-9.]*}{display=.*}' "$W/interfaces"
check 'interfaces: the machine' grep -q '^interface {value=tlspcap}{display=' "$W/interfaces"
check 'interfaces: the container' grep -q "^interface {value=$interface}{display=" "$W/interfaces"
same 'link type' 'dlt {number=1}{name=EN10MB}{display=Ethernet}' \
	"$("$TLSPCAP" --extcap-interface="$interface" --extcap-dlts)"
"$TLSPCAP" --extcap-interface="$interface" --extcap-config >"$W/config"
# Each control is one of tlspcap's options, with values that it takes.
while IFS= read -r call; do
	check "control $call is an option" grep -qE -- "(^|[ ,])$call(=|\$| )" <("$TLSPCAP" --help)
done < <(sed -n 's/^arg .*{call=\([^}]*\)}.*/\1/p' "$W/config")
check 'controls have defaults' grep -q '^value {arg=0}{value=auto}.*{default=true}' "$W/config"
same 'a sound filter is no complaint' '' \
	"$("$TLSPCAP" --extcap-interface=tlspcap --extcap-capture-filter='port 443')"
check 'an unsound filter is one' grep -q . \
	<("$TLSPCAP" --extcap-interface=tlspcap --extcap-capture-filter='port')
"$TLSPCAP" --extcap-interface=other --capture --fifo="$W/none" 2>"$W/said"
same 'an unknown interface: exit status' 2 $?
check 'an unknown interface: says so' grep -q 'extcap-interface=other' "$W/said"
"$TLSPCAP" --extcap-dlts 2>"$W/said"
same 'no interface: exit status' 2 $?

# --- through tshark --------------------------------------------------------------------------

# The real mechanism: tshark lists, starts, reads, and stops it.
through() # SUITE
{
	local suite=$1 line ready lines

	rm -f "$W/lines" "$W/notify" "$W/bound"
	mkfifo "$W/lines" "$W/bound"
	check "$suite: tshark -D lists the container" grep -q "$interface" \
		<(tshark_here "$suite" -D 2>&1)
	"$E2E/notified" "$W/notify" "$TIMEOUT" >"$W/bound" &
	ready=$!
	read -r line <"$W/bound"
	exec {lines}<>"$W/lines"
	NOTIFY_SOCKET=$W/notify tshark_here "$suite" -i "$interface" -f 'tcp port 443' -l -n \
		-Y http2.headers.path -T fields -e http2.headers.path -e frame.interface_name \
		>"$W/lines" 2>"$W/$suite.said" &
	reader=$!
	processes+=("$reader")
	if ! wait "$ready"; then
		fail "$suite: tlspcap did not begin to capture"
		sed 's/^/      | /' "$W/$suite.said"
		return
	fi
	check "$suite: curl" in_container client curl -sS --fail -k --http2 \
		https://127.0.0.1/hello -o /dev/null
	if IFS= read -r -t "$TIMEOUT" -u "$lines" line; then
		same "$suite: the request, decrypted, on that interface" \
			"/hello" "${line%%$'\t'*}"
	else
		fail "$suite: the request is not shown"
		sed 's/^/      | /' "$W/$suite.said"
	fi
	printf '      %s\n' "$line"
	pkill -INT -P "$reader" -x tshark || kill -INT "$reader"
	timeout "$TIMEOUT" tail --pid="$reader" -s 0.05 -f /dev/null ||
		fail "$suite: tshark does not end"
	exec {lines}<&-
	check "$suite: no tlspcap is left" bash -c "
		for ((i = 0; i < 500; i++)); do
			pgrep -f -- '[-]-extcap-interface $interface' >/dev/null || exit 0
			sleep 0.02
		done
		pgrep -af -- '[-]-extcap-interface $interface'
		exit 1"
}

for suite in "${tsharks[@]}"; do
	through "$suite"
done
finish
