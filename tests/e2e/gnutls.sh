#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The GnuTLS of each Debian suite (3.7.1, 3.7.9, 3.8.9, 3.8.13): wget and gnutls-cli as clients,
# lighttpd and gnutls-serv as servers, each end captured on its own; TLS 1.2 and 1.3,
# resumption, 0-RTT. What the library's calls gave and took is what the records hold.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
. "$E2E/lighttpd"
need curl nginx openssl ss gnutls-cli wget lighttpd

make_body "$W/served/one" 300000
make_body "$W/served/two" 100
make_certificate server rsa
start_nginx nginx 443
start_nginx nginx-1.2 442 TLSv1.2
echo early-words >"$W/early"
only12=NORMAL:-VERS-ALL:+VERS-TLS1.2
only13=NORMAL:-VERS-ALL:+VERS-TLS1.3

# A line to gnutls-serv, which sends it back, over a connection that is the second one of
# gnutls-cli: resumed. TEXT OPTION...
echoes()
{
	local text=$1 in

	shift
	rm -f "$W/cli.in" && mkfifo "$W/cli.in"
	: >"$W/cli.out"
	in_container "$client" env SSLKEYLOGFILE="$W/client.keys" gnutls-cli --insecure --resume \
		--sni-hostname=server.test -p "$port" 127.0.0.1 "$@" \
		<"$W/cli.in" >"$W/cli.out" 2>&1 &
	processes+=($!)
	exec {in}>"$W/cli.in"
	printf '%s\n' "$text" >&"$in"
	timeout "$TIMEOUT" grep -qm1 "^$text" <(exec {in}>&-
		tail -n +1 -F "$W/cli.out" 2>&1) ||
		fail "gnutls-cli heard no $text"
	exec {in}>&-
	wait "${processes[-1]}" || fail "gnutls-cli failed: $(tail -n 3 "$W/cli.out")"
	check "$text: it was resumed" grep -q 'This is a resumed session' "$W/cli.out"
}

gets() # NAME PORT
{
	check "$client: wget from port $2" in_container "$client" env \
		SSLKEYLOGFILE="$W/client.keys" wget -q --no-check-certificate -T "$TIMEOUT" \
		-O "$W/got" "https://127.0.0.1:$2/$1"
}

# Beside the library's own key log, which lacks it, the one of the resumed TLS 1.2.
secrets_of() # END
{
	local logged

	logged=$(sort -u "$W/$1.keys" | grep -v '^#')
	same "$name, $1: the library's own secrets" "$logged" \
		"$(secrets "$W/$1.pcapng" | comm -12 - <(printf '%s\n' "$logged"))"
	resumed=$(secrets "$W/$1.pcapng" | comm -23 - <(printf '%s\n' "$logged"))
	check "$name, $1: one more, of the resumed TLS 1.2" \
		grep -qxE 'CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}' <<<"$resumed"
	same "$name, $1: with a master secret that it logged" 1 \
		"$(grep -c "^CLIENT_RANDOM .* ${resumed##* }\$" <<<"$logged")"
}

one_suite() # SUITE
{
	local name=${1/\//bookworm} end text version lighttpd=
	local client=client-$name server=server-$name
	local words=(words-of-1.2 words-of-1.3)

	port=$((port + 2))

	start_container "$client" "$1" own
	start_container "$server" "$1" own
	rm -f "$W"/{client,server}.keys
	printf '      %s: %s\n' "$name" "$(in_container "$client" gnutls-cli --version | head -n 1)"
	start in_container "$server" env SSLKEYLOGFILE="$W/server.keys" gnutls-serv -q --echo \
		--earlydata --maxearlydata 16384 --x509keyfile "$W/server.key" \
		--x509certfile "$W/server.crt" -p $port >"$W/serv.out" 2>&1
	listening $port "$started"
	# bullseye's lighttpd has no such module; sid's asks for a group that its GnuTLS lacks.
	if [[ $name == bookworm || $name == trixie ]]; then
		E2E_KEYLOG=$W/server.keys start_lighttpd "$server" gnutls $((port + 1))
		lighttpd=yes
	fi
	for end in client server; do
		start_capture $end "--mntns=${container_mntns[${!end}]}"
		start_capture $end-probes "--mntns=${container_mntns[${!end}]}" --source=probes \
			--view=plain
	done
	gets one 443
	gets two 442
	if [[ $lighttpd ]]; then
		for version in 1.2 1.3; do
			check "$name: curl from lighttpd, TLS $version" curl -sS --fail -k \
				--http1.1 "--tlsv$version" --tls-max $version -o "$W/got" \
				--max-time "$TIMEOUT" "https://127.0.0.1:$((port + 1))/one"
		done
	fi
	echoes words-of-1.2 --priority $only12
	echoes words-of-1.3 --priority $only13 --waitresumption
	# 3.8.9's gnutls-cli gives up when it should send early data, captured or not.
	if [[ $name != trixie ]]; then
		echoes words-after-early --priority $only13 --waitresumption --earlydata "$W/early"
		words+=(words-after-early early-words)
	fi
	for end in client server; do
		stop_capture $end
		stop_capture $end-probes
		lossless $end
		lossless $end-probes
	done

	shows_bodies "$name, wget" "$W/client.pcapng" \
		"$(hashes "$W/served/one" "$W/served/two")"
	[[ $lighttpd ]] && shows_bodies "$name, lighttpd" "$W/server.pcapng" \
		"$(hashes "$W/served/one" "$W/served/one")"
	secrets_of client
	client_resumed=$resumed
	secrets_of server
	same "$name: both ends have the same one" "$client_resumed" "$resumed"
	for end in client server; do
		talks "$W/$end.pcapng" tls >"$W/records"
		same "$name, $end: the calls moved what the records hold" "$(cat "$W/records")" \
			"$(talks "$W/$end-probes.pcapng" tcp)"
		for text in "${words[@]}"; do
			contains "$W/$end.pcapng" $text && pass "$name, $end: $text" ||
				fail "$name, $end: no $text"
		done
	done
	tsharks=(host) # the first suite has shown that they agree
}

skipped=
port=4430
suites=(/ bullseye trixie sid)
[[ ${E2E_SHORT:-} ]] && suites=(/)
for suite in "${suites[@]}"; do
	if [[ $suite != / ]] && ! root_ready "$suite"; then
		skipped+="$(root_reason "$suite"). "
		continue
	fi
	one_suite "$suite"
done
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
finish
