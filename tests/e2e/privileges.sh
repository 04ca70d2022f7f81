#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# The capabilities that a capture needs are enough, as root and as another user; --doctor names
# each one that is missing; a low limit of locked memory that cannot be lifted is no obstacle.
. "$(dirname "$0")/lib.sh"
need curl nginx setpriv prlimit

needed=(bpf perfmon sys_ptrace)
wanted=(checkpoint_restore dac_read_search)
start_container client
start_nginx nginx 443
make_body "$W/served/body" 20000
mkdir "$W/out" && chmod 777 "$W/out"
program=$TLSPCAP
unlimited=
prlimit --memlock=unlimited true 2>"$W/null" && unlimited='prlimit --memlock=unlimited'

# From here on, tlspcap is that user and has those capabilities only. Locked memory is free:
# before Linux 5.11 its limit would count, see the end.
limit() # USER CAPABILITY...
{
	local user=$1 list

	shift
	list=-all$(printf ',+%s' "$@")
	cat >"$W/limited" <<-END
		#!/bin/sh
		exec $unlimited setpriv --reuid=$user --clear-groups --bounding-set=$list --inh-caps=$list \\
			--ambient-caps=$list -- $program "\$@"
	END
	chmod 755 "$W/limited"
	TLSPCAP=$W/limited
}

works() # NAME
{
	rm -f "$W/out/case.pcapng" "$W/keys"
	start_capture case -w "$W/out/case.pcapng" "--mntns=${container_mntns[client]}"
	check "$1: curl" env SSLKEYLOGFILE="$W/keys" nsenter --target "${container_pid[client]}" \
		--mount --pid --root --wdns=/ -- curl -sSk --fail --max-time "$TIMEOUT" --http2 \
		-o "$W/got" https://127.0.0.1/body
	stop_capture case
	# Without the wanted ones, what appears later may be missed, and that is said.
	same "$1: no gap" '' "$(grep LOST "$W/case.said")"
	shows_bodies "$1" "$W/out/case.pcapng" "$(hashes "$W/served/body")"
	shows_secrets "$1" "$W/out/case.pcapng" "$W/keys"
}

# Debian's kernels want CAP_SYS_ADMIN for perf events, unless they are told otherwise.
limit 0 "${needed[@]}"
said=$("$TLSPCAP" --doctor)
able=$?
if grep -q '^note  *privileges  *CAP_SYS_ADMIN is missing: kernel.perf_event_paranoid' <<<"$said"; then
	pass 'kernel.perf_event_paranoid: --doctor says what it takes'
	if ((able == 0)); then
		works 'without any perf event'
	else
		limit 0 "${needed[@]}" sys_admin
		works 'with CAP_SYS_ADMIN'
	fi
	if [[ ! ${E2E_MACHINE:-} ]]; then
		printf 'SKIP: the rest, where kernel.perf_event_paranoid is above 2\n'
		finish
	fi
	sysctl -q kernel.perf_event_paranoid=2
fi
limit 0 "${needed[@]}"
admin=()
if grep -q '^MISSING  *programs  *before Linux 6.2, it takes CAP_SYS_ADMIN' <("$TLSPCAP" --doctor); then
	pass 'the modules of the kernel: --doctor says what it takes'
	# It stands for some of the others, which are then not missing.
	admin=(sys_admin) needed=(sys_ptrace) wanted=(dac_read_search)
fi

limit 0 "${needed[@]}" "${admin[@]}"
works 'root, what is needed'
limit 65534 "${needed[@]}" "${wanted[@]}" "${admin[@]}"
works 'nobody, what is needed and wanted'
check 'nobody: --doctor says that it works' "$TLSPCAP" --doctor

for missing in "${needed[@]}"; do
	rest=("${needed[@]}" "${wanted[@]}")
	rest=("${rest[@]/#$missing/}")
	# shellcheck disable=SC2068 # the one that is missing is empty
	limit 0 ${rest[@]} "${admin[@]}"
	said=$("$TLSPCAP" --doctor)
	same "without $missing: --doctor ends with" 1 $?
	check "without $missing: --doctor names it" \
		grep -iE "^MISSING +privileges +CAP_$missing is missing" <<<"$said"
done
for missing in "${wanted[@]}"; do
	rest=("${needed[@]}" "${wanted[@]}")
	rest=("${rest[@]/#$missing/}")
	# shellcheck disable=SC2068
	limit 0 ${rest[@]} "${admin[@]}"
	check "without $missing: --doctor notes it" \
		grep -iE "^note +privileges +CAP_$missing is missing" <("$TLSPCAP" --doctor)
done

cat >"$W/limited" <<-END
	#!/bin/sh
	exec prlimit --memlock=8388608:8388608 setpriv --bounding-set=-sys_resource \\
		--inh-caps=-sys_resource -- $program "\$@"
END
works 'root without CAP_SYS_RESOURCE, 8 MiB of locked memory'

# The kernel's own limit: before Linux 5.11 it is too low, and that is said.
sed -i 's/8388608:8388608/65536:65536/' "$W/limited"
"$TLSPCAP" -w "$W/none" -- true 2>"$W/none.said"
status=$?
if [[ $(printf '5.11\n%s\n' "$(uname -r)" | sort -V | head -n 1) == 5.11 ]]; then
	same '64 KiB of locked memory: no matter' 0 $status
else
	same '64 KiB of locked memory: exit status' 1 $status
	check '64 KiB of locked memory: it is said' grep 'limit of locked memory (64 KiB) is too low' \
		"$W/none.said"
fi
finish
