/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Calls that goroutines are in.
 *
 * A goroutine leaves its thread in the middle of a call and goes on in another one, on a stack
 * that may have moved meanwhile. So its state is kept under the address of its descriptor g,
 * and a place on its stack is told as the distance to the stack's end, which stays.
 */
#ifndef TLSPCAP_BPF_GOROUTINE_H
#define TLSPCAP_BPF_GOROUTINE_H

#include "machine.h"
#include "socket.h"

/*
 *	GO_WORDS(ctx, word)	the first eight words of a Go function's arguments
 *	GO_RETURNED(ctx)	the first word of its results
 *	GO_CURRENT(ctx)		the goroutine's descriptor g
 */
#if defined(__TARGET_ARCH_x86)
#define GO_RETURNED(ctx) ((ctx)->rax)
#define GO_CURRENT(ctx)	 ((ctx)->r14)
#define GO_WORDS(ctx, word)                                                                        \
	do {                                                                                       \
		(word)[0] = (ctx)->rax;                                                            \
		(word)[1] = (ctx)->rbx;                                                            \
		(word)[2] = (ctx)->rcx;                                                            \
		(word)[3] = (ctx)->rdi;                                                            \
		(word)[4] = (ctx)->rsi;                                                            \
		(word)[5] = (ctx)->r8;                                                             \
		(word)[6] = (ctx)->r9;                                                             \
		(word)[7] = (ctx)->r10;                                                            \
	} while (0)
#else
#define GO_RETURNED(ctx) REGISTER(ctx, 0)
#define GO_CURRENT(ctx)	 REGISTER(ctx, 28)
#define GO_WORDS(ctx, word)                                                                        \
	do {                                                                                       \
		(word)[0] = REGISTER(ctx, 0);                                                      \
		(word)[1] = REGISTER(ctx, 1);                                                      \
		(word)[2] = REGISTER(ctx, 2);                                                      \
		(word)[3] = REGISTER(ctx, 3);                                                      \
		(word)[4] = REGISTER(ctx, 4);                                                      \
		(word)[5] = REGISTER(ctx, 5);                                                      \
		(word)[6] = REGISTER(ctx, 6);                                                      \
		(word)[7] = REGISTER(ctx, 7);                                                      \
	} while (0)
#endif

#define GOROUTINE_DEPTH 4     /* TLS inside TLS is two */
#define GOROUTINE_TLS	(-8l) /* where g is in thread-local storage */

/* A goroutine's stack, as the first words of g have it. */
struct goroutine_stack {
	__u64 low;
	__u64 high;
};

struct goroutine_call {
	__u64 depth; /* bytes from the stack's end to the return address */
	__u64 tls;
	__u64 buffer; /* address; on the goroutine's own stack: distance from its end */
	__u64 length;
	__u32 on_stack;
	__u32 function;
	__u32 library;
	__u32 reserved;
};

struct goroutine {
	__u32 n;
	__u32 mntns;
	struct goroutine_call call[GOROUTINE_DEPTH];
};

/*
 * Of those that are in a call now: what is left of processes that ended is overwritten. A key
 * is as of a TLS object, with g's address.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct object_key);
	__type(value, struct goroutine);
} goroutines SEC(".maps");

/* Set by the programs with the first call of a goroutine. */
__u32 goroutines_probed = 0;

static __always_inline __u64 goroutine_by_storage(void)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 base = BPF_CORE_READ(task, thread.fsbase), g;

	if (bpf_probe_read_user(&g, sizeof(g), (const void *)(base + GOROUTINE_TLS)))
		return 0;
	return g;
#else
	return 0; /* where it is there is not known */
#endif
}

/* False: `g` is no goroutine that runs on a stack with `sp`. */
static __always_inline bool goroutine_read_stack(__u64 g, __u64 sp, struct goroutine_stack *stack)
{
	return g && !bpf_probe_read_user(stack, sizeof(*stack), (const void *)g) &&
	       sp >= stack->low && sp < stack->high;
}

static __always_inline struct goroutine *goroutine_find(__u64 g)
{
	struct object_key key;

	object_fill_key(&key, g);
	return bpf_map_lookup_elem(&goroutines, &key);
}

static __always_inline struct goroutine *goroutine_get(__u64 g)
{
	static const struct goroutine empty = {};
	struct goroutine *goroutine = goroutine_find(g);
	struct object_key key;

	if (goroutine)
		return goroutine;
	object_fill_key(&key, g);
	bpf_map_update_elem(&goroutines, &key, &empty, BPF_NOEXIST);
	return bpf_map_lookup_elem(&goroutines, &key);
}

static __always_inline void goroutine_forget(__u64 g)
{
	struct object_key key;

	object_fill_key(&key, g);
	bpf_map_delete_elem(&goroutines, &key);
}

/*
 * A call begins. One that begins at the same place is the same: a function whose stack is too
 * small begins again on a larger one. What is deeper than the new one has ended by a panic.
 * True: a call that was not there.
 */
static __always_inline bool goroutine_enter(__u64 g, const struct goroutine_call *call, __u32 mntns)
{
	struct goroutine *goroutine = goroutine_get(g);
	const struct goroutine_call *before;
	bool again;
	__u32 n;
	int i;

	if (!goroutine) {
		count_loss(TLSPCAP_LOSS_SCOPE_FULL);
		return false;
	}
	n = goroutine->n;
	for (i = GOROUTINE_DEPTH - 1; i >= 0; i--) {
		if ((__u32)i < n && goroutine->call[i].depth >= call->depth)
			n = i;
	}
	if (n >= GOROUTINE_DEPTH) {
		count_loss(TLSPCAP_LOSS_SCOPE_DEPTH);
		n = 0;
	}
	before = &goroutine->call[n & (GOROUTINE_DEPTH - 1)];
	again = n < goroutine->n && before->depth == call->depth && before->tls == call->tls;
	goroutine->mntns = mntns;
	goroutine->call[n & (GOROUTINE_DEPTH - 1)] = *call;
	goroutine->n = n + 1;
	return !again;
}

/* The call that returns at `depth`, taken off. False: its beginning was not seen. */
static __always_inline bool goroutine_leave(__u64 g, __u64 depth, __u32 function,
					    struct goroutine_call *call)
{
	struct goroutine *goroutine = goroutine_find(g);
	int i;

	if (!goroutine)
		return false;
	for (i = GOROUTINE_DEPTH - 1; i >= 0; i--) {
		if ((__u32)i >= goroutine->n || goroutine->call[i].depth != depth ||
		    goroutine->call[i].function != function)
			continue;
		*call = goroutine->call[i];
		goroutine->n = i;
		if (!i)
			goroutine_forget(g);
		return true;
	}
	return false;
}

/* A TLS object's bytes pass `sk`. `role` as the TLS object has it. */
static __always_inline void goroutine_bind(struct object *object, const struct sock *sk, __u8 role,
					   __u32 mntns)
{
	struct socket_info *info = socket_get((__u64)sk);

	if (!info || info->id == object->sock_id || !socket_emit(info, sk, object->id, role, mntns))
		return;
	info->bound |= SOCKET_OBJECT;
	object->sock_id = info->id;
}

#endif
