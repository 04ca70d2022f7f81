/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * mbedTLS.
 *
 * Its pseudorandom function of TLS 1.2 has no symbol. It is an HMAC whose key is the master
 * secret and whose first input begins with the label: both are seen in libmbedcrypto.
 */
#ifndef TLSPCAP_BPF_MBEDTLS_BPF_H
#define TLSPCAP_BPF_MBEDTLS_BPF_H

#include "derive.h"
#include "mbedtls.h"

/* The HMAC that a thread has begun with a key as long as a master secret. */
struct mbedtls_hmac {
	__u64 context;
	__u64 key;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct mbedtls_hmac);
} mbedtls_hmacs SEC(".maps");

static __always_inline void mbedtls_hmac_starts(struct pt_regs *ctx)
{
	const struct mbedtls_hmac hmac = {PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx)};
	__u64 thread = bpf_get_current_pid_tgid();

	if (PT_REGS_PARM3(ctx) == DERIVE_MASTER_LENGTH)
		bpf_map_update_elem(&mbedtls_hmacs, &thread, &hmac, BPF_ANY);
}

static __always_inline void mbedtls_hmac_update(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	__u64 thread = bpf_get_current_pid_tgid(), input = PT_REGS_PARM2(ctx);
	struct mbedtls_hmac *hmac;

	if (PT_REGS_PARM3(ctx) != DERIVE_EXPANSION_LENGTH + DERIVE_RANDOMS_LENGTH ||
	    !derive_is_expansion(input))
		return;
	hmac = bpf_map_lookup_elem(&mbedtls_hmacs, &thread);
	if (hmac && hmac->context == PT_REGS_PARM1(ctx))
		derive_master(hmac->key, input + DERIVE_EXPANSION_LENGTH, library, mntns);
}

static __always_inline void mbedtls_derive(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	struct scope_frame frame = {
		.sp = PT_REGS_SP(ctx), .library = library, .function = MBEDTLS_DERIVE};

	derive_enter(&frame, derive_argument(ctx, 9), (__u32)derive_argument(ctx, 10),
		     PT_REGS_PARM4(ctx), (__u32)PT_REGS_PARM5(ctx), mntns);
}

static __always_inline void mbedtls_set_name(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	struct object *object = object_get(PT_REGS_PARM1(ctx), library, mntns);

	if (object)
		call_info(object, mntns, TLSPCAP_INFO_SERVER_NAME, PT_REGS_PARM2(ctx),
			  TLSPCAP_INFO_LEN - 1);
}

static __always_inline void mbedtls_call(struct pt_regs *ctx, __u32 library, __u32 function,
					 __u32 mntns)
{
	const struct scope_frame frame = {
		.tls = PT_REGS_PARM1(ctx),
		.sp = PT_REGS_SP(ctx),
		.buffer = PT_REGS_PARM2(ctx),
		.library = library,
		.function = function,
	};

	if (!frame.tls)
		return;
	if (function == MBEDTLS_ALPN)
		scope_enter(&frame, mntns);
	else
		call_enter(&frame, function <= MBEDTLS_LAST_MOVER, mntns);
}

SEC("uprobe")
int mbedtls_enter(struct pt_regs *ctx)
{
	struct probe probe;

	if (!probe_begin(ctx, &probe))
		return 0;
	if (probe.function == MBEDTLS_HMAC_STARTS)
		mbedtls_hmac_starts(ctx);
	else if (probe.function == MBEDTLS_HMAC_UPDATE)
		mbedtls_hmac_update(ctx, probe.library, probe.mntns);
	else if (probe.function == MBEDTLS_DERIVE)
		mbedtls_derive(ctx, probe.library, probe.mntns);
	else if (probe.function == MBEDTLS_SET_NAME)
		mbedtls_set_name(ctx, probe.library, probe.mntns);
	else if (probe.function == MBEDTLS_FREE)
		object_close(PT_REGS_PARM1(ctx), probe.mntns);
	else
		mbedtls_call(ctx, probe.library, probe.function, probe.mntns);
	return 0;
}

SEC("uretprobe")
int mbedtls_leave(struct pt_regs *ctx)
{
	struct scope_frame frame;
	struct scope *scope = call_leave(ctx, &frame);
	int result = (int)PT_REGS_RC(ctx);
	struct object *object;
	__u32 function;

	if (!scope)
		return 0;
	function = frame.function;
	if (function == MBEDTLS_DERIVE) {
		if (result == 0)
			derive_leave(scope, &frame);
	} else if (function == MBEDTLS_ALPN) {
		object = object_find(frame.tls);
		if (object)
			call_info(object, scope->mntns, TLSPCAP_INFO_ALPN, PT_REGS_RC(ctx),
				  TLSPCAP_INFO_LEN - 1);
	} else if (function <= MBEDTLS_LAST_MOVER && result > 0) {
		call_emit(scope, &frame,
			  function <= MBEDTLS_LAST_READ ? TLSPCAP_RECEIVED : TLSPCAP_SENT, result,
			  function == MBEDTLS_READ_EARLY || function == MBEDTLS_WRITE_EARLY
				  ? TLSPCAP_DATA_EARLY
				  : 0);
	}
	return 0;
}

#endif
