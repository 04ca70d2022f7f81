#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Libraries that log no secrets: mbedTLS 2.28 and 3.6, wolfSSL 5.5 to 5.9. lighttpd as server, a
# small client of ours; TLS 1.2 and 1.3, resumed sessions, many connections at once. Their peers, curl and openssl s_server,
# have key logs: the secrets are the same. What the calls gave and took is what the records hold.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
. "$E2E/lighttpd"
need curl openssl ss lighttpd

make_certificate server rsa
make_body "$W/served/body" 70000
http_response "$W/served/body"
cp "$BUILD/e2e/e2e_other_client" "$W/other_client"
start_s_server s_server_1.2 4412 -HTTP -tls1_2
start_s_server s_server_1.3 4413 -HTTP -tls1_3
port=4420

fetches() # VERSION: from s_server, with the library
{
	in_container "$name" "$W/other_client" "$library" "$1" "44${1/./}" /body.http >"$W/got" \
		2>"$W/client.err" || fail "$name: client, TLS $1: $(cat "$W/client.err")"
	check "$name: client, TLS $1" cmp "$W/got" "$W/served/body"
	expected+=("$W/served/body")
	cat "$W/s_server_$1.keys" >>"$W/keys"
	: >"$W/s_server_$1.keys"
}

# To a client that resumes the session in a second connection.
serves() # VERSION PORT
{
	check "$name: lighttpd, TLS $1" "$PYTHON" -c '
import socket, ssl, sys
keys, port, body = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.keylog_filename = keys
body = open(body, "rb").read()
session = None
for resumed in (False, True):
    with socket.create_connection(("127.0.0.1", int(port)), 30) as plain:
        with context.wrap_socket(plain, session=session) as tls:
            tls.sendall(b"GET /body HTTP/1.1\r\nHost: server.test\r\n\r\n")
            got = b""
            while not got.endswith(body):
                part = tls.recv(65536)
                assert part
                got += part
            assert tls.session_reused == resumed
            session = tls.session
            tls.unwrap().close()
' "$W/keys" "$2" "$W/served/body"
	expected+=("$W/served/body" "$W/served/body")
}

# As a session's secrets are the same on both ends; a client logs no exporter that it needs not.
shows_derived()
{
	local got

	got=$(secrets "$W/case.pcapng")
	same "$name: no secret that its peer does not know" '' \
		"$(comm -13 <(grep -v '^#' "$W/keys" | sort -u) <(printf '%s\n' "$got"))"
	same "$name: its peers' secrets" "$(grep -vE '^#|EXPORTER' "$W/keys" | sort -u)" \
		"$(grep -v EXPORTER <<<"$got")"
}

one() # LIBRARY SUITE CLIENT-VERSIONS [SERVER-VERSIONS]
{
	local library=$1 suite=$2 root=$2 name=$1-$2 version expected=()

	[[ $suite == bookworm ]] && root=/
	if [[ $root != / ]] && ! root_ready "$root"; then
		skipped+="$(root_reason "$root"). "
		return
	fi
	start_container "$name" "$root" own
	port=$((port + 10))
	: >"$W/keys"
	for version in ${4:-}; do
		start_lighttpd "$name" "$library" $((port + ${version#1.})) "TLSv$version"
	done
	start_capture case "--mntns=${container_mntns[$name]}"
	start_capture calls "--mntns=${container_mntns[$name]}" --source=probes --view=plain
	for version in $3; do
		fetches "$version"
	done
	for version in ${4:-}; do
		serves "$version" $((port + ${version#1.}))
	done
	stop_capture case
	stop_capture calls
	lossless case
	lossless calls
	shows_bodies "$name" "$W/case.pcapng" "$(hashes "${expected[@]}")"
	shows_derived
	same "$name: the calls moved what the records hold" "$(talks "$W/case.pcapng" tls)" \
		"$(talks "$W/calls.pcapng" tcp)"
}

# Twenty connections at once: each gets its own secrets, though none says whose it is.
many() # SUITE LIBRARY
{
	local urls=() i

	[[ ${container_pid[$2-$1]:-} ]] || return
	for ((i = 0; i < 40; i++)); do
		urls+=("https://127.0.0.1:$port/body?$i" -o "$W/got.$i")
	done
	start_lighttpd "$2-$1" "$2" $port
	: >"$W/keys"
	start_capture many "--mntns=${container_mntns[$2-$1]}"
	check "$2-$1: twenty connections" env SSLKEYLOGFILE="$W/keys" curl -sS --fail -k --http1.1 \
		-Z --parallel-immediate --parallel-max 20 --max-time "$TIMEOUT" "${urls[@]}"
	stop_capture many
	lossless_but_alerts many # lighttpd throws the last one away
	same "$2-$1: all their secrets" "$(grep -vE '^#|EXPORTER' "$W/keys" | sort -u)" \
		"$(secrets "$W/many.pcapng" | grep -v EXPORTER)"
	same "$2-$1: all answers" 40 "$(count_frames "$W/many.pcapng" 'http.response.code == 200')"
	port=$((port + 1))
}

skipped=
one mbedtls bookworm 1.2 1.2
one wolfssl bookworm '1.2 1.3' '1.2 1.3'
tsharks=(host) # these have shown that they agree
one mbedtls trixie '1.2 1.3' '1.2 1.3'
one mbedtls sid '1.2 1.3' '1.2 1.3'
one wolfssl trixie '1.2 1.3' '1.2 1.3'
one wolfssl sid '1.2 1.3' # no server of this suite is built with it
port=4500
many bookworm mbedtls
many trixie mbedtls
many trixie wolfssl
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
finish
