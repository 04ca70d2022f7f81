#!/bin/bash
# SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
# --doctor, and what is said on kernels that lack what is needed. No such kernel is at hand, so
# a library in front of libc gives their answers.
. "$(dirname "$0")/lib.sh"
need gcc unshare

check '--doctor: this machine can' "$TLSPCAP" --doctor
said=$("$TLSPCAP" --doctor)
for topic in BTF privileges programs probes memory hooks; do
	check "--doctor: has $topic" grep -qE "^(ok|note) +$topic " <<<"$said"
done
check '--doctor: the last line is the verdict' grep -q '^tlspcap: can capture here$' \
	<(tail -n 1 <<<"$said")
"$TLSPCAP" --doctor --tier=nothing >/dev/null 2>&1
same '--tier=nothing: exit status' 2 $?

# A tier that can be had is used; one that cannot is refused with the reason.
for tier in raw tracepoint fentry kprobe btf syscall; do
	if grep -qE "^note +hooks +no $tier:" <<<"$said"; then
		check "--tier=$tier: refused by --doctor" bash -c '! "$1" --doctor --tier='$tier tier \
			"$TLSPCAP"
		same "--tier=$tier: refused" "tlspcap: --tier=$tier: $(
			sed -n "s/^note  *hooks  *no $tier: //p" <<<"$said")" \
			"$("$TLSPCAP" -w "$W/none" --tier=$tier -- true 2>&1)"
	else
		check "--tier=$tier: used" grep -q "hooks: $tier " \
			<("$TLSPCAP" -v -w "$W/some" --tier=$tier -- true 2>&1)
	fi
done

# A tier whose real programs the kernel refuses: the next one is used, unless it was asked for.
best=$(sed -n 's/^ok *hooks *\([a-z]*\): .*(in use)$/\1/p' <<<"$said")
next=$(sed -n 's/^ok *hooks *\([a-z]*\): .*/\1/p' <<<"$said" | grep -vx "$best" | head -n 1)
export TLSPCAP_SPOILED=$best
if [[ ! $next || ${E2E_TIER:-auto} != auto ]]; then
	printf 'SKIP: one tier only\n'
else
	"$TLSPCAP" -v -w "$W/next" -- true 2>"$W/next.said"
	same "$best refused: exit status" 0 $?
	check "$best refused: it is said" \
		grep "^tlspcap: hooks: not $best: the kernel refused its programs (" "$W/next.said"
	check "$best refused: $next is used" grep "^tlspcap: hooks: $next " "$W/next.said"
	"$TLSPCAP" --doctor >"$W/next.doctor"
	same "$best refused: exit status of --doctor" 0 $?
	check "$best refused: --doctor says it" \
		grep -E "^note +hooks +no $best: the kernel refused its programs \(" "$W/next.doctor"
	check "$best refused: --doctor says what is used" \
		grep -E "^ok +hooks +$next: .*\(in use\)$" "$W/next.doctor"
fi
"$TLSPCAP" -w "$W/none" --tier="$best" -- true 2>"$W/refused.said"
same "--tier=$best, refused: exit status" 1 $?
check "--tier=$best, refused: the message" \
	grep "^tlspcap: --tier=$best: the kernel refused the programs (" "$W/refused.said"
unset TLSPCAP_SPOILED

cat >"$W/older.c" <<'END'
/* Linux without the ring buffer (KIND 1), or without BPF at all (2). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	int kind = atoi(getenv("KIND"));
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_bpf && kind == 2) {
		errno = ENOSYS;
		return -1;
	}
	/* BPF_MAP_CREATE of BPF_MAP_TYPE_RINGBUF */
	if (number == SYS_bpf && kind == 1 && a[0] == 0 && *(uint32_t *)a[1] == 27) {
		errno = EINVAL;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int uname(struct utsname *name)
{
	memset(name, 0, sizeof(*name));
	strcpy(name->sysname, "Linux");
	strcpy(name->release, "4.19.0-27-amd64");
	strcpy(name->machine, "x86_64");
	return 0;
}
END
check 'a library that answers as an older kernel' \
	gcc -shared -fPIC -o "$W/older.so" "$W/older.c" -ldl

says() # NAME KIND TEXT
{
	local said

	said=$(KIND=$2 LD_PRELOAD=$W/older.so "$TLSPCAP" -w "$W/none" -- true 2>&1)
	same "$1: exit status" 1 $?
	same "$1: message" "tlspcap: $3" "$said"
	KIND=$2 LD_PRELOAD=$W/older.so "$TLSPCAP" --doctor >"$W/doctor"
	same "$1: exit status of --doctor" 1 $?
	check "$1: --doctor says it" grep -qF "MISSING  programs    $3" "$W/doctor"
}

if [[ $(head -c 4 "$TLSPCAP") == $'\x7fELF' ]]; then
	says 'Linux 4.19' 1 'this kernel (4.19.0-27-amd64) has no BPF ring buffer; Linux 5.10 or newer is needed'
	says 'no BPF' 2 'this kernel (4.19.0-27-amd64) was built without BPF (CONFIG_BPF_SYSCALL)'
fi
said=$(unshare --mount bash -c 'mount -t tmpfs tmpfs /sys/kernel/btf && exec "$1" -w "$2" -- true' \
	btf "$TLSPCAP" "$W/none" 2>&1)
same 'no BTF: exit status' 1 $?
check 'no BTF: the message says what to do' grep -q \
	'^tlspcap: this kernel has no BTF .*CONFIG_DEBUG_INFO_BTF' <<<"$said"
finish
