#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# curl in a container to nginx and to openssl s_server: TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2,
# IPv4 and IPv6. What every tshark exports has the hashes of what was served and uploaded.
# E2E_SHORT=1: three of the twelve cases.
. "$(dirname "$0")/lib.sh"
need curl nginx openssl

start_container client
start_nginx nginx 443
make_body "$W/served/small" 1000
make_body "$W/served/middle" 100000
make_body "$W/served/large" 1000000
make_body "$W/upload" 70000
for body in small middle large; do
	http_response "$W/served/$body"
done

# curl with one TLS version, to 127.0.0.1 or ::1 by a name that it sends as SNI.
browse() # TLS-VERSION ADDRESS PORT ARGUMENT...
{
	local version=$1 address=$2 port=$3

	shift 3
	SSLKEYLOGFILE=$W/keys in_container client curl --silent --show-error --fail \
		--max-time "$TIMEOUT" --insecure --resolve "server.test:$port:$address" \
		"--tlsv$version" --tls-max "$version" "$@"
}

# What a capture of one exchange must show.
judge() # NAME ADDRESS PORT VERSION HASHES
{
	local file=$W/case.pcapng ip=ip

	[[ $2 == *:* ]] && ip=ipv6
	stop_capture case
	lossless case
	shows_bodies "$1" "$file" "$5"
	shows_secrets "$1" "$file" "$W/keys"
	same "$1: address of the server" "$2" \
		"$(fields "$file" $ip.dst 'tcp.flags.syn == 1 && tcp.flags.ack == 0' | sort -u)"
	same "$1: port of the server" "$3" \
		"$(fields "$file" tcp.dstport 'tcp.flags.syn == 1 && tcp.flags.ack == 0' |
			sort -u)"
	rm -f "$W/keys" "$W"/got.*
}

nginx_case() # VERSION HTTP ADDRESS
{
	local name="nginx, TLS $1, HTTP/$2, $3" url=https://server.test

	start_capture case "--mntns=${container_mntns[client]}"
	check "$name: curl" browse "$1" "$3" 443 "--http$2" \
		"$url/small" -o "$W/got.1" "$url/middle" -o "$W/got.2" "$url/large" -o "$W/got.3"
	check "$name: curl uploads" browse "$1" "$3" 443 "--http$2" \
		-T "$W/upload" "$url/uploaded" -o "$W/got.4"
	judge "$name" "$3" 443 "$1" \
		"$(hashes "$W"/served/{small,middle,large} "$W/upload")"
	rm -f "$W/served/uploaded"
}

s_server_case() # VERSION ADDRESS
{
	local name="s_server, TLS $1, $2" accept=$2:4433 body option=tls${1/./_}

	[[ $2 == *:* ]] && accept=[$2]:4433
	E2E_ADDRESS=$2 start_s_server s_server "$accept" -HTTP "-$option"
	start_capture case "--mntns=${container_mntns[client]}"
	for body in small middle large; do
		check "$name: curl $body" browse "$1" "$2" 4433 --http1.1 \
			"https://server.test:4433/$body.http" -o "$W/got.$body"
	done
	judge "$name" "$2" 4433 "$1" "$(hashes "$W"/served/{small,middle,large})"
	kill -KILL "$s_server_pid" && wait "$s_server_pid" 2>/dev/null
	rm -f "$W/s_server.keys"
}

if [[ ${E2E_SHORT:-} ]]; then
	nginx_case 1.2 1.1 127.0.0.1
	nginx_case 1.3 2 ::1
	s_server_case 1.3 127.0.0.1
	finish
fi
for address in 127.0.0.1 ::1; do
	for version in 1.2 1.3; do
		for http in 1.1 2; do
			nginx_case $version $http $address
		done
		s_server_case $version $address
	done
done
finish
