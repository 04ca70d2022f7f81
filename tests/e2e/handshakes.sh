#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Every kind of handshake, as genuine records: both ends captured on their own at the same
# time; every tshark shows the same, messages that are encrypted on the wire included.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
need curl nginx openssl ss rev

make_certificate server rsa
make_certificate client
start_container client
start_container server
printf 'GET /early HTTP/1.1\r\nHost: server.test\r\n\r\n' >"$W/early"
echo early >"$W/served/early"
echo late >"$W/served/late"

# --- servers, all before the captures begin ---------------------------------------------------

start_server full_13 4401 -rev -tls1_3
start_server resumed_13 4402 -rev -tls1_3
start_server retry_13 4403 -rev -tls1_3 -groups P-384
start_server update_13 4404 -rev -tls1_3
start_server updated_13 4405 -tls1_3
start_server certificate_13 4406 -rev -tls1_3 -verify 1
E2E_NGINX_EXTRA='ssl_early_data on;' start_nginx early_13 4407
start_server full_12 4411 -rev -tls1_2
start_server ticket_12 4412 -rev -tls1_2
start_server id_12 4413 -rev -tls1_2 -no_ticket
start_server renegotiate_12 4414 -rev -tls1_2 -client_renegotiation
start_server renegotiated_12 4415 -tls1_2
start_server certificate_12 4416 -rev -tls1_2 -verify 1
start_server rsa_12 4417 -rev -tls1_2 -cipher AES128-SHA256
start_server unknown_ca_13 4421 -rev -tls1_3
start_server unknown_ca_12 4422 -rev -tls1_2
start_server version 4423 -rev -tls1_3
start_server no_cipher 4424 -rev -tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384
start_server demanding_13 4425 -rev -tls1_3 -Verify 1
start_server demanding_12 4426 -rev -tls1_2 -Verify 1

# Takes a connection's first bytes, says so, and then does what its name says.
cat >"$W/rude" <<'END'
import socket, struct, sys
how, port = sys.argv[1], int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", port))
one = listener.accept()[0]
assert one.recv(65536)
if how == "reset":
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
elif how == "silent":
    print("heard", flush=True)
    one.recv(65536)
one.close()
END
start_rude() # HOW PORT
{
	mkfifo "$W/$1.fifo"
	exec {rude_out}<>"$W/$1.fifo"
	start "$PYTHON" -S "$W/rude" "$1" "$2" >"$W/$1.fifo"
	listening "$2" "$started"
}
start_rude closes 4431
start_rude reset 4432
start_rude silent 4433

# --- connections ------------------------------------------------------------------------------

start_shown client "--mntns=${container_mntns[client]}"
start_shown server "--mntns=${container_mntns[server]}"

client_once 4401 full -tls1_3
client_once 4402 first -sess_out "$W/session.13"
client_once 4402 second -sess_in "$W/session.13"
client_once 4403 retried -groups X25519:P-384

client_begin 4404 # K asks the other side for new keys as well
client_says old-keys && client_does k KEYUPDATE && client_says new-keys-of-client &&
	client_does K KEYUPDATE && client_says new-keys-of-both
client_end

client_begin 4405 -msg
client_hears 'NewSessionTicket' && client_hears 'NewSessionTicket' &&
	server_says updated_13 old-keys && server_does updated_13 k KeyUpdate &&
	server_says updated_13 new-keys-of-server && server_does updated_13 K KeyUpdate &&
	server_says updated_13 new-keys-of-both &&
	echo new-keys-of-client >&"$client_in" && server_heard updated_13 new-keys-of-client
client_end

client_once 4406 with-certificate -cert "$W/client.crt" -key "$W/client.key"

client_gets() # PATH BODY
{
	printf 'GET /%s HTTP/1.1\r\nHost: server.test\r\n\r\n' "$1" >&"$client_in"
	client_hears "$2"
}
client_begin 4407 -sess_out "$W/session.early" -tls1_3
client_gets late late
client_end
client_begin 4407 -sess_in "$W/session.early" -early_data "$W/early"
client_hears early && client_gets late late
client_end
check '0-RTT was accepted' grep -q 'Early data was accepted' "$W/client.out"

client_once 4411 full -tls1_2
client_once 4412 first -sess_out "$W/session.ticket" -tls1_2
client_once 4412 second -sess_in "$W/session.ticket" -tls1_2
client_once 4413 first -sess_out "$W/session.id" -tls1_2
client_once 4413 second -sess_in "$W/session.id" -tls1_2

