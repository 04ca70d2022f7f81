# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# Sourced by every test in this folder: servers, containers, captures and oracles.
#
#	TLSPCAP=build/tlspcap tests/e2e/http.sh
#
# A test runs in a network namespace of its own, so that every port is free and no foreign
# traffic is near. All that it starts is ended, and all its files removed, when it ends;
# E2E_KEEP=1 keeps the files and says where they are. Exit status: 0 passed, 1 failed,
# 77 skipped (the reason is on the line that starts with SKIP).
set -u -o pipefail

E2E=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ENVIRONMENT=$E2E/../env
. "$ENVIRONMENT/roots"

skip()
{
	printf 'SKIP: %s\n' "$*"
	exit 77
}

[[ ${TLSPCAP:-} ]] || skip 'TLSPCAP names no program, as in TLSPCAP=build/tlspcap'
((EUID == 0)) || skip 'needs root'
TLSPCAP=$(readlink -f "$TLSPCAP")
[[ -x $TLSPCAP ]] || { printf 'FAIL  %s is not a program; build it first\n' "$TLSPCAP"; exit 1; }
BUILD=$(dirname "$TLSPCAP")
export TLSPCAP

if [[ ${E2E_NET:-own} == own ]]; then
	exec env E2E_NET=made "E2E_OUTSIDE=/proc/$PPID/ns/net" unshare --net -- bash "$0" "$@"
fi
if [[ $E2E_NET == made ]]; then
	ip link set lo up
	# No client gets a port by chance that Wireshark gives to another protocol than TLS.
	echo 34980,40000,44321-44322,44818,48049,48898,57000 \
		>/proc/sys/net/ipv4/ip_local_reserved_ports
fi

W=$(mktemp -d "/tmp/tlspcap-e2e.XXXXXX") || exit 1
chmod 755 "$W"
mkdir "$W/served" "$W/tmp"
export W TMPDIR=$W/tmp LC_ALL=C.UTF-8
proxies=()
for name in {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY; do
	[[ ${!name:-} ]] && proxies+=("$name=${!name}")
done
unset name
unset SSLKEYLOGFILE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
PYTHON=/usr/bin/python3 # not a user's own, which may link another libssl
TIMEOUT=${E2E_TIMEOUT:-30} # seconds that anything may take to come up or to end
failures=0
processes=()
containers=()

# outside COMMAND...: in the network of who started the test, to fetch what it needs.
outside()
{
	local into=()

	[[ ${E2E_OUTSIDE:-} ]] && into=(nsenter --net="$E2E_OUTSIDE" --)
	"${into[@]}" env "${proxies[@]}" "$@"
}

e2e_end()
{
	local status=$? pid

	trap - EXIT
	exec 2>/dev/null
	# unshare ignores SIGTERM; with it goes all that is in its pid namespace.
	kill -KILL "${containers[@]}"
	kill -TERM "${processes[@]}"
	for pid in "${processes[@]}"; do
		timeout 5 tail --pid="$pid" -s 0.02 -f /dev/null
	done
	kill -KILL "${processes[@]}"
	wait
	if [[ ${E2E_KEEP:-} ]]; then
		printf 'kept: %s\n' "$W"
	else
		rm -rf --one-file-system "$W"
	fi
	exit "$status"
}
trap e2e_end EXIT
trap 'exit 1' INT TERM HUP

# --- results -------------------------------------------------------------------------------

pass()
{
	printf 'ok    %s\n' "$*"
}

# Counts a failure and goes on. What stdin holds (if not a terminal) is not read.
fail()
{
	printf 'FAIL  %s\n' "$*"
	failures=$((failures + 1))
}

# The test cannot go on.
die()
{
	fail "$*"
	exit 1
}

# check NAME COMMAND...: passes when the command succeeds; shows what it said when not.
check()
{
	local name=$1 said

	shift
	if said=$("$@" 2>&1); then
		pass "$name"
	else
		fail "$name"
		printf '%s\n' "$said" | head -n 25 | sed 's/^/      | /'
		return 1
	fi
}

# same NAME EXPECTED GOT
same()
{
	if [[ $2 == "$3" ]]; then
		pass "$1"
	else
		fail "$1"
		diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | head -n 25 | sed 's/^/      | /'
		return 1
	fi
}

# The last line of every test.
finish()
{
	if ((failures)); then
		printf '%d checks failed\n' "$failures"
		exit 1
	fi
	exit 0
}

# own_program NAME: a copy of one of tests/e2e/programs, or of what was built of it, that containers
# see: not every machine's containers have the source tree.
own_program()
{
	local file=$E2E/programs/$1

	[[ -e $file ]] || file=$BUILD/e2e/$1
	cp "$file" "$W/$1" || exit 1
	printf '%s\n' "$W/$1"
}

need() # PROGRAM...
{
	local program

	for program; do
		command -v "$program" >/dev/null ||
			skip "$program is not installed; ${E2E_LACKS:-tools/setup --tests installs it}"
	done
}

# Plaintext of connections that are older than the capture: see docs/kernels.md.
need_multi()
{
	grep -q '^ok  *probes  *uprobe_multi' <("$TLSPCAP" --doctor) ||
		skip 'no uprobe_multi (Linux 6.6): calls on older connections are not probed'
}

# --- processes -----------------------------------------------------------------------------

# start COMMAND...: in the background, ended with the test; its id is in $started.
start()
{
	"$@" &
	started=$!
	processes+=("$started")
}

# A connection attempt either ends or is refused at once on the loopback.
wait_port() # ADDRESS PORT PID
{
	local deadline=$((SECONDS + TIMEOUT))

	until "$PYTHON" -S -c '
import socket, sys, time
end = time.monotonic() + 1
while time.monotonic() < end:
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.005)
sys.exit(1)' "$1" "$2"; do
		kill -0 "$3" 2>/dev/null || die "the server for port $2 ended at once"
		((SECONDS < deadline)) || die "nobody listens on $1 port $2"
	done
}

