#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Containers that start after the capture, each with its own copy of libssl: they are probed
# when their first process maps the file, and its conversation is decrypted. Only the clients'
# user is in scope, so that the secrets are not the server's.
. "$(dirname "$0")/lib.sh"
need openssl setpriv

# For tests of each way to notice them (docs/testing.md).
expected=${TLSPCAP_DISCOVERY:-}
if [[ $expected == refused ]]; then
	# fentry is there, and the kernel refuses what it is there for: the next one is taken.
	unset TLSPCAP_DISCOVERY
	export TLSPCAP_SPOILED=mapped
	expected='\(syscall\|perf\)'
fi
case ${TLSPCAP_DISCOVERY:-${TLSPCAP_SPOILED:-}} in
fentry | mapped)
	reason=$("$TLSPCAP" --doctor | sed -n 's/^note  *hooks  *no fentry: //p')
	[[ $reason ]] && skip "fentry: $reason"
	;;
syscall)
	[[ $(printf '5.17\n%s\n' "$(uname -r)" | sort -V | head -n 1) == 5.17 ]] ||
		skip 'bpf_find_vma, which this way needs, is of Linux 5.17'
	;;
esac

user=$((40000 + $$ % 20000)) # another run may be on the same machine
start_s_server server 443 -HTTP
make_body "$W/served/body" 50000
http_response "$W/served/body"

# Maps libssl, says so, and connects when it is told to.
cat >"$W/client.py" <<'END'
import socket, ssl, sys
print("mapped", flush=True)
sys.stdin.readline()
context = ssl._create_unverified_context()
context.keylog_filename = sys.argv[1]
with socket.create_connection(("127.0.0.1", 443)) as plain:
    with context.wrap_socket(plain, server_hostname="server.test") as tls:
        tls.sendall(b"GET /body.http HTTP/1.1\r\nHost: server.test\r\n\r\n")
        body = b""
        while part := tls.recv(65536):
            body += part
sys.stdout.buffer.write(body.partition(b"\r\n\r\n")[2])
END
chmod 755 "$W" && chmod 644 "$W/client.py"

# Until tlspcap says that the file in this mount namespace is probed; else shows what it says.
await_probe() # CAPTURE MNTNS
{
	local deadline=$((SECONDS + TIMEOUT))

	until grep -q "probing .*(mount namespace $2)" "$W/$1.said"; do
		((SECONDS < deadline)) || { tail -n 20 "$W/$1.said"; return 1; }
		sleep 0.02
	done
}

late_client() # CAPTURE NAME
{
	local go=$W/$2.go out=$W/$2.out said=$W/$2.mapped line

	start_container "$2"
	mkfifo "$go" "$said"
	install -d -m 777 "$W/$2.keys"
	in_container "$2" setpriv --reuid=$user --regid=$user --clear-groups "$PYTHON" -S \
		"$W/client.py" "$W/$2.keys/log" <"$go" >"$said" &
	client=$!
	processes+=("$client")
	exec 8>"$go" 9<"$said"
	IFS= read -r -t "$TIMEOUT" -u 9 line || die "$2: libssl was not mapped"
	check "$2: its library is probed" await_probe "$1" "${container_mntns[$2]}"
	printf 'go\n' >&8
	exec 8>&-
	cat <&9 >"$out"
	exec 9<&-
	wait "$client"
	same "$2: the client got the body" "$(hashes "$W/served/body")" "$(hashes "$out")"
}

# late_clients FILE OPTION...: containers that come while it captures.
late_clients()
{
	local file=$1 n

	shift
	round=$((round + 1))
	start_capture case -v --uid=$user "$@"
	for ((n = 1; n <= clients; n++)); do
		late_client case "late$round$n"
	done
	stop_capture case
	lossless case
	[[ $expected ]] && check "noticed by $expected" \
		grep "later libraries are noticed by $expected" "$W/case.said"
	shows_bodies "late containers" "$file" "$(for ((n = 0; n < clients; n++)); do
		hashes "$W/served/body"; done)"
	shows_secrets "late containers" "$file" "$W"/late$round?.keys/log
	same "late containers: complete conversations" $clients "$(complete_conversations "$file")"
	same "late containers: all with secrets" 0 \
		"$(count_frames "$file" 'frame.comment contains "secrets=missing;"')"
}

round=0 clients=3
[[ ${E2E_SHORT:-} ]] && clients=1
late_clients "$W/case.pcapng"
# What is left of its rights when it has become another user is enough as well.
install -d -o nobody "$W/nobody"
late_clients "$W/nobody/case.pcapng" -Z nobody -w "$W/nobody/case.pcapng"
finish
