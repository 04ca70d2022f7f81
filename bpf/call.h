/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A library's calls on a TLS object: what all families that call on a thread's own stack share.
 */
#ifndef TLSPCAP_BPF_CALL_H
#define TLSPCAP_BPF_CALL_H

#include "object.h"

/* What a family's program was attached for, and where it runs. */
struct probe {
	__u32 function;
	__u32 library;
	__u32 mntns;
};

const volatile bool never = false;

/*
 * Since Linux 6.13 the kernel gives programs of this type a stack that belongs to the processor, as
 * if nothing could preempt them there. Programs of probes in user space can be: two threads then
 * write into one stack, and 7.2 died of what one of them found in it. A program with a tail call
 * keeps the thread's stack. This one is never verified, and taken out before the program is
 * translated. At the beginning of each such program.
 */
static __always_inline void keep_stack(struct pt_regs *ctx)
{
#ifndef TLSPCAP_LEGACY
	if (never)
		bpf_tail_call(ctx, NULL, 0);
#endif
}

/* Begins each of a family's programs. False: the task is out of scope. */
static __always_inline bool probe_begin(struct pt_regs *ctx, struct probe *probe)
{
	__u64 cookie;

	keep_stack(ctx);
	if (!filter_task(&probe->mntns))
		return false;
	cookie = bpf_get_attach_cookie(ctx);
	probe->function = TLSPCAP_COOKIE_FUNCTION(cookie);
	probe->library = TLSPCAP_COOKIE_LIBRARY(cookie);
	return true;
}

/*
 * The thread enters a call that moves bytes or uses the socket. `is_mover`: a call that moves
 * data, so that one which never returned is a loss. False: it is part of an outer call on the
 * same object, or there was no room for it.
 */
static __always_inline bool call_enter(const struct scope_frame *frame, bool is_mover, __u32 mntns)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct scope *scope = bpf_map_lookup_elem(&scopes, &thread);

	if (scope) {
		switch (scope_relation(scope, frame->tls, frame->sp, frame->function)) {
		case SCOPE_OUTER:
			return false;
		case SCOPE_STALE:
			/* Also SSL_connect, which tail-calls SSL_do_handshake: nothing is lost. */
			if (is_mover)
				count_loss(TLSPCAP_LOSS_MISSED);
			scope->depth--;
			break;
		default:
			break;
		}
	}
	if (!object_get(frame->tls, frame->library, mntns))
		return false;
	scope_enter(frame, mntns);
	return true;
}

/*
 * The thread returns from a call, which is taken off into *frame. NULL: the task is out of scope,
 * the call began before us, or it was part of an outer call on the same object.
 */
static __always_inline struct scope *call_leave(struct pt_regs *ctx, struct scope_frame *frame)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct scope *scope = bpf_map_lookup_elem(&scopes, &thread);
	__u32 function;

	keep_stack(ctx);
	if (!scope || !scope->depth)
		return NULL;
	function = TLSPCAP_COOKIE_FUNCTION(bpf_get_attach_cookie(ctx));
	return scope_leave(scope, PT_REGS_SP(ctx), function, frame) ? scope : NULL;
}

/* The call that `frame` describes has moved `moved` bytes of `direction`: they go out. */
static __always_inline void call_emit(struct scope *scope, const struct scope_frame *frame,
				      __u32 direction, __u64 moved, __u32 flags)
{
	struct object *object = object_get(frame->tls, frame->library, scope->mntns);
	struct scope_copy *copy = &scope->copy;

	if (!object)
		return;
	copy->source = frame->buffer;
	copy->left = moved;
	copy->offset = object->offset[direction];
	copy->time_ns = bpf_ktime_get_ns();
	copy->tls_id = object->id;
	copy->sock_id = object->sock_id;
	copy->direction = direction;
	copy->flags = flags;
	object->offset[direction] += moved;
	emit_buffer(scope, bpf_get_current_pid_tgid());
}

/* As call_emit(), for bytes that passed no memory that we see. */
static __always_inline void call_emit_gap(struct scope *scope, const struct scope_frame *frame,
					  __u32 direction, __u64 moved)
{
	struct object *object = object_get(frame->tls, frame->library, scope->mntns);

	if (!object)
		return;
	emit_gap(TLSPCAP_EVENT_GAP, object->id, object->sock_id, scope->mntns, direction,
		 object->offset[direction], moved, TLSPCAP_LOSS_BYPASS);
	object->offset[direction] += moved;
}

/* Tells the server name or the protocol: `length` bytes at most, fewer when a NUL is among them. */
static __always_inline void call_info(struct object *object, __u32 mntns, __u16 kind, __u64 text,
				      __u32 length)
{
	struct tlspcap_info *event;
	long n;

	if (!text || !length)
		return;
	event = reserve_event(sizeof(*event));
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	fill_event(&event->event, sizeof(*event), TLSPCAP_EVENT_INFO, mntns);
	event->event.tls_id = object->id;
	event->event.sock_id = object->sock_id;
	event->kind = kind;
	if (length >= TLSPCAP_INFO_LEN)
		length = TLSPCAP_INFO_LEN - 1;
	/* ALPN is counted bytes, a host name is a string: both end at a NUL here. */
	n = bpf_probe_read_user_str(event->text, (length + 1) & 0x1ff, (const void *)text);
	if (n <= 1) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return;
	}
	event->length = n - 1;
	bpf_ringbuf_submit(event, emit_flags());
}

#endif
