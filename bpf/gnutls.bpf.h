/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * GnuTLS.
 *
 * Its function that logs secrets is not called when a session of TLS 1.2 is resumed; so the
 * master secret is read when gnutls_handshake returns. User space takes no secret twice.
 */
#ifndef TLSPCAP_BPF_GNUTLS_BPF_H
#define TLSPCAP_BPF_GNUTLS_BPF_H

#include "call.h"
#include "gnutls.h"
#include "secret.h"

#define GNUTLS_NAME_DNS	     1
#define GNUTLS_SSL3	     1 /* enum gnutls_protocol_t; TLS 1.0, 1.1 and 1.2 follow */
#define GNUTLS_TLS1_2	     4
#define GNUTLS_MASTER_LENGTH 48

struct gnutls_datum {
	__u64 data;
	__u32 size;
	__u32 padding;
};

static __always_inline bool gnutls_is_question(__u32 function)
{
	return function == GNUTLS_ALPN || function == GNUTLS_GET_NAME;
}

static __always_inline void gnutls_secret(struct pt_regs *ctx, __u32 library, __u32 mntns)
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

	if (layout)
		secret_emit(&call, &layout->client_random);
}

/* The handshake is over: the master secret, if it is of a version that has one. */
static __always_inline void gnutls_master(const struct scope_frame *frame, __u32 mntns)
{
	struct tlspcap_layout *layout = layout_of(frame->library);
	struct secret_call call = {
		.tls = frame->tls,
		.random_base = frame->tls,
		.length = GNUTLS_MASTER_LENGTH,
		.library = frame->library,
		.mntns = mntns,
		.at_return = true,
	};
	__u32 version;

	if (!layout ||
	    path_read(&layout->path[GNUTLS_PATH_VERSION], frame->tls, &version, sizeof(version)))
		return;
	if (version < GNUTLS_SSL3 || version > GNUTLS_TLS1_2)
		return;
	if (path_address(&layout->path[GNUTLS_PATH_MASTER], frame->tls, &call.secret))
		return;
	secret_emit(&call, &layout->client_random);
}

static __always_inline void gnutls_set_name(struct pt_regs *ctx, __u32 library, __u32 mntns)
{
	struct object *object;

	if ((__u32)PT_REGS_PARM2(ctx) != GNUTLS_NAME_DNS)
		return;
	object = object_get(PT_REGS_PARM1(ctx), library, mntns);
	if (object)
		call_info(object, mntns, TLSPCAP_INFO_SERVER_NAME, PT_REGS_PARM3(ctx),
			  (__u32)PT_REGS_PARM4(ctx));
}

/*
 * Sends by calls of gnutls_record_send inside it, which are seen, or by the kernel, where
 * nothing is. What is missing when it returns is a gap. So its frame is not one of the
 * session's: its address is made odd.
 */
static __always_inline void gnutls_enter_file(struct scope_frame *frame, __u32 mntns)
{
	struct object *object = object_get(frame->tls, frame->library, mntns);

	if (!object)
		return;
	frame->buffer = object->offset[TLSPCAP_SENT];
	frame->tls |= 1;
	scope_enter(frame, mntns);
}

static __always_inline void gnutls_leave_file(struct scope *scope, struct scope_frame *frame,
					      __s64 result)
{
	struct object *object;
	__u64 seen;

	frame->tls &= ~1ull;
	object = object_find(frame->tls);
	if (!object || result <= 0)
		return;
	seen = object->offset[TLSPCAP_SENT] - frame->buffer;
	if (seen < (__u64)result)
		call_emit_gap(scope, frame, TLSPCAP_SENT, (__u64)result - seen);
}

static __always_inline void gnutls_call(struct pt_regs *ctx, __u32 library, __u32 function,
					__u32 mntns)
{
	struct scope_frame frame = {
		.tls = PT_REGS_PARM1(ctx),
		.sp = PT_REGS_SP(ctx),
		.buffer = PT_REGS_PARM2(ctx),
		.result = PT_REGS_PARM3(ctx),
		.library = library,
		.function = function,
	};

	if (!frame.tls)
		return;
	if (function == GNUTLS_SEND_FILE)
		gnutls_enter_file(&frame, mntns);
	else if (gnutls_is_question(function))
		scope_enter(&frame, mntns);
	else
		call_enter(&frame, function <= GNUTLS_LAST_MOVER, mntns);
}