# --- certificates and bodies ---------------------------------------------------------------

# make_certificate NAME [ec|rsa]: $W/NAME.pem holds key and certificate.
make_certificate()
{
	local kind=(ec -pkeyopt ec_paramgen_curve:prime256v1)

	[[ ${2:-ec} == rsa ]] && kind=(rsa:2048)
	openssl req -x509 -newkey "${kind[@]}" -nodes -days 30 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,DNS:server.test,IP:127.0.0.1,IP:::1' \
		-keyout "$W/$1.key" -out "$W/$1.crt" 2>"$W/$1.log" ||
		die "no certificate: $(cat "$W/$1.log")"
	cat "$W/$1.key" "$W/$1.crt" >"$W/$1.pem"
}

# make_body FILE BYTES: not compressible, and no two alike.
make_body()
{
	head -c "$2" /dev/urandom >"$1"
	[[ $(stat -c %s "$1") == "$2" ]]
}

hashes() # FILE...: their sorted hashes
{
	sha256sum -- "$@" | cut -d' ' -f1 | sort
}

# --- servers -------------------------------------------------------------------------------

# start_nginx NAME [PORT [TLS-VERSIONS]]: serves $W/served, takes PUT; $nginx_pid. In the
# container $E2E_CONTAINER if that is set.
start_nginx()
{
	local name=$1 port=${2:-443} versions=${3:-TLSv1.2 TLSv1.3}

	need nginx
	[[ -e $W/server.pem ]] || make_certificate server
	mkdir -p "$W/$name" && chmod 777 "$W/$name" "$W/served"
	cat >"$W/$name.conf" <<-CONF
		daemon off;
		worker_processes ${E2E_WORKERS:-1};
		user root;
		pid $W/$name/pid;
		error_log $W/$name/error.log;
		events { worker_connections 1024; }
		http {
			access_log $W/$name/access.log;
			client_body_temp_path $W/$name/body;
			proxy_temp_path $W/$name/proxy;
			fastcgi_temp_path $W/$name/fastcgi;
			uwsgi_temp_path $W/$name/uwsgi;
			scgi_temp_path $W/$name/scgi;
			client_max_body_size 0;
			sendfile on;
			default_type application/octet-stream;
			server {
				listen 0.0.0.0:$port ssl http2;
				listen [::]:$port ssl http2;
				ssl_certificate $W/server.crt;
				ssl_certificate_key $W/server.key;
				ssl_protocols $versions;
				${E2E_NGINX_EXTRA:-}
				root $W/served;
				dav_methods PUT;
				create_full_put_path on;
			}
		}
	CONF
	start ${E2E_CONTAINER:+in_container "$E2E_CONTAINER"} \
		nginx -p "$W/$name" -e "$W/$name/error.log" -c "$W/$name.conf"
	nginx_pid=$started
	wait_port 127.0.0.1 "$port" "$nginx_pid"
}

