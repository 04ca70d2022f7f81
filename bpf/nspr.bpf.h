/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * NSS, whose sockets are NSPR's.
 *
 * libssl3 never has the bytes of a TLS 1.3 secret: they stay inside the token. There, in
 * libfreebl, HKDF-Expand-Label (RFC 8446, 7.1) is an HMAC over a structure that holds the
 * secret's name; what it returns is the secret. libssl3's function that asks for it knows
 * whose it is, and the thread brings both together.
 */
#ifndef TLSPCAP_BPF_NSPR_BPF_H
#define TLSPCAP_BPF_NSPR_BPF_H

#include "call.h"
#include "hint.h"
#include "nspr.h"
#include "secret.h"

#define NSPR_PEEK	   2  /* PR_MSG_PEEK */
#define NSPR_LABEL	   12 /* "c hs traffic", the longest that is of interest */
#define NSPR_MASTER_LENGTH 48

/* What a thread is about to derive. */
struct nspr_thread {
	__u64 tls; /* sslSocket that it is for; 0: not known */
	__u64 context;
	__u64 result; /* where HMAC_Finish puts it */
	__u32 library;
	__u32 length; /* of the secret, bytes; 0: none is being derived */
	char first;   /* letter of the key log's label */
	char label[NSPR_LABEL + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct nspr_thread);
} nspr_threads SEC(".maps");

struct nspr_item { /* SECItem, of NSS's public headers */
	__u32 type;
	__u32 padding;
	__u64 data;
	__u32 length;
	__u32 padding2;
};

/* HkdfLabel (RFC 8446, 7.1), as far as it is read. */
struct nspr_hkdf {
	__u8 length[2]; /* big-endian */
	__u8 label_length;
	char prefix[6]; /* "tls13 " */
	char label[NSPR_LABEL];
};

static __always_inline bool nspr_equal(const char *one, const char *other, __u32 length)
{
	__u32 i;

	for (i = 0; i < length; i++)
		if (one[i] != other[i])
			return false;
	return true;
}

static __always_inline struct nspr_thread *nspr_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&nspr_threads, &thread);
}

static __always_inline void nspr_derive(struct pt_regs *ctx, __u32 library)
{
	struct nspr_thread state = {.tls = PT_REGS_PARM1(ctx), .library = library};
	__u64 thread = bpf_get_current_pid_tgid();

	if (bpf_probe_read_user(&state.first, 1, (const void *)PT_REGS_PARM5(ctx)))
		return; /* no label: it is not to be logged */
	bpf_map_update_elem(&nspr_threads, &thread, &state, BPF_ANY);
}

/* c and s: "c hs traffic"; e: "exp master", "e exp master". Not "ext binder", not "finished". */
static __always_inline bool nspr_is_logged(const struct nspr_hkdf *hkdf)
{
	const char *label = hkdf->label;

	if (hkdf->label_length < sizeof(hkdf->prefix) + 10 ||
	    hkdf->label_length > sizeof(hkdf->prefix) + NSPR_LABEL)
		return false;
	if (label[0] == 'c' || label[0] == 's')
		return label[1] == ' ';
	return label[0] == 'e' && ((label[1] == 'x' && label[2] == 'p') || label[1] == ' ');
}

static __always_inline void nspr_hmac_update(struct pt_regs *ctx)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct nspr_thread *state, fresh = {};
	struct nspr_hkdf hkdf;
	__u32 i, n;

	if ((__u32)PT_REGS_PARM3(ctx) < sizeof(hkdf) - 2 ||
	    bpf_probe_read_user(&hkdf, sizeof(hkdf), (const void *)PT_REGS_PARM2(ctx)))
		return;
	if (hkdf.length[0] || !nspr_equal(hkdf.prefix, "tls13 ", sizeof(hkdf.prefix)) ||
	    !nspr_is_logged(&hkdf))
		return;
	state = bpf_map_lookup_elem(&nspr_threads, &thread);
	if (!state) {
		bpf_map_update_elem(&nspr_threads, &thread, &fresh, BPF_NOEXIST);
		state = bpf_map_lookup_elem(&nspr_threads, &thread);
		if (!state)
			return;
	}
	/* Asked for something else, which was no HMAC: then this one is nobody's. */
	if ((state->first | 0x20) != hkdf.label[0])
		state->tls = 0;
	state->context = PT_REGS_PARM1(ctx);
	state->length = hkdf.length[1];
	n = hkdf.label_length - sizeof(hkdf.prefix);
	for (i = 0; i < NSPR_LABEL; i++)
		state->label[i] = i < n ? hkdf.label[i] : 0;
}