client_begin 4414 -tls1_2
client_says first && client_does R RENEGOTIATING && client_says second
client_end

client_begin 4415 -tls1_2 -msg
client_hears Finished && client_hears Finished && server_says renegotiated_12 first &&
	server_does renegotiated_12 r HelloRequest && client_hears Finished &&
	client_hears Finished && server_says renegotiated_12 second
client_end

client_once 4416 with-certificate -cert "$W/client.crt" -key "$W/client.key" -tls1_2
client_once 4417 without-ecdhe -tls1_2

# refuses NAME EXIT-STATUS COMMAND...
refuses()
{
	local name=$1 status=$2 got

	shift 2
	"$@" >"$W/curl.out" 2>&1
	got=$?
	same "$name: curl does not accept the certificate" "$status" "$got"
}
for port in 4421 4422; do # without --insecure
	SSLKEYLOGFILE=$W/client.keys refuses "port $port" 60 in_container client curl -sS \
		--max-time "$TIMEOUT" --resolve "server.test:$port:127.0.0.1" \
		"https://server.test:$port/"
done

client_fails() # PORT TEXT [OPTION...]
{
	local port=$1 text=$2

	shift 2
	client_begin "$port" "$@"
	client_hears "$text"
	client_end
}
client_fails 4423 'alert protocol version' -tls1_2
client_fails 4424 'alert handshake failure' -tls1_2 -cipher AES128-SHA256
client_fails 4425 'alert certificate required' -tls1_3
client_fails 4426 'alert handshake failure' -tls1_2

client_fails 4431 'unexpected eof'
client_fails 4432 'errno=104'
client_begin 4433
read -r -t "$TIMEOUT" -u "$rude_out" _ || fail 'the silent server heard nothing'
kill -KILL "$(last_child "$client_pid")"
client_end 2>/dev/null

# --- what is shown ----------------------------------------------------------------------------

stop_shown client
stop_shown server
lossless client
lossless server

server_13='server_hello encrypted_extensions certificate:server certificate_verify finished'
asking_13=${server_13/certificate:/certificate_request certificate:}
client_12='client_hello client_key_exchange finished'
server_12='server_hello certificate:server server_key_exchange server_hello_done ticket finished'
asking_12=${server_12/server_hello_done/certificate_request server_hello_done}