# start_s_server NAME PORT [OPTION...]: openssl s_server; serves whole responses that
# http_response makes. Its key log is $W/NAME.keys; $s_server_pid.
start_s_server()
{
	local name=$1 port=$2

	shift 2
	[[ -e $W/server.pem ]] || make_certificate server
	(cd "$W/served" && exec openssl s_server -accept "$port" -cert "$W/server.crt" \
		-key "$W/server.key" -keylogfile "$W/$name.keys" -quiet "$@" \
		</dev/null >"$W/$name.out" 2>&1) &
	s_server_pid=$!
	processes+=("$s_server_pid")
	wait_port "${E2E_ADDRESS:-127.0.0.1}" "${port##*:}" "$s_server_pid"
}

# http_response BODY-FILE: a file for `s_server -HTTP`, which sends files as they are.
# (With -WWW the body ends with the connection, which tshark 4.0 does not export.)
http_response()
{
	{
		printf 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n'
		printf 'Connection: close\r\nContent-Length: %d\r\n\r\n' "$(stat -c %s "$1")"
		cat "$1"
	} >"$1.http"
}

# --- containers ----------------------------------------------------------------------------

declare -A container_pid container_mntns

# start_container NAME [ROOT [own|shared]]: a mount and pid namespace over a read-only view
# of ROOT (a suite's name, or / for this machine); `own`: with its own copies of libssl and
# libcrypto, which are other files for the kernel.
start_container()
{
	local name=$1 root=${2:-/} libraries=${3:-own} ready=$W/$1.ready line

	if [[ $root != / ]]; then
		root_ready "$root" || skip "$(root_reason "$root")"
		root=$(root_path "$root")
	fi
	mkdir "$W/$name.mount" && mkfifo "$ready" || die "no folder for container $name"
	start unshare --mount --pid --fork --kill-child=KILL --propagation private \
		bash "$E2E/container" "$root" "$libraries" "$W/$name.mount" "$W" "$ready"
	containers+=("$started")
	exec {fd}<>"$ready"
	IFS= read -r -t "$TIMEOUT" -u "$fd" line || die "container $name did not start"
	exec {fd}<&-
	[[ $line == ready ]] || die "container $name: $line"
	container_pid[$name]=$(pgrep -P "$started") || die "container $name ended"
	container_mntns[$name]=$(stat -L -c %i "/proc/${container_pid[$name]}/ns/mnt")
}

# in_container NAME COMMAND...: inside, with this machine's environment.
in_container()
{
	local pid=${container_pid[$1]}

	shift
	nsenter --target "$pid" --mount --pid --root --wdns=/ -- "$@"
}

# --- captures ------------------------------------------------------------------------------

# start_capture NAME ARGUMENT...: writes $W/NAME.pcapng (unless the arguments have -w);
# returns when every probe is in place. What it says goes to $W/NAME.said.
declare -A capture_pid capture_reader
start_capture()
{
	local name=$1 fifo=$W/$1.stderr line ready= where=(-w "$W/$1.pcapng") fd

	shift
	[[ " $* " == *' -w '* ]] && where=()
	rm -f "$fifo" && mkfifo "$fifo"
	# A shell lets its background programs ignore SIGINT.
	env --default-signal=INT,QUIT "$TLSPCAP" "${where[@]}" "$@" \
		2>"$fifo" >"$W/$name.stdout" &
	capture_pid[$name]=$!
	processes+=($!)
	exec {fd}<"$fifo"
	: >"$W/$name.said"
	while IFS= read -r -t "$TIMEOUT" -u "$fd" line; do
		printf '%s\n' "$line" >>"$W/$name.said"
		if [[ $line == 'tlspcap: capturing'* ]]; then
			ready=1
			break
		fi
	done
	if [[ ! $ready ]]; then
		sed 's/^/      | /' "$W/$name.said"
		die "tlspcap $* did not begin to capture"
	fi
	cat <&"$fd" >>"$W/$name.said" &
	capture_reader[$name]=$!
	processes+=($!)
	exec {fd}<&-
}

# end_capture NAME: waits for it; its exit status is in $capture_status.
end_capture()
{
	timeout "$TIMEOUT" tail --pid="${capture_pid[$1]}" -s 0.05 -f /dev/null ||
		die "tlspcap did not end within $TIMEOUT seconds"
	wait "${capture_pid[$1]}"
	capture_status=$?
	wait "${capture_reader[$1]}"
}

# stop_capture NAME [STATUS]: SIGINT, and expects the status (0).
stop_capture()
{
	kill -INT "${capture_pid[$1]}" 2>/dev/null
	end_capture "$1"
	if [[ $capture_status != "${2:-0}" ]]; then
		fail "tlspcap ended with $capture_status instead of ${2:-0}"
		sed 's/^/      | /' "$W/$1.said"
	fi
}

. "$E2E/oracle.sh"