static __always_inline void nspr_hmac_finish(struct pt_regs *ctx)
{
	struct nspr_thread *state = nspr_thread();

	if (state && state->length && state->context == PT_REGS_PARM1(ctx))
		state->result = PT_REGS_PARM2(ctx);
}

static __always_inline void nspr_hmac_finished(__u32 mntns)
{
	struct nspr_thread *state = nspr_thread();
	__u64 thread = bpf_get_current_pid_tgid();
	struct hint hint = {.mntns = mntns};
	__u32 length;

	if (!state || !state->result)
		return;
	length = state->length;
	barrier_var(length);
	if (!length || length > TLSPCAP_SECRET_LEN)
		goto out;
	if (bpf_probe_read_user(hint.secret, length, (const void *)state->result)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		goto out;
	}
	hint.length = length;
	__builtin_memcpy(hint.label, state->label, sizeof(state->label));
	if (state->tls)
		hint.object = object_get(state->tls, state->library, mntns);
	emit_hint(&hint);
out:
	bpf_map_delete_elem(&nspr_threads, &thread);
}

/*
 * "key expansion" is made of the master secret and both randoms, the server's first.
 * A label that is not in memory yet is that of a library's first call, which is made for "master
 * secret" and brings in the page with both; it is nothing that is lost.
 */
static __always_inline void nspr_p_hash(struct pt_regs *ctx, __u32 mntns)
{
	const struct tlspcap_path path = {.steps = 1, .offset = {TLSPCAP_RANDOM_LEN}};
	struct secret_call call = {.length = NSPR_MASTER_LENGTH, .mntns = mntns};
	struct nspr_item secret, seed;
	char label[8];

	if (bpf_probe_read_user(label, sizeof(label), (const void *)PT_REGS_PARM3(ctx)) ||
	    !nspr_equal(label, "key expa", sizeof(label)))
		return;
	if (bpf_probe_read_user(&secret, sizeof(secret), (const void *)PT_REGS_PARM2(ctx)) ||
	    bpf_probe_read_user(&seed, sizeof(seed), (const void *)PT_REGS_PARM4(ctx))) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return;
	}
	if (secret.length != NSPR_MASTER_LENGTH || seed.length != 2 * TLSPCAP_RANDOM_LEN)
		return;
	call.secret = secret.data;
	call.random_base = seed.data;
	secret_emit(&call, &path);
}

static __always_inline void nspr_call(struct pt_regs *ctx, __u32 library, __u32 function,
				      __u32 mntns)
{
	const struct scope_frame frame = {
		.tls = PT_REGS_PARM1(ctx),
		.sp = PT_REGS_SP(ctx),
		.buffer = PT_REGS_PARM2(ctx),
		.result = PT_REGS_PARM4(ctx), /* flags */
		.library = library,
		.function = function,
	};

	call_enter(&frame, true, mntns);
}

SEC("uprobe")
int nspr_enter(struct pt_regs *ctx)
{
	struct probe probe;

	if (!probe_begin(ctx, &probe))
		return 0;
	if (probe.function == NSPR_HMAC_UPDATE)
		nspr_hmac_update(ctx);
	else if (probe.function == NSPR_HMAC_FINISH)
		nspr_hmac_finish(ctx);
	else if (probe.function == NSPR_DERIVE)
		nspr_derive(ctx, probe.library);
	else if (probe.function == NSPR_P_HASH)
		nspr_p_hash(ctx, probe.mntns);
	else if (probe.function == NSPR_CLOSE)
		object_close(PT_REGS_PARM1(ctx), probe.mntns);
	else
		nspr_call(ctx, probe.library, probe.function, probe.mntns);
	return 0;
}

SEC("uretprobe")
int nspr_leave(struct pt_regs *ctx)
{
	__s64 moved = (int)PT_REGS_RC(ctx);
	struct scope_frame frame;
	struct scope *scope;
	__u32 function, mntns;
	bool sent;

	function = TLSPCAP_COOKIE_FUNCTION(bpf_get_attach_cookie(ctx));
	if (function == NSPR_HMAC_FINISH) {
		if (filter_task(&mntns))
			nspr_hmac_finished(mntns);
		return 0;
	}
	scope = call_leave(ctx, &frame);
	if (!scope)
		return 0;
	sent = function == NSPR_SEND;
	if (moved > 0 && (sent || !((__u32)frame.result & NSPR_PEEK)))
		call_emit(scope, &frame, sent ? TLSPCAP_SENT : TLSPCAP_RECEIVED, moved, 0);
	return 0;
}

#endif
