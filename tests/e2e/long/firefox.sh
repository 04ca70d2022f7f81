#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Firefox, which brings its own NSS (clang, compact relocations): it loads a page with a body from
# this machine over HTTP/2 and TLS 1.3, and over TLS 1.2; bodies, and the secrets that Firefox
# itself logs. apt-get install firefox-esr
. "$(dirname "$(readlink -f "$0")")/../lib.sh"
need nginx openssl certutil
firefox=/usr/lib/firefox-esr
[[ -e $firefox/libxul.so ]] || skip 'firefox-esr is not installed (apt-get install firefox-esr)'

# An authority of its own: Firefox takes no self-signed server.
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout "$W/ca.key" \
	-out "$W/ca.crt" 2>"$W/ca.log" &&
	openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$W/server.key" \
		-out "$W/server.csr" 2>>"$W/ca.log" &&
	openssl x509 -req -in "$W/server.csr" -CA "$W/ca.crt" -CAkey "$W/ca.key" -CAcreateserial \
		-days 30 -extfile <(echo 'subjectAltName=DNS:localhost') -out "$W/server.crt" \
		2>>"$W/ca.log" || die "no certificate: $(cat "$W/ca.log")"
cat "$W/server.key" "$W/server.crt" >"$W/server.pem"
make_body "$W/served/picture" 300000
echo '<!doctype html><img src="picture">words of a page' >"$W/served/page.html"
start_nginx nginx 443
start_nginx nginx-1.2 442 TLSv1.2

mkdir "$W/profile" "$W/home"
certutil -N -d "sql:$W/profile" --empty-password
certutil -A -d "sql:$W/profile" -n authority -t CT,, -i "$W/ca.crt"
# Nothing but the page.
cat >"$W/profile/user.js" <<'END'
user_pref("network.http.http3.enable", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("security.OCSP.enabled", 0);
user_pref("app.update.enabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("services.settings.server", "data:,");
END

start_capture case --comm=firefox-esr "--lib=$firefox/libssl3.so" \
	"--lib=$firefox/libfreeblpriv3.so"
for port in 443 442; do
	check "Firefox from port $port" env HOME="$W/home" SSLKEYLOGFILE="$W/firefox.keys" \
		timeout 90 firefox-esr --headless --no-remote --profile "$W/profile" \
		--screenshot "$W/$port.png" "https://localhost:$port/page.html"
	check "port $port: it saw the page" test -s "$W/$port.png"
done
stop_capture case
lossless case
shows_secrets 'Firefox' "$W/case.pcapng" "$W/firefox.keys"
for file in page.html picture; do
	for suite in "${tsharks[@]}"; do
		rm -rf "$W/objects"
		export_objects "$suite" "$W/case.pcapng" "$W/objects"
		same "$file twice in tshark of $suite" 2 "$(find "$W/objects" -type f \
			-exec sha256sum {} + | grep -c "^$(hashes "$W/served/$file")")"
	done
done
shows_nothing_wrong 'Firefox' "$W/case.pcapng"
finish
