#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# rustls inside Deno and workerd, as server and as client, with OpenSSL at the other end, which
# writes the key log; TLS 1.2 and 1.3, resumption, many handshakes at the same time. There are no
# plaintext calls to probe: all that is seen comes from genuine records.
. "$(dirname "$0")/lib.sh"
. "$E2E/talk"
. "$ENVIRONMENT/npm"
need curl openssl ss

MANY=20

# No authority's own certificate: rustls does not take one from a server.
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
	-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
	-addext 'basicConstraints=critical,CA:FALSE' \
	-keyout "$W/server.key" -out "$W/server.crt" 2>"$W/server.log" || die 'no certificate'
make_body "$W/served/one" 200000
make_body "$W/served/two" 30000
http_response "$W/served/two"
printf 'GET /one HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >"$W/ask"

cat >"$W/serve.js" <<'END'
const [folder, port] = Deno.args;
Deno.serve({hostname: "127.0.0.1", port: Number(port), cert: Deno.readTextFileSync(folder + "/server.crt"),
	key: Deno.readTextFileSync(folder + "/server.key")},
	() => new Response(Deno.readFileSync(folder + "/served/one")));
END
cat >"$W/fetch.js" <<'END'
const [url, times] = Deno.args;
for (let i = 0; i < times; i++) {
	const answer = await fetch(url);
	console.log((await answer.arrayBuffer()).byteLength);
}
END
cat >"$W/worker.js" <<'END'
addEventListener("fetch", event => event.respondWith(answer(new URL(event.request.url))));
async function answer(url) {
	const port = url.pathname.slice(1);
	return await fetch("https://127.0.0.1:" + port + "/two.http");
}
END
cat >"$W/worker.capnp" <<'END'
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
	services = [(name = "main", worker = .main),
		(name = "internet", network = (allow = ["local"],
			tlsOptions = (trustedCertificates = [embed "server.crt"])))],
	sockets = [(name = "https", address = "127.0.0.1:4490", service = "main",
		https = (options = (), tlsOptions = (keypair =
			(privateKey = embed "server.key", certificateChain = embed "server.crt"))))]);
const main :Workerd.Worker =
	(serviceWorkerScript = embed "worker.js", compatibilityDate = "2024-01-01");
END

# The server's end: NAME PORT [OPTION...], a whole conversation of s_client.
asks()
{
	local name=$1 port=$2

	shift 2
	timeout "$TIMEOUT" openssl s_client -connect "127.0.0.1:$port" -quiet \
		-keylogfile "$W/server.keys" "$@" <"$W/ask" >"$W/got" 2>"$W/got.err"
	check "$name: $*" grep -qa '^HTTP/1.1 200' "$W/got"
}

with_deno()
{
	local version

	export DENO_DIR=$W/deno DENO_NO_UPDATE_CHECK=1
	start in_container server "$1" run -A "$W/serve.js" "$W" 4480 >"$W/deno.out" 2>&1
	listening 4480 "$started"
	# The client's program, which is found before its first handshake.
	start in_container client "$1" run -A "$W/serve.js" "$W" 4481 >"$W/idle.out" 2>&1
	listening 4481 "$started"
	start_s_server client13 4482 -HTTP -tls1_3
	start_s_server client12 4483 -HTTP -tls1_2
	start_capture server "--mntns=${container_mntns[server]}"
	start_capture client "--mntns=${container_mntns[client]}"
	for version in 1_3 1_2; do
		asks 'deno, server' 4480 -tls$version -sess_out "$W/session.$version"
		asks 'deno, server' 4480 -tls$version -sess_in "$W/session.$version"
		check "deno, client: TLS $version" in_container client timeout "$TIMEOUT" "$1" run \
			-A --unsafely-ignore-certificate-errors "$W/fetch.js" \
			"https://localhost:448$([[ $version == 1_3 ]] && echo 2 || echo 3)/two.http" 3
	done
	SSLKEYLOGFILE=$W/server.keys check "deno, server: $MANY at once" curl -sS --fail -k \
		--parallel --parallel-immediate --parallel-max $MANY --http1.1 \
		-H 'Connection: close' -o "$W/got.#1" "https://127.0.0.1:4480/[1-$MANY]"
	stop_capture server
	stop_capture client
	lossless server
	lossless client
	shows_bodies 'deno, server' "$W/server.pcapng" "$(for ((i = 0; i < MANY + 4; i++)); do
		hashes "$W/served/one"; done)"
	# rustls derives one for early data that nobody sends.
	same 'deno, server: secrets' "$(grep -v '^#' "$W/server.keys" | sort -u)" \
		"$(secrets "$W/server.pcapng" | grep -v ^CLIENT_EARLY)"
	shows_bodies 'deno, client' "$W/client.pcapng" "$(for _ in 1 2 3 4 5 6; do
		hashes "$W/served/two"; done)"
	shows_secrets 'deno, client' "$W/client.pcapng" "$W/client13.keys" "$W/client12.keys"
	"$TLSPCAP" --list "--mntns=${container_mntns[server]}" >"$W/list" 2>&1
	check 'deno: --list says why there is no plaintext' \
		grep -q 'part of the program.s own code' "$W/list"
}

# One capture with both ends of workerd in it: it fetches what it is asked for.
with_workerd()
{
	rm -f "$W"/*.keys
	start in_container server "$1" serve "$W/worker.capnp" >"$W/workerd.out" 2>&1
	listening 4490 "$started"
	start_s_server worker13 4492 -HTTP -tls1_3
	start_s_server worker12 4493 -HTTP -tls1_2
	start_capture worker "--mntns=${container_mntns[server]}"
	for port in 4492 4493; do
		SSLKEYLOGFILE=$W/curl.keys check "workerd: fetches from $port" curl -sS --fail -k \
			--http1.1 -o "$W/got" "https://127.0.0.1:4490/$port"
		check "workerd: the whole body from $port" cmp "$W/served/two" "$W/got"
	done
	SSLKEYLOGFILE=$W/curl.keys check 'workerd, server: TLS 1.2' curl -sS --fail -k --http1.1 \
		--tls-max 1.2 -o "$W/got" "https://127.0.0.1:4490/4492"
	stop_capture worker
	lossless_but_alerts worker
	# It may close a connection without reading the other side's last alert: no body, but a gap.
	export_objects host "$W/worker.pcapng" "$W/objects"
	same 'workerd: bodies' "$(for _ in 1 2 3 4 5 6; do hashes "$W/served/two"; done)" \
		"$(find "$W/objects" -type f -exec sha256sum {} + | cut -d' ' -f1 | sort)"
	sound workerd "$W/worker.pcapng"
	shows_secrets workerd "$W/worker.pcapng" "$W"/*.keys
}

start_container server
start_container client
skipped=
if deno=$(npm_file @deno/linux-x64-glibc deno 2>"$W/npm.err"); then
	with_deno "$deno"
else
	skipped+="deno: $(tail -n 1 "$W/npm.err"). "
fi
tsharks=(host)
if workerd=$(npm_file @cloudflare/workerd-linux-64 bin/workerd 2>"$W/npm.err"); then
	with_workerd "$workerd"
else
	skipped+="workerd: $(tail -n 1 "$W/npm.err"). "
fi
[[ $skipped ]] && printf 'SKIP: %s\n' "$skipped"
[[ ${deno:-}${workerd:-} ]] || exit 77
finish
