#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Chromium, 290 MB with BoringSSL inside and no symbols, loads a page and what belongs to it:
# HTTP/2, decrypted, with the secrets that Chromium itself logs. tests/env/prepare browser
# fetches it.
. "$(dirname "$0")/../lib.sh"
need nginx

chromium=/usr/lib/chromium/chromium
flags=(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage
	--disable-background-networking --disable-component-update --disable-sync
	--ignore-certificate-errors)

# browse NAME ARGUMENT...: in the container, as a user of its own.
browse()
{
	in_container browser env HOME="$W/$1" SSLKEYLOGFILE="$W/$1.keys" \
		timeout 60 "$chromium" "${flags[@]}" --user-data-dir="$W/$1" "${@:2}"
}

start_container browser browser shared
start_nginx nginx 443
make_body "$W/served/one" 300000
make_body "$W/served/two" 20000
cat >"$W/served/page.html" <<'PAGE'
<!doctype html><title>waiting</title><link rel="icon" href="data:,"><script>
async function load(name) {
	const body = await (await fetch(name)).arrayBuffer();
	const hash = await crypto.subtle.digest('SHA-256', body);
	const hex = Array.from(new Uint8Array(hash), (b) => b.toString(16).padStart(2, '0'));
	document.body.append(`${hex.join('')} `);
}
Promise.all(['one', 'two'].map(load)).then(() => { document.title = 'complete'; });
</script><body></body>
PAGE

# The library is found when somebody runs the program that has it inside.
start browse waits --remote-debugging-port=9222 about:blank >"$W/waits.out" 2>&1
wait_port 127.0.0.1 9222 "$started"
began=$(date +%s%N)
start_capture case -v "--mntns=${container_mntns[browser]}"
printf '      the capture was ready after %d ms\n' $((($(date +%s%N) - began) / 1000000))
check 'the program file is probed' grep "probing .*$chromium .*BoringSSL.*records and secrets" \
	"$W/case.said"

browse loads --virtual-time-budget=20000 --dump-dom https://localhost/page.html \
	>"$W/page" 2>"$W/loads.err" || fail 'chromium failed'
same 'the page is complete' "$(hashes "$W"/served/{one,two})" \
	"$(grep -oE '[0-9a-f]{64}' "$W/page" | sort)"
stop_capture case
file=$W/case.pcapng
tail -n 1 "$W/case.said" | sed 's/^/      /'
lossless case
shows_bodies 'page' "$file" "$(hashes "$W"/served/{page.html,one,two})"
same 'secrets' "$(grep -v '^#' "$W/loads.keys" | sort -u)" "$(secrets "$file")"
finish
