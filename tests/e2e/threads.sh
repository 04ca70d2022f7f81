#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Servers that do many connections at once: nginx with two workers, Apache with its event MPM,
# and one of our own that hands each connection to another thread after every TLS call. 50
# connections at once: every byte is on its own socket, with both plans.
. "$(dirname "$0")/lib.sh"
. "$E2E/tokens"
need nginx

connections=50
[[ ${E2E_SHORT:-} ]] && connections=8
make_certificate server
start_container server

# both NAME PORT [put]: with both plans. The client is not captured.
both()
{
	local source name

	for source in auto probes; do
		name="$1, --source=$source"
		start_capture case "--source=$source" "--mntns=${container_mntns[server]}"
		check "$name: exchanges" run_client "$2" ${3:-}
		stop_capture case
		lossless case
		shows_exchanges "$name" "$W/case.pcapng" "$W/exchanged" "$2"
	done
}

run_client() # PORT [put]
{
	timeout $((2 * TIMEOUT)) "$PYTHON" "$E2E/programs/exchange.py" client "$1" "$connections" ${2:-} \
		>"$W/exchanged"
}

E2E_CONTAINER=server E2E_WORKERS=2 start_nginx nginx 443
both nginx 443 put

apache()
{
	local modules=/usr/lib/apache2/modules module

	mkdir -p "$W/apache" "$W/dav" && chmod 777 "$W/apache" "$W/dav"
	{
		for module in mpm_event authz_core dav dav_fs dav_lock ssl unixd; do
			[[ -e $modules/mod_$module.so ]] &&
				printf 'LoadModule %s_module %s\n' "$module" "$modules/mod_$module.so"
		done
		cat <<-CONF
			ServerRoot $W/apache
			ServerName server.test
			PidFile $W/apache/pid
			DefaultRuntimeDir $W/apache
			Mutex file:$W/apache
			ErrorLog $W/apache/error.log
			User www-data
			Group www-data
			# More threads than connections: a busy Apache closes idle ones early.
			ServerLimit 2
			StartServers 2
			ThreadsPerChild 64
			MaxRequestWorkers 128
			MinSpareThreads 1
			MaxSpareThreads 128
			KeepAliveTimeout 60
			Listen 127.0.0.1:8443
			DocumentRoot $W/dav
			DavLockDB $W/apache/lock
			<VirtualHost *:8443>
				SSLEngine on
				SSLCertificateFile $W/server.crt
				SSLCertificateKeyFile $W/server.key
				<Directory $W/dav>
					Dav on
					Require all granted
				</Directory>
			</VirtualHost>
		CONF
	} >"$W/apache.conf"
	start in_container server apache2 -f "$W/apache.conf" -DFOREGROUND
	wait_port 127.0.0.1 8443 "$started"
}

if command -v apache2 >/dev/null; then
	apache
	both Apache 8443 put
else
	printf 'SKIP: apache2 is not installed; the package apache2-bin has it\n'
fi

start in_container server "$(own_program e2e_relay)" 9443 "$W/server.pem" 4
wait_port 127.0.0.1 9443 "$started"
both 'threads' 9443
finish
