/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * wolfSSL. It has a key log only where it was built so; the functions of its key schedule are
 * exported.
 */
#ifndef TLSPCAP_BPF_WOLFSSL_BPF_H
#define TLSPCAP_BPF_WOLFSSL_BPF_H

#include "derive.h"
#include "wolfssl.h"

#define WOLFSSL_HOST_NAME 0 /* WOLFSSL_SNI_HOST_NAME */
#define WOLFSSL_SUCCESS	  1

static __always_inline void wolfssl_prf(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	if ((__u32)PT_REGS_PARM4(ctx) != DERIVE_MASTER_LENGTH ||
	    (__u32)REGISTER_SIXTH(ctx) != DERIVE_EXPANSION_LENGTH ||
	    (__u32)derive_argument(ctx, 8) != DERIVE_RANDOMS_LENGTH ||
	    !derive_is_expansion(PT_REGS_PARM5(ctx)))
		return;
	derive_master(PT_REGS_PARM3(ctx), derive_argument(ctx, 7), library, mntns);
}

static __always_inline void wolfssl_expand(struct pt_regs *ctx, __u32 library, __u32 function,
					   __u32 mntns)
{
	struct scope_frame frame = {
		.sp = PT_REGS_SP(ctx), .library = library, .function = function};

	derive_enter(&frame, PT_REGS_PARM1(ctx), (__u32)PT_REGS_PARM2(ctx), derive_argument(ctx, 7),
		     (__u32)derive_argument(ctx, 8), mntns);
}

static __always_inline void wolfssl_set_name(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	struct object *object;

	if ((PT_REGS_PARM2(ctx) & 0xff) != WOLFSSL_HOST_NAME)
		return;
	object = object_get(PT_REGS_PARM1(ctx), library, mntns);
	if (object)
		call_info(object, mntns, TLSPCAP_INFO_SERVER_NAME, PT_REGS_PARM3(ctx),
			  PT_REGS_PARM4(ctx) & 0xffff);
}

static __always_inline void wolfssl_call(struct pt_regs *ctx, __u32 library, __u32 function,
					 __u32 mntns)
{
	__u64 third = PT_REGS_PARM3(ctx), fourth = PT_REGS_PARM4(ctx);
	struct scope_frame frame = {
		.tls = PT_REGS_PARM1(ctx),
		.sp = PT_REGS_SP(ctx),
		.buffer = PT_REGS_PARM2(ctx),
		.library = library,
		.function = function,
	};

	if (!frame.tls)
		return;
	/* Kept apart: the verifier refuses a load from a chosen offset of the context. */
	barrier_var(third);
	barrier_var(fourth);
	frame.result = function == WOLFSSL_ALPN ? third : fourth;
	if (function == WOLFSSL_ALPN)
		scope_enter(&frame, mntns);
	else
		call_enter(&frame, function <= WOLFSSL_LAST_MOVER, mntns);
}

SEC("uprobe")
int wolfssl_enter(struct pt_regs *ctx)
{
	struct probe probe;

	if (!probe_begin(ctx, &probe))
		return 0;
	if (probe.function == WOLFSSL_PRF)
		wolfssl_prf(ctx, probe.library, probe.mntns);
	else if (probe.function == WOLFSSL_EXPAND || probe.function == WOLFSSL_EXPAND_EX)
		wolfssl_expand(ctx, probe.library, probe.function, probe.mntns);
	else if (probe.function == WOLFSSL_SET_NAME)
		wolfssl_set_name(ctx, probe.library, probe.mntns);
	else if (probe.function == WOLFSSL_FREE)
		object_close(PT_REGS_PARM1(ctx), probe.mntns);
	else
		wolfssl_call(ctx, probe.library, probe.function, probe.mntns);
	return 0;
}

/* Bytes that the call moved; 0: none, or it failed. */
static __always_inline __u64 wolfssl_moved(const struct scope_frame *frame, int result)
{
	__u64 count = 0;
	__u32 size = sizeof(int);

	switch (frame->function) {
	case WOLFSSL_READ_EX:
	case WOLFSSL_WRITE_EX:
		if (result != WOLFSSL_SUCCESS)
			return 0;
		size = sizeof(count);
		break;
	case WOLFSSL_WRITE_EARLY:
		if (result <= 0)
			return 0;
		break;
	default:
		return result > 0 ? result : 0;
	}
	if (bpf_probe_read_user(&count, size, (const void *)frame->result)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return 0;
	}
	return count;
}

static __always_inline void wolfssl_answer(const struct scope_frame *frame, __u32 mntns)
{
	struct object *object = object_find(frame->tls);
	__u64 text = 0;
	__u16 length = 0;

	if (!object || bpf_probe_read_user(&text, sizeof(text), (const void *)frame->buffer) ||
	    bpf_probe_read_user(&length, sizeof(length), (const void *)frame->result))
		return;
	call_info(object, mntns, TLSPCAP_INFO_ALPN, text, length);
}

SEC("uretprobe")
int wolfssl_leave(struct pt_regs *ctx)
{
	struct scope_frame frame;
	struct scope *scope = call_leave(ctx, &frame);
	int result = (int)PT_REGS_RC(ctx);
	__u32 function;
	__u64 moved;

	if (!scope)
		return 0;
	function = frame.function;
	if (function == WOLFSSL_EXPAND || function == WOLFSSL_EXPAND_EX) {
		if (result == 0)
			derive_leave(scope, &frame);
		return 0;
	}
	if (function == WOLFSSL_ALPN) {
		if (result == WOLFSSL_SUCCESS)
			wolfssl_answer(&frame, scope->mntns);
		return 0;
	}
	moved = function <= WOLFSSL_LAST_MOVER ? wolfssl_moved(&frame, result) : 0;
	if (moved)
		call_emit(scope, &frame,
			  function <= WOLFSSL_LAST_READ ? TLSPCAP_RECEIVED : TLSPCAP_SENT, moved,
			  function == WOLFSSL_READ_EARLY || function == WOLFSSL_WRITE_EARLY
				  ? TLSPCAP_DATA_EARLY
				  : 0);
	return 0;
}

#endif
