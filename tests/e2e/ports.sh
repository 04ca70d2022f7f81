#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# HTTPS on ports that Wireshark gives to HTTP (80, 8080) and to TLS (443, 8443), all in one
# capture: with the default, every tshark shows all of it, as genuine TLS where it takes the
# port for TLS. And each view where it is asked for, in captures of the same time.
. "$(dirname "$0")/lib.sh"
need curl nginx

start_container client
ports=(80 443 8080 8443)
for port in "${ports[@]}"; do
	start_nginx "nginx-$port" "$port"
	make_body "$W/served/get-1.1-$port" $((100000 + port))
	make_body "$W/served/get-2-$port" $((200000 + port))
	make_body "$W/put-1.1-$port" $((50000 + port))
	make_body "$W/put-2-$port" $((60000 + port))
done

browse() # PORT HTTP ARGUMENT...
{
	local port=$1 http=$2

	shift 2
	SSLKEYLOGFILE=$W/keys in_container client curl -sS --fail -k --max-time "$TIMEOUT" \
		"--http$http" -o "$W/got" "$@"
}

views=(tls null-tls plain)
start_capture auto "--mntns=${container_mntns[client]}"
for view in "${views[@]}"; do
	start_capture "$view" "--view=$view" "--mntns=${container_mntns[client]}"
done
for port in "${ports[@]}"; do
	for http in 1.1 2; do
		check "curl, port $port, HTTP/$http" browse "$port" $http \
			"https://127.0.0.1:$port/get-$http-$port"
		check "curl, port $port, HTTP/$http, upload" browse "$port" $http \
			-T "$W/put-$http-$port" "https://127.0.0.1:$port/uploaded-$http-$port"
	done
done
for name in auto "${views[@]}"; do
	stop_capture "$name"
	lossless "$name"
done

bodies=("$W"/served/get-* "$W"/put-*)
shows_bodies 'every port' "$W/auto.pcapng" "$(hashes "${bodies[@]}")"
for name in auto "${views[@]}"; do
	shows_secrets "$name" "$W/$name.pcapng" "$W/keys"
done

# The views by port: PORT VIEW.
views_of() # FILE
{
	tshark_of host -r "$1" -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' -T fields \
		-e tcp.dstport -e frame.comment | sed -E 's/\t.*;view=([^;]*);.*/ \1/' | sort -u
}
same 'the default chooses by port' $'443 tls\n80 plain\n8080 plain\n8443 tls' \
	"$(views_of "$W/auto.pcapng")"

# What is asked for stands on every port, and is shown where tshark takes it for what it is.
shows_at() # VIEW PORT...
{
	local view=$1 expected port shown

	shift
	export_objects host "$W/$view.pcapng" "$W/objects.$view"
	shown=$(find "$W/objects.$view" -type f -exec sha256sum {} + | cut -d' ' -f1 | sort)
	for port; do
		expected=$(hashes "$W"/served/get-*-"$port" "$W"/put-*-"$port")
		same "--view=$view: bodies of port $port" "$expected" \
			"$(comm -12 <(echo "$expected") <(echo "$shown"))"
	done
	rm -rf "$W/objects.$view"
}
for view in "${views[@]}"; do
	same "--view=$view" "$(printf "%s $view\n" 443 80 8080 8443)" \
		"$(views_of "$W/$view.pcapng")"
	sound "--view=$view" "$W/$view.pcapng"
done
shows_at tls 443 8443
shows_at null-tls 443 8443
shows_at plain 80 8080
same 'plain has plaintext on port 443, too' 2 \
	"$(count_frames "$W/plain.pcapng" \
		'tcp.dstport == 443 && tcp.payload contains "-1.1-443 HTTP/1.1\r\n"')"
grep -qaF ' HTTP/1.1' "$W/tls.pcapng" && fail '--view=tls has plaintext'
finish
