/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * OpenSSL's libssl, and those that share its interface.
 *
 * Plaintext is copied when a call returns: how many bytes were accepted is known then, and
 * their pages are in memory.
 */
#ifndef TLSPCAP_BPF_OPENSSL_BPF_H
#define TLSPCAP_BPF_OPENSSL_BPF_H

#include "call.h"
#include "hint.h"
#include "openssl.h"
#include "secret.h"

#define OPENSSL_CTRL_SET_HOST_NAME	 55 /* SSL_CTRL_SET_TLSEXT_HOSTNAME */
#define OPENSSL_READ_EARLY_DATA_SUCCESS	 1
#define OPENSSL_READ_EARLY_DATA_FINISHED 2

static __always_inline bool openssl_is_question(__u32 function)
{
	return function == OPENSSL_ALPN_SELECTED || function == OPENSSL_SERVER_NAME;
}

/*
 * The client random is where it says, or it is not: the conversation stage asks the handshake.
 * The object is not named. Its end is not seen in code without symbols, so that its address may
 * be another one's by now.
 */
static __always_inline void openssl_unproved(const struct secret_call *call,
					     const struct tlspcap_layout *layout)
{
	struct hint hint = {.mntns = call->mntns};
	__u32 length = call->length;
	int i;

	barrier_var(length);
	if (!length || length > TLSPCAP_SECRET_LEN)
		return;
	if (!secret_read_label(hint.label, call->label, 0, can_wait) ||
	    !secret_read_bytes(hint.secret, length, call->secret, can_wait)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return;
	}
	hint.length = length;
	path_address(&layout->client_random, call->random_base, &hint.place[0]);
	for (i = 0; i < TLSPCAP_LAYOUT_PATHS; i++)
		path_address(&layout->path[i], call->random_base, &hint.place[1 + i]);
	emit_hint(&hint);
}

/* ssl_log_secret(object, label, secret, length): called whether or not a key log is asked for. */
static __always_inline void openssl_secret(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	const struct secret_call call = {
		.tls = PT_REGS_PARM1(ctx),
		.label = PT_REGS_PARM2(ctx),
		.secret = PT_REGS_PARM3(ctx),
		.random_base = PT_REGS_PARM1(ctx),
		.length = (__u32)PT_REGS_PARM4(ctx),
		.library = library,
		.mntns = mntns,
	};
	struct tlspcap_layout *layout = layout_of(library);

	if (!layout)
		return;
	if (layout->flags & OPENSSL_RANDOM_UNPROVED)
		openssl_unproved(&call, layout);
	else
		secret_emit(&call, &layout->client_random);
}

static __always_inline void openssl_control(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	struct object *object;

	if ((int)PT_REGS_PARM2(ctx) != OPENSSL_CTRL_SET_HOST_NAME)
		return;
	object = object_get(PT_REGS_PARM1(ctx), library, mntns);
	if (object)
		call_info(object, mntns, TLSPCAP_INFO_SERVER_NAME, PT_REGS_PARM4(ctx),
			  TLSPCAP_INFO_LEN - 1);
}

static __always_inline void openssl_call(struct pt_regs *ctx, __u32 library, __u32 function,
					 __u32 mntns)
{
	__u64 third = PT_REGS_PARM3(ctx), fourth = PT_REGS_PARM4(ctx), fifth = PT_REGS_PARM5(ctx);
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
	barrier_var(fifth);
	frame.result = fourth;
	if (function == OPENSSL_WRITE_EX2)
		frame.result = fifth;
	else if (function == OPENSSL_ALPN_SELECTED)
		frame.result = third;
	if (openssl_is_question(function))
		scope_enter(&frame, mntns);
	else
		call_enter(&frame, function <= OPENSSL_LAST_MOVER, mntns);
}

SEC("uprobe")
int openssl_enter(struct pt_regs *ctx)
{
	struct probe probe;

	if (!probe_begin(ctx, &probe))
		return 0;
	if (probe.function == OPENSSL_LOG_SECRET)
		openssl_secret(ctx, probe.library, probe.mntns);
	else if (probe.function == OPENSSL_CTRL)
		openssl_control(ctx, probe.library, probe.mntns);
	else if (probe.function == OPENSSL_FREE)
		object_close(PT_REGS_PARM1(ctx), probe.mntns);
	else
		openssl_call(ctx, probe.library, probe.function, probe.mntns);
	return 0;
}

/* Bytes that the call moved; 0: none, or it failed. */
static __always_inline __u64 openssl_moved(const struct scope_frame *frame, __s64 result)
{
	__u64 count = 0;

	switch (frame->function) {
	case OPENSSL_READ:
	case OPENSSL_WRITE:
		return (int)result > 0 ? (int)result : 0;
	case OPENSSL_SENDFILE:
		return result > 0 ? result : 0;
	case OPENSSL_READ_EARLY:
		if ((int)result != OPENSSL_READ_EARLY_DATA_SUCCESS &&
		    (int)result != OPENSSL_READ_EARLY_DATA_FINISHED)
			return 0;
		break;
	case OPENSSL_READ_EX:
	case OPENSSL_WRITE_EX:
	case OPENSSL_WRITE_EX2:
	case OPENSSL_WRITE_EARLY:
		if ((int)result != 1)
			return 0;
		break;
	default:
		return 0;
	}
	if (bpf_probe_read_user(&count, sizeof(count), (const void *)frame->result)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return 0;
	}
	return count;
}

static __always_inline void openssl_answer(const struct scope_frame *frame, __u64 result,
					   __u32 mntns)
{
	struct object *object = object_find(frame->tls);
	__u64 text = 0;
	__u32 length = 0;

	if (!object)
		return;
	if (frame->function == OPENSSL_SERVER_NAME) {
		call_info(object, mntns, TLSPCAP_INFO_SERVER_NAME, result, TLSPCAP_INFO_LEN - 1);
		return;
	}
	if (bpf_probe_read_user(&text, sizeof(text), (const void *)frame->buffer) ||
	    bpf_probe_read_user(&length, sizeof(length), (const void *)frame->result))
		return;
	call_info(object, mntns, TLSPCAP_INFO_ALPN, text, length);
}

static __always_inline bool openssl_is_read(__u32 function)
{
	return function == OPENSSL_READ || function == OPENSSL_READ_EX ||
	       function == OPENSSL_READ_EARLY;
}

static __always_inline bool openssl_is_early(__u32 function)
{
	return function == OPENSSL_READ_EARLY || function == OPENSSL_WRITE_EARLY;
}

SEC("uretprobe")
int openssl_leave(struct pt_regs *ctx)
{
	struct scope_frame frame;
	struct scope *scope = call_leave(ctx, &frame);
	__u32 function, direction;
	__u64 moved;

	if (!scope)
		return 0;
	function = frame.function;
	if (openssl_is_question(function)) {
		openssl_answer(&frame, PT_REGS_RC(ctx), scope->mntns);
		return 0;
	}
	moved = openssl_moved(&frame, PT_REGS_RC(ctx));
	if (!moved)
		return 0;
	direction = openssl_is_read(function) ? TLSPCAP_RECEIVED : TLSPCAP_SENT;
	if (function == OPENSSL_SENDFILE)
		call_emit_gap(scope, &frame, direction, moved);
	else
		call_emit(scope, &frame, direction, moved,
			  openssl_is_early(function) ? TLSPCAP_DATA_EARLY : 0);
	return 0;
}

#endif
