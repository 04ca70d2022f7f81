#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Kernel TLS: nginx hands its keys to the socket, and what passes the hooks from then on is
# plaintext. It is marked and counted; the process's calls are probed, and what follows is shown
# from these. What SSL_sendfile sends is in nobody's memory: its place and size are told.
. "$(dirname "$0")/../e2e/lib.sh"
need nginx openssl
need_multi
[[ -e /proc/net/tls_stat ]] || modprobe -q tls
[[ -e /proc/net/tls_stat ]] || skip 'the kernel has no kernel TLS (module tls)'

for name in first second third; do
	make_body "$W/served/$name" 30000
done
kernel_tls() { awk '$1 == "TlsTxSw" { print $2 }' /proc/net/tls_stat; }

says() # FILE TEXT
{
	timeout "$TIMEOUT" grep -qm1 "$2" <(tail -n +1 -F "$1" 2>&1)
}

arrives() # FILE BYTES
{
	[[ $(timeout "$TIMEOUT" tail -c +1 -F "$1" 2>/dev/null | head -c "$2" | wc -c) == "$2" ]]
}

each_way() # NAME PORT NGINX'S-LINES OPTION...
{
	local name=$1 port=$2 said=$W/$1.said out=$W/$1.out before to_client body wanted=0

	start_container "$name"
	E2E_CONTAINER=$name E2E_NGINX_EXTRA="ssl_conf_command Options KTLS; $3" \
		start_nginx "nginx-$name" "$port"
	start_capture "$name" -v "--mntns=${container_mntns[$name]}"
	before=$(kernel_tls)
	mkfifo "$W/to-$name"
	exec {to_client}<>"$W/to-$name"
	openssl s_client -quiet -connect "127.0.0.1:$port" "${@:4}" \
		<"$W/to-$name" >"$out" 2>/dev/null &
	processes+=($!)
	for body in first second third; do
		printf 'GET /%s HTTP/1.1\r\nHost: server.test\r\n\r\n' $body >&$to_client
		wanted=$((wanted + 30000))
		check "$name: $body" arrives "$out" $wanted
		[[ $body == first ]] &&
			check "$name: the process is probed" says "$said" \
				"whose records cannot be read: plaintext"
	done
	(($(kernel_tls) > before)) || fail "$name: nginx did not use kernel TLS"
	stop_capture "$name"
	exec {to_client}>&-
	check "$name: it is marked" contains "$W/$name.pcapng" 'gap=unknown;reason=unreadable'
	check "$name: it is counted" grep -q 'pass no memory to read' "$said"
	sound "$name" "$W/$name.pcapng"
}

each_way write 443 'sendfile off;' -tls1_3
for suite in "${tsharks[@]}"; do
	export_objects "$suite" "$W/write.pcapng" "$W/objects.$suite"
	check "write: what follows, in tshark of $suite" \
		grep -qx "$(hashes "$W/served/third")" <(hashes "$W/objects.$suite"/*)
done

each_way sendfile 444 'sendfile on;' -tls1_2
for body in second third; do
	same "sendfile: the question for $body" 1 "$(count_frames "$W/sendfile.pcapng" \
		"http.request.uri == \"/$body\"")"
done
check 'sendfile: its size is told' contains "$W/sendfile.pcapng" 'gap=30000;reason=bypass'
[[ $tshark_missing ]] && printf 'SKIP: %s\n' "$tshark_missing"
finish
