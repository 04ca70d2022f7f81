#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Processes in new mount namespaces, each with a copy of libssl that the kernel has never seen.
# With --hold each conversation is decrypted from its ClientHello on. Nobody stays stopped,
# whatever happens to tlspcap.
. "$(dirname "$0")/lib.sh"
need curl nginx unshare script

runs=${E2E_RUNS:-30}
start_nginx nginx 443
make_body "$W/served/body" 2000
mkdir "$W/fresh"
library=$(ldd "$(command -v curl)" | awk '/libssl\.so/ {print $3}')
[[ $library ]] || skip 'curl does not use libssl here'

# One curl, in its own mount namespace, with its own libssl.
cat >"$W/fresh.sh" <<END
mount -t tmpfs tmpfs "$W/fresh" && cp "$library" "$W/fresh/" || exit 1
export LD_LIBRARY_PATH="$W/fresh"
exec curl -sSk --fail --http1.1 -o /dev/null "\$@"
END
many() # COUNT: 4 at a time
{
	seq "$1" | xargs -P 4 -I{} unshare --mount --propagation private bash "$W/fresh.sh" \
		https://127.0.0.1/body || fail 'a curl failed'
}

# Held times in ms, from what -v says.
times()
{
	grep -o 'held process [0-9]* for [0-9.]*' "$W/$1.said" | awk '{print $NF}' | sort -n |
		awk '{a[NR] = $1} END {if (NR) printf "%d held: median %.2f ms, 95 %% %.2f ms, longest %.2f ms\n",
			NR, a[int((NR + 1) / 2)], a[int(NR * 0.95 + 0.999)], a[NR]}'
}

start_capture hold -v --hold --comm=curl --netns=/proc/self/ns/net
many "$runs"
stop_capture hold
printf '      %s\n' "$(times hold)"
lossless hold
same 'hold: complete conversations' "$runs" "$(complete_conversations "$W/hold.pcapng")"
same 'hold: all with secrets' 0 \
	"$(count_frames "$W/hold.pcapng" 'frame.comment contains "secrets=missing;"')"
shows_bodies 'hold' "$W/hold.pcapng" "$(for ((i = 0; i < runs; i++)); do hashes "$W/served/body"; done)"

# Without: measured, not demanded; but what is missing is said.
start_capture free --comm=curl --netns=/proc/self/ns/net
many "$runs"
stop_capture free
missing=$(fields "$W/free.pcapng" frame.comment 'frame.comment contains "secrets=missing;"' |
	grep -o 'conversation=[0-9]*' | sort -u | wc -l)
printf '      without --hold: %d of %d conversations with all their secrets\n' \
	$(($(complete_conversations "$W/free.pcapng") - missing)) "$runs"
if ((missing)); then
	grep -q "conversations without all their secrets: $missing;" "$W/free.said" &&
		pass 'free: says how many are missing' || fail 'free: does not say what is missing'
fi

state() # PID
{
	local stat

	stat=$(cat "/proc/$1/stat" 2>/dev/null) && stat=${stat##*) } && printf '%s' "${stat%% *}"
}

# await_held PID: until the process is stopped.
await_held()
{
	local deadline=$((SECONDS + TIMEOUT))

	until [[ $(state "$1") == T ]]; do
		((SECONDS < deadline)) && kill -0 "$1" 2>/dev/null || return 1
		sleep 0.002
	done
}

# tlspcap cannot answer (it is stopped itself), and somebody is held: $client.
hold_one() # NAME
{
	start_capture "$1" -v --hold --comm=curl --netns=/proc/self/ns/net
	kill -STOP "${capture_pid[$1]}"
	unshare --mount --propagation private bash "$W/fresh.sh" https://127.0.0.1/body &
	client=$!
	processes+=("$client")
}

# Within these 250 ms after tlspcap's last word the client must have come to its library; on a
# busy machine it is tried again.
for try in 1 2 3 4 5; do
	hold_one killed
	await_held "$client" && break
	kill -CONT "${capture_pid[killed]}"
	stop_capture killed
done
same 'kill -9: one is held' T "$(state "$client")"
kill -KILL "${capture_pid[killed]}"
begin=${EPOCHREALTIME/./}
wait "$client"
same 'kill -9: who was held goes on' 0 $?
printf '      it went on and was done %d ms after kill -9\n' $(((${EPOCHREALTIME/./} - begin) / 1000))
same 'kill -9: nobody is stopped' '' "$(for p in $(pgrep -x curl); do [[ $(state "$p") == T ]] && echo "$p"; done)"
check 'kill -9: the watchdog ends' timeout "$TIMEOUT" bash -c 'while pgrep -x tlspcap-watch; do sleep 0.05; done'

for try in 1 2 3 4 5; do
	hold_one late
	await_held "$client" && break
	kill -CONT "${capture_pid[late]}"
	stop_capture late
done
begin=${EPOCHREALTIME/./}
wait "$client"
same 'no answer: the watchdog lets it go on' 0 $?
printf '      after %d ms\n' $(((${EPOCHREALTIME/./} - begin) / 1000))
kill -CONT "${capture_pid[late]}"
stop_capture late
grep -q 'until the watchdog continued them: 1' "$W/late.said" && pass 'no answer: it is told' ||
	fail 'no answer: it is not told'

# One who waits for stops, as nsenter does, and stops itself then, does not stay so.
start_container entered
start_capture waited -v --hold --comm=curl --netns=/proc/self/ns/net
check 'nsenter: it ends' timeout "$TIMEOUT" nsenter --target "${container_pid[entered]}" --mount \
	--pid --root --wdns=/ -- bash "$W/fresh.sh" https://127.0.0.1/body
stop_capture waited

# On a terminal nobody is held: a shell would see it.
start_capture terminal -v --hold --comm=curl --netns=/proc/self/ns/net
check 'terminal: the client works' timeout "$TIMEOUT" script -qec \
	"unshare --mount --propagation private bash '$W/fresh.sh' https://127.0.0.1/body" /dev/null
stop_capture terminal
grep -q 'could not be held: [1-9]' "$W/terminal.said" && pass 'terminal: it is not held' ||
	fail 'terminal: no word that it was not held'
finish
