/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * rustls, compiled into a program.
 *
 * Rust has no fixed calling convention, and the compiler inlines what it likes. What is certain is
 * where a label meets its secret. In TLS 1.3 the client random is at one of the arguments that
 * come last; which one, the conversation stage finds.
 */
#ifndef TLSPCAP_BPF_RUSTLS_BPF_H
#define TLSPCAP_BPF_RUSTLS_BPF_H

#include "derive.h"
#include "hint.h"
#include "rustls.h"
#include "secret.h"

#define RUSTLS_MASTER_LENGTH 48

/* OkmBlock of rustls 0.22 and later. */
struct rustls_block {
	__u8 bytes[TLSPCAP_SECRET_LEN];
	__u64 used;
};

/* What a thread is deriving. */
struct rustls_thread {
	__u64 block; /* where the secret will be */
	__u64 sp;    /* at the function's entry */
	__u64 place[TLSPCAP_CANDIDATES];
	__u32 library;
	__u32 labelled;
	char label[TLSPCAP_LABEL_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct rustls_thread);
} rustls_threads SEC(".maps");

static __always_inline struct rustls_thread *rustls_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&rustls_threads, &thread);
}

/* Where the client random may be. False: they cannot be read. */
static __always_inline bool rustls_read_places(struct pt_regs *ctx, struct rustls_thread *state)
{
#ifdef __TARGET_ARCH_arm64
	/* It is the seventh or so of eight arguments in registers. */
	state->place[0] = REGISTER(ctx, 4);
	state->place[1] = REGISTER(ctx, 5);
	state->place[2] = REGISTER(ctx, 6);
	state->place[3] = REGISTER(ctx, 7);
	return !bpf_probe_read_user(&state->place[4], sizeof(state->place) / 2,
				    (const void *)state->sp);
#else
	return !bpf_probe_read_user(state->place, sizeof(state->place),
				    (const void *)(state->sp + STACK_ARGUMENT));
#endif
}

static __always_inline void rustls_derive(struct pt_regs *ctx)
{
	struct rustls_thread state = {.block = RESULT_PLACE(ctx), .sp = PT_REGS_SP(ctx)};
	__u64 thread = bpf_get_current_pid_tgid();

	if (rustls_read_places(ctx, &state))
		bpf_map_update_elem(&rustls_threads, &thread, &state, BPF_ANY);
}

static __always_inline void rustls_will_log(struct pt_regs *ctx)
{
	struct rustls_thread *state = rustls_thread();
	__u32 length = (__u32)PT_REGS_PARM3(ctx);

	if (!state || PT_REGS_SP(ctx) >= state->sp || !length)
		return;
	__builtin_memset(state->label, 0, sizeof(state->label));
	state->labelled = secret_read_label(state->label, PT_REGS_PARM2(ctx), length, can_wait);
	if (!state->labelled)
		count_loss(TLSPCAP_LOSS_FAULT);
}

static __always_inline void rustls_derived(struct pt_regs *ctx, __u32 mntns)
{
	struct rustls_thread *state = rustls_thread();
	__u64 thread = bpf_get_current_pid_tgid();
	struct hint hint = {.mntns = mntns};
	__u64 used = 0;

	if (!state || PT_REGS_SP(ctx) != state->sp)
		return;
	if (!state->labelled)
		goto out;
	if (bpf_probe_read_user(hint.secret, sizeof(hint.secret), (const void *)state->block) ||
	    bpf_probe_read_user(&used, sizeof(used),
				(const void *)(state->block + sizeof(hint.secret))) ||
	    (used != 32 && used != 48 && used != 64)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		goto out;
	}
	hint.length = (__u32)used;
	__builtin_memcpy(hint.label, state->label, sizeof(hint.label));
	__builtin_memcpy(hint.place, state->place, sizeof(hint.place));
	emit_hint(&hint);
out:
	bpf_map_delete_elem(&rustls_threads, &thread);
}

/* The slices' lengths say whether it is the call that it should be. */
static __always_inline void rustls_master(struct pt_regs *ctx, __u32 mntns)
{
	const struct tlspcap_path path = {.steps = 1};
	const struct secret_call call = {
		.secret = REGISTER_SIXTH(ctx),
		.random_base = PT_REGS_PARM4(ctx),
		.length = RUSTLS_MASTER_LENGTH,
		.mntns = mntns,
	};

	if (PT_REGS_PARM3(ctx) != sizeof("CLIENT_RANDOM") - 1 ||
	    PT_REGS_PARM5(ctx) != TLSPCAP_RANDOM_LEN)
		return;
	secret_emit(&call, &path);
}

SEC("uprobe")
int rustls_enter(struct pt_regs *ctx)
{
	struct probe probe;

	if (!probe_begin(ctx, &probe))
		return 0;
	if (probe.function == RUSTLS_DERIVE)
		rustls_derive(ctx);
	else if (probe.function == RUSTLS_WILL_LOG)
		rustls_will_log(ctx);
	else if (probe.function == RUSTLS_MASTER)
		rustls_master(ctx, probe.mntns);
	return 0;
}

SEC("uretprobe")
int rustls_leave(struct pt_regs *ctx)
{
	__u32 mntns;

	keep_stack(ctx);
	if (filter_task(&mntns))
		rustls_derived(ctx, mntns);
	return 0;
}

#endif