# Lines with < are at the client's end only, with > at the server's. OpenSSL does not read what
# follows on a message that it does not like; no record of nginx' other end is in a capture.
cat >"$W/expected" <<END
4401.1 view=tls
4401.1 names: server.test
4401.1 client: client_hello finished
4401.1 server: $server_13 ticket ticket
4401.1 client said: full|
4401.1 server said: lluf|
4402.1 view=tls
4402.1 names: server.test
4402.1 client: client_hello finished
4402.1 server: $server_13 ticket ticket
4402.1 client said: first|
4402.1 server said: tsrif|
4402.2 view=tls
4402.2 names: server.test
4402.2 client: client_hello finished
4402.2 server: server_hello encrypted_extensions finished ticket
4402.2 client said: second|
4402.2 server said: dnoces|
4403.1 view=tls
4403.1 names: server.test server.test
4403.1 client: client_hello client_hello finished
4403.1 server: server_hello $server_13 ticket ticket
4403.1 client said: retried|
4403.1 server said: deirter|
4404.1 view=tls
4404.1 names: server.test
4404.1 client: client_hello finished key_update key_update
4404.1 server: $server_13 ticket ticket key_update
4404.1 client said: old-keys|new-keys-of-client|new-keys-of-both|
4404.1 server said: syek-dlo|tneilc-fo-syek-wen|htob-fo-syek-wen|
4405.1 view=tls
4405.1 names: server.test
4405.1 client: client_hello finished key_update
4405.1 server: $server_13 ticket ticket key_update key_update
4405.1 client said: new-keys-of-client|
4405.1 server said: old-keys|new-keys-of-server|new-keys-of-both|
4406.1 view=tls
4406.1 names: server.test
4406.1 client: client_hello certificate:client certificate_verify finished
4406.1 server: $asking_13 ticket ticket
4406.1 client said: with-certificate|
4406.1 server said: etacifitrec-htiw|
< 4407.1 view=tls
< 4407.1 names: server.test
< 4407.1 client: client_hello finished
< 4407.1 server: $server_13 ticket ticket
< 4407.1 server said: late|
< 4407.1 http: /late 200
< 4407.2 view=tls
< 4407.2 names: server.test
< 4407.2 client: client_hello end_of_early_data finished
< 4407.2 server: server_hello encrypted_extensions finished ticket
< 4407.2 server said: early|late|
< 4407.2 http: /early 200 /late 200
4411.1 view=tls
4411.1 names: server.test
4411.1 client: $client_12
4411.1 server: $server_12
4411.1 client said: full|
4411.1 server said: lluf|
4412.1 view=tls
4412.1 names: server.test
4412.1 client: $client_12
4412.1 server: $server_12
4412.1 client said: first|
4412.1 server said: tsrif|
4412.2 view=tls
4412.2 names: server.test
4412.2 client: client_hello finished
4412.2 server: server_hello finished
4412.2 client said: second|
4412.2 server said: dnoces|
4413.1 view=tls
4413.1 names: server.test
4413.1 client: $client_12
4413.1 server: ${server_12/ticket /}
4413.1 client said: first|
4413.1 server said: tsrif|
4413.2 view=tls
4413.2 names: server.test
4413.2 client: client_hello finished
4413.2 server: server_hello finished
4413.2 client said: second|
4413.2 server said: dnoces|
4414.1 view=tls
4414.1 names: server.test server.test
4414.1 client: $client_12 $client_12
4414.1 server: $server_12 $server_12
4414.1 client said: first|second|
4414.1 server said: tsrif|dnoces|
4415.1 view=tls
4415.1 names: server.test server.test
4415.1 client: $client_12 client_hello finished
4415.1 server: $server_12 hello_request server_hello finished
4415.1 server said: first|second|
4416.1 view=tls
4416.1 names: server.test
4416.1 client: client_hello certificate:client client_key_exchange certificate_verify finished
4416.1 server: $asking_12
4416.1 client said: with-certificate|
4416.1 server said: etacifitrec-htiw|
4417.1 view=tls
4417.1 names: server.test
4417.1 client: $client_12
4417.1 server: ${server_12/server_key_exchange /}
4417.1 client said: without-ecdhe|
4417.1 server said: ehdce-tuohtiw|
4421.1 view=tls
4421.1 names: server.test
4421.1 client: client_hello
< 4421.1 server: server_hello encrypted_extensions certificate:server
> 4421.1 server: $server_13
4421.1 alerts: client:unknown_ca
4422.1 view=tls
4422.1 names: server.test
4422.1 client: client_hello
< 4422.1 server: server_hello certificate:server
> 4422.1 server: server_hello certificate:server server_key_exchange server_hello_done
4422.1 alerts: client:unknown_ca
4423.1 view=tls
4423.1 names: server.test
4423.1 client: client_hello
4423.1 alerts: server:protocol_version
4424.1 view=tls
4424.1 names: server.test
4424.1 client: client_hello
4424.1 alerts: server:handshake_failure
4425.1 view=tls
4425.1 names: server.test
4425.1 client: client_hello certificate:none finished
4425.1 server: $asking_13
4425.1 alerts: server:certificate_required
4426.1 view=tls
4426.1 names: server.test
< 4426.1 client: client_hello certificate:none client_key_exchange finished
> 4426.1 client: client_hello certificate:none client_key_exchange
4426.1 server: ${asking_12/ ticket finished/}
4426.1 alerts: server:handshake_failure
< 4431.1 view=tls
< 4431.1 names: server.test
< 4431.1 client: client_hello
< 4431.1 alerts: client:decode_error
< 4432.1 view=tls
< 4432.1 names: server.test
< 4432.1 client: client_hello
< 4433.1 view=tls
< 4433.1 names: server.test
< 4433.1 client: client_hello
END

expected_at() # client|server
{
	local other='>'

	[[ $1 == server ]] && other='<'
	grep -v "^$other" "$W/expected" | sed 's/^[<>] //'
}

for end in client server; do
	for suite in "${tsharks[@]}"; do
		for from in piped filed; do
			# There are no secrets when a handshake fails before they are made.
			same "$end, tshark of $suite, $from" "$(expected_at $end)" \
				"$(summary "$W/$end.$suite.$from" |
					sed '/^44[23]/s/ secrets=missing$//')"
		done
	done
	# The RSA line is the premaster secret, which nobody needs besides CLIENT_RANDOM.
	sed -i '/^RSA /d' "$W/$end.keys"
	shows_secrets $end "$W/$end.pcapng" "$W/$end.keys"
	sound $end "$W/$end.pcapng"
done
[[ $tshark_missing ]] && printf 'SKIP: %s\n' "$tshark_missing"
finish
