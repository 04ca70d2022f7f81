#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Client and server in Go, of four releases, linked in as many ways: HTTP/1.1 and HTTP/2, TLS
# 1.2 and 1.3, resumed sessions; genuine records and the plaintext of its calls. The server
# alone is captured, which writes no key log; the client does. Or the client alone.
. "$(dirname "$0")/lib.sh"
. "$E2E/go-talk"
need openssl

# VERSION:LINK
: "${E2E_GO:=1.15:stripped 1.19:normal 1.24:stripped 1.27:pie-stripped}"
[[ ${E2E_SHORT:-} ]] && E2E_GO=1.24:stripped
make_certificate server
start_container client
start_container server
for body in 1 1000 16384 16385 300000; do
	make_body "$W/served/$body" $body
done
bodies=$(hashes "$W"/served/*)

# The same calls' addresses by the symbol table, where there is one, as the linker made it.
judge_functions() # NAME PROGRAM
{
	local symbols

	# A file's first loaded segment begins with the file.
	symbols=$(nm "$2" 2>/dev/null | awk '$3 ~ /^crypto\/tls\.(\(\*Conn\)\.(Read|Write|Close)|\(\*Config\)\.writeKeyLog|keysFromMasterSecret)$/ { print $1, $3 }' | sort)
	[[ $symbols ]] || return 0
	local base=$((16#$(readelf -lW "$2" | awk '$1 == "LOAD" { print substr($3, 3); exit }')))
	same "$1: places by pclntab and by symbols" "$symbols" "$(
		"$BUILD/tools/tlspcap-locate" "$2" | awk '$4 == "enter" { print $1, $3 }' |
			while read -r offset name; do
				printf '%016x %s\n' $((offset + base)) "$name"
			done | sort)"
}

get() # ARGUMENT...
{
	rm -rf "$W/got" "$W/keys" && mkdir "$W/got"
	in_container client "$go_program" web-client -to "$W/got" "$@" \
		"https://$address/"{1,1000,16384,16385,300000}
}

# go_case NAME SOURCE CAPTURED OPTION...
go_case()
{
	local name=$1 source=$2 captured=$3 file=$W/case.pcapng

	shift 3
	# The client runs for some milliseconds: its program is named, so that it is probed before.
	start_capture case "--source=$source" "--mntns=${container_mntns[$captured]}" \
		"--lib=$go_program"
	if [[ $captured == server ]]; then
		check "$name: exchanges" get -keylog "$W/keys" "$@"
	else
		check "$name: exchanges" get "$@"
	fi
	stop_capture case
	lossless case
	same "$name: what the client got" "$bodies" "$(hashes "$W"/got/*)"
	# One tshark for each case, in turn: all of them see every kind.
	tsharks=("${all_tsharks[n++ % ${#all_tsharks[@]}]}")
	shows_bodies "$name" "$file" "$bodies"
	same "$name: no address is unknown" '' \
		"$(fields "$file" frame.number 'frame.comment contains "address="')"
	if [[ $captured == server && "$*" == *-resume* ]]; then
		# Go logs nothing of a resumed session; its secret is the first one's.
		same "$name: secrets of five handshakes, one master secret" '5 1' \
			"$(secrets "$file" | awk '{ randoms[$2]; masters[$3] }
				END { print length(randoms), length(masters) }')"
	elif [[ $captured == server ]]; then
		shows_secrets "$name" "$file" "$W/keys"
	fi
	if [[ $source == auto ]]; then
		same "$name: genuine records" '' \
			"$(fields "$file" frame.number 'frame.comment contains "view=null-tls"')"
	fi
}

all_tsharks=("${tsharks[@]}")
n=0 servers=0
sides=${E2E_GO_SIDES:-server} # otherwise the client's with every second program
for one in $E2E_GO; do
	version=${one%:*} link=${one#*:}
	if ! go_build "$version" "$link"; then
		printf 'SKIP: %s\n' "$go_missing"
		continue
	fi
	name="Go $version, $link"
	judge_functions "$name" "$go_program"
	address=127.0.0.$((++servers))
	E2E_CONTAINER=server start_go "server-$one" web-server -listen $address:443 \
		-certificate "$W/server.pem" -folder "$W/served"
	for options in '' '-tls1.2' '-http1 -connections 5' '-http1 -tls1.2 -resume'; do
		for captured in $sides; do
			go_case "$name, $captured, ${options:-http2}" auto $captured $options
		done
	done
	[[ $sides == *\ * ]] || sides=$([[ $sides == server ]] && echo client || echo server)
	for options in '-connections 5' '-http1 -tls1.2 -connections 5'; do
		go_case "$name, probes, ${options:-http2}" probes server $options
	done
done
((servers)) || skip 'no Go compiler is there'
finish