SEC("uprobe")
int gnutls_enter(struct pt_regs *ctx)
{
	struct probe probe;

	if (!probe_begin(ctx, &probe))
		return 0;
	if (probe.function == GNUTLS_LOG_SECRET)
		gnutls_secret(ctx, probe.library, probe.mntns);
	else if (probe.function == GNUTLS_SET_NAME)
		gnutls_set_name(ctx, probe.library, probe.mntns);
	else if (probe.function == GNUTLS_DEINIT)
		object_close(PT_REGS_PARM1(ctx), probe.mntns);
	else
		gnutls_call(ctx, probe.library, probe.function, probe.mntns);
	return 0;
}

/* A packet is the library's own memory. False: what is in it cannot be read. */
static __always_inline bool gnutls_find_packet(struct scope_frame *frame)
{
	struct tlspcap_layout *layout = layout_of(frame->library);
	__u64 packet, start, mark;

	if (!layout || layout->path[GNUTLS_PATH_PACKET].steps != 2)
		return false;
	if (bpf_probe_read_user(&packet, sizeof(packet), (const void *)frame->buffer))
		return false;
	if (bpf_probe_read_user(
		    &start, sizeof(start),
		    (const void *)(packet + layout->path[GNUTLS_PATH_PACKET].offset[0])) ||
	    bpf_probe_read_user(
		    &mark, sizeof(mark),
		    (const void *)(packet + layout->path[GNUTLS_PATH_PACKET].offset[1])))
		return false;
	frame->buffer = start + mark;
	return true;
}

static __always_inline void gnutls_moved(struct scope *scope, struct scope_frame *frame,
					 __s64 result)
{
	bool read = frame->function <= GNUTLS_RECV_PACKET;
	bool early = frame->function == GNUTLS_RECV_EARLY || frame->function == GNUTLS_SEND_EARLY;

	if (frame->function == GNUTLS_SEND_EARLY && result == 0)
		result = frame->result;
	if (result <= 0)
		return;
	if (frame->function == GNUTLS_RECV_PACKET && !gnutls_find_packet(frame))
		frame->buffer = 0;
	/* A call that was interrupted may be repeated with NULL in place of the same bytes. */
	if (!frame->buffer)
		call_emit_gap(scope, frame, read ? TLSPCAP_RECEIVED : TLSPCAP_SENT, result);
	else
		call_emit(scope, frame, read ? TLSPCAP_RECEIVED : TLSPCAP_SENT, result,
			  early ? TLSPCAP_DATA_EARLY : 0);
}

static __always_inline void gnutls_answer(const struct scope_frame *frame, __u32 mntns)
{
	struct object *object = object_find(frame->tls);
	struct gnutls_datum datum;

	if (!object)
		return;
	if (frame->function == GNUTLS_GET_NAME)
		call_info(object, mntns, TLSPCAP_INFO_SERVER_NAME, frame->buffer,
			  TLSPCAP_INFO_LEN - 1);
	else if (!bpf_probe_read_user(&datum, sizeof(datum), (const void *)frame->buffer))
		call_info(object, mntns, TLSPCAP_INFO_ALPN, datum.data, datum.size);
}

SEC("uretprobe")
int gnutls_leave(struct pt_regs *ctx)
{
	struct scope_frame frame;
	struct scope *scope = call_leave(ctx, &frame);
	__s64 result = PT_REGS_RC(ctx);
	__u32 function;

	if (!scope)
		return 0;
	function = frame.function;
	if (function <= GNUTLS_LAST_MOVER)
		gnutls_moved(scope, &frame, result);
	else if (function == GNUTLS_SEND_FILE)
		gnutls_leave_file(scope, &frame, result);
	else if (function == GNUTLS_HANDSHAKE && (int)result == 0)
		gnutls_master(&frame, scope->mntns);
	else if (gnutls_is_question(function) && (int)result == 0)
		gnutls_answer(&frame, scope->mntns);
	return 0;
}

#endif
