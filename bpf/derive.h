/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Secrets of libraries that log none: what their functions of the key schedule are given and
 * fill in. The TLS object is that of the call which the thread is in.
 */
#ifndef TLSPCAP_BPF_DERIVE_H
#define TLSPCAP_BPF_DERIVE_H

#include "call.h"
#include "hint.h"
#include "machine.h"
#include "secret.h"

#define DERIVE_LABEL_MAX	12 /* the longest of the key log's labels in TLS 1.3's own words */
#define DERIVE_EXPANSION	"key expansion"
#define DERIVE_EXPANSION_LENGTH 13
#define DERIVE_RANDOMS_LENGTH	64 /* the server's and then the client's (RFC 5246, 6.3) */
#define DERIVE_MASTER_LENGTH	48

/* The n-th argument, the 7th or a later one, when the function begins. */
static __always_inline __u64 derive_argument(struct pt_regs *ctx, const __u32 n)
{
	__u64 value = 0;

#ifdef __TARGET_ARCH_arm64
	if (n <= ARGUMENT_REGISTERS)
		return REGISTER(ctx, n - 1);
#endif
	bpf_probe_read_user(&value, sizeof(value),
			    (const void *)(PT_REGS_SP(ctx) + STACK_ARGUMENT +
					   8 * (n - 1 - ARGUMENT_REGISTERS)));
	return value;
}

/* The TLS object of the innermost call; 0: the thread is in none that is probed. */
static __always_inline __u64 derive_object(const struct scope *scope)
{
	__u32 depth = scope ? scope->depth : 0;

	if (!depth || depth > SCOPE_DEPTH)
		return 0;
	return scope->frame[(depth - 1) & (SCOPE_DEPTH - 1)].tls;
}

/* "c hs traffic", "s ap traffic", "e exp master"; "c e traffic"; "exp master". No other one. */
static __always_inline bool derive_is_logged(const char label[DERIVE_LABEL_MAX], __u32 length)
{
	char first = label[0], second = label[1], third = label[2];

	/* Kept apart: the verifier refuses a load from a chosen place of the stack. */
	barrier_var(first);
	barrier_var(second);
	barrier_var(third);
	if (length == 12 || length == 11)
		return second == ' ';
	return length == 10 && first == 'e' && third == 'p';
}

/* A function begins that fills `secret` in for `label`. */
static __always_inline void derive_enter(struct scope_frame *frame, __u64 secret,
					 __u32 secret_length, __u64 label, __u32 label_length,
					 __u32 mntns)
{
	char text[DERIVE_LABEL_MAX] = {};

	if (label_length < 10 || label_length > DERIVE_LABEL_MAX ||
	    secret_length > TLSPCAP_SECRET_LEN)
		return;
	if (bpf_probe_read_user(text, 10, (const void *)label) ||
	    !derive_is_logged(text, label_length))
		return;
	frame->tls = secret;
	frame->buffer = label;
	frame->result = (__u64)secret_length << 32 | label_length;
	scope_enter(frame, mntns);
}

/* It returns. */
static __always_inline void derive_leave(const struct scope *scope, const struct scope_frame *frame)
{
	struct tlspcap_layout *layout = layout_of(frame->library);
	__u64 tls = derive_object(scope);
	__u32 label_length = (__u32)frame->result;
	struct hint hint = {.length = frame->result >> 32, .mntns = scope->mntns};

	barrier_var(label_length);
	if (label_length > DERIVE_LABEL_MAX)
		return;
	if (!secret_read_label(hint.label, frame->buffer, label_length, false) ||
	    !secret_read_bytes(hint.secret, TLSPCAP_SECRET_LEN, frame->tls, false)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return;
	}
	if (tls)
		hint.object = object_find(tls);
	if (tls && layout && path_address(&layout->client_random, tls, &hint.place[0]))
		hint.place[0] = 0;
	emit_hint(&hint);
}

/* The master secret, of TLS 1.2 and before, with what keys are made of it and both randoms. */
static __always_inline void derive_master(__u64 master, __u64 randoms, __u32 library, __u32 mntns)
{
	static const struct tlspcap_path here = {.steps = 1};
	__u64 thread = bpf_get_current_pid_tgid();
	const struct secret_call call = {
		.tls = derive_object(bpf_map_lookup_elem(&scopes, &thread)),
		.secret = master,
		.random_base = randoms + DERIVE_RANDOMS_LENGTH / 2,
		.length = DERIVE_MASTER_LENGTH,
		.library = library,
		.mntns = mntns,
	};

	secret_emit(&call, &here);
}

static __always_inline bool derive_is_expansion(__u64 label)
{
	static const char expansion[] = DERIVE_EXPANSION;
	char text[DERIVE_EXPANSION_LENGTH];
	char other = 0;
	int i;

	if (bpf_probe_read_user(text, sizeof(text), (const void *)label))
		return false;
	for (i = 0; i < DERIVE_EXPANSION_LENGTH; i++)
		other |= text[i] ^ expansion[i];
	return !other;
}

#endif
