/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * crypto/tls of Go's standard library. go_enter is at the beginnings of its functions, go_leave
 * at each of their RET instructions.
 */
#ifndef TLSPCAP_BPF_GO_BPF_H
#define TLSPCAP_BPF_GO_BPF_H

#include "call.h"
#include "go.h"
#include "goroutine.h"
#include "secret.h"

#define GO_ARGUMENTS   8
#define GO_RESULT      4 /* on the stack, the results of Read and Write follow four arguments */
#define GO_STREAM      1 /* syscall.SOCK_STREAM */
#define GO_MASTER_SIZE 48

/*
 * In Go's order, whichever way they are passed: strings are two, slices three. On the stack
 * they stand behind the return address.
 */
struct go_arguments {
	__u64 word[GO_ARGUMENTS];
};

static __always_inline bool go_is_on_stack(__u32 library)
{
	struct tlspcap_layout *layout = layout_of(library);

	return layout && (layout->flags & GO_ON_STACK);
}

static __always_inline bool go_read_stack_words(struct pt_regs *ctx, struct go_arguments *arguments)
{
	return !bpf_probe_read_user(arguments, sizeof(*arguments),
				    (const void *)(PT_REGS_SP(ctx) + 8));
}

static __always_inline bool go_read_arguments(struct pt_regs *ctx, bool on_stack,
					      struct go_arguments *arguments)
{
	__u64 *word = arguments->word;

	if (on_stack)
		return go_read_stack_words(ctx, arguments);
	GO_WORDS(ctx, word);
	return true;
}

static __always_inline __u64 go_current(struct pt_regs *ctx, bool on_stack)
{
	return on_stack ? goroutine_by_storage() : GO_CURRENT(ctx);
}

/* --- secrets ------------------------------------------------------------------------------- */

/* func (c *Config) writeKeyLog(label string, clientRandom, secret []byte) error */
static __always_inline void go_secret(const struct go_arguments *arguments, __u32 library,
				      __u32 mntns)
{
	const __u64 *word = arguments->word;
	const struct secret_call call = {
		.label = word[1],
		.label_length = (__u32)word[2],
		.random_base = word[3],
		.secret = word[6],
		.length = (__u32)word[7],
		.library = library,
		.mntns = mntns,
	};
	struct tlspcap_layout *layout = layout_of(library);

	if (layout && call.label && call.label_length && word[4] == TLSPCAP_RANDOM_LEN)
		secret_emit(&call, &layout->client_random);
}

/*
 * func keysFromMasterSecret(version uint16, suite *cipherSuite, masterSecret, clientRandom,
 * serverRandom []byte, …): also when a session is resumed. User space takes no secret twice.
 */
static __always_inline void go_master(const struct go_arguments *arguments, __u32 library,
				      __u32 mntns)
{
	const __u64 *word = arguments->word;
	const struct secret_call call = {
		.secret = word[2],
		.length = GO_MASTER_SIZE,
		.random_base = word[5],
		.library = library,
		.mntns = mntns,
	};
	struct tlspcap_layout *layout = layout_of(library);

	if (layout && word[3] == GO_MASTER_SIZE && word[6] == TLSPCAP_RANDOM_LEN)
		secret_emit(&call, &layout->client_random);
}

/* --- the socket ---------------------------------------------------------------------------- */

/* The end of a net.netFD, from its Sysfd on; the same in Go 1.12 to 1.27. */
struct go_descriptor {
	__s64 fd;
	__u64 between[4];
	__s64 family;
	__s64 type;
};

#define GO_DESCRIPTOR_AT 16

/*
 * The socket below a tls.Conn, when that is a plain net.TCPConn: its first field is an
 * interface {table, pointer}, which points to a pointer to a netFD. What the program has there
 * instead may be anything; so the descriptor must say what the kernel says: a TCP socket of
 * that family. NULL: none.
 */
static __always_inline struct sock *go_find_socket(__u64 tls)
{
	struct go_descriptor descriptor;
	struct sock *sk;
	__u64 at;

	if (bpf_probe_read_user(&at, sizeof(at), (const void *)(tls + 8)) ||
	    bpf_probe_read_user(&at, sizeof(at), (const void *)at) ||
	    bpf_probe_read_user(&descriptor, sizeof(descriptor),
				(const void *)(at + GO_DESCRIPTOR_AT)))
		return NULL;
	if (descriptor.fd < 0 || descriptor.fd > 0xffffffff || descriptor.type != GO_STREAM)
		return NULL;
	sk = socket_of_descriptor((__u32)descriptor.fd);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != descriptor.family)
		return NULL;
	return sk;
}

/* Behind the connection's interface: isClient bool. */
static __always_inline __u8 go_role(__u64 tls)
{
	__u8 is_client;

	if (bpf_probe_read_user(&is_client, sizeof(is_client), (const void *)(tls + 16)) ||
	    is_client > 1)
		return TLSPCAP_ROLE_UNKNOWN;
	return is_client ? TLSPCAP_ROLE_CLIENT : TLSPCAP_ROLE_SERVER;
}

/*
 * The object with its socket, where that can be had. A Conn that nobody closed was collected,
 * and another one is at its place, if the socket is another one.
 */
static __always_inline struct object *go_object(__u64 tls, __u32 library, __u32 mntns)
{
	struct sock *sk = go_find_socket(tls);
	struct object *object = object_get(tls, library, mntns);
	struct socket_info *info;

	if (!sk || !object)
		return object;
	if (object->sock_id || object->closing) {
		info = socket_get((__u64)sk);
		if (!info || info->id == object->sock_id)
			return object;
		object_close(tls, mntns);
		object = object_get(tls, library, mntns);
		if (!object)
			return NULL;
	}
	goroutine_bind(object, sk, go_role(tls), mntns);
	return object;
}

/*
 * Conn.Close may be called while others are in calls on the Conn, which then return: what these
 * have moved is told at their ends, so that long the object stays.
 */
static __always_inline void go_close(__u64 tls, __u32 mntns)
{
	struct object *object = object_find(tls);

	if (!object)
		return;
	object->closing = 1;
	if (object->calls <= 0)
		object_close(tls, mntns);
}

static __always_inline void go_release(__u64 tls, __u32 mntns)
{
	struct object *object = object_find(tls);

	if (!object)
		return;
	__sync_fetch_and_add(&object->calls, -1);
	if (object->closing && object->calls <= 0)
		object_close(tls, mntns);
}

/* --- plaintext ----------------------------------------------------------------------------- */

static __always_inline void go_call(struct pt_regs *ctx, const struct go_arguments *arguments,
				    __u32 library, __u32 function, __u32 mntns, bool on_stack)
{
	__u64 g = go_current(ctx, on_stack);
	struct goroutine_stack stack;
	struct object *object;
	struct goroutine_call call = {
		.tls = arguments->word[0],
		.buffer = arguments->word[1],
		.length = arguments->word[2],
		.function = function,
		.library = library,
	};

	if (!goroutine_read_stack(g, PT_REGS_SP(ctx), &stack)) {
		count_loss(TLSPCAP_LOSS_MISSED);
		return;
	}
	call.depth = stack.high - PT_REGS_SP(ctx);
	if (call.buffer >= stack.low && call.buffer < stack.high) {
		call.on_stack = 1;
		call.buffer = stack.high - call.buffer;
	}
	object = go_object(call.tls, library, mntns);
	if (!object)
		return;
	goroutines_probed = 1;
	if (goroutine_enter(g, &call, mntns))
		__sync_fetch_and_add(&object->calls, 1);
}

SEC("uprobe")
int go_enter(struct pt_regs *ctx)
{
	struct go_arguments arguments;
	struct probe probe;
	bool on_stack;

	if (!probe_begin(ctx, &probe))
		return 0;
	on_stack = go_is_on_stack(probe.library);
	if (!go_read_arguments(ctx, on_stack, &arguments)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return 0;
	}
	if (probe.function == GO_LOG_SECRET)
		go_secret(&arguments, probe.library, probe.mntns);
	else if (probe.function == GO_MASTER)
		go_master(&arguments, probe.library, probe.mntns);
	else if (probe.function == GO_CLOSE)
		go_close(arguments.word[0], probe.mntns);
	else
		go_call(ctx, &arguments, probe.library, probe.function, probe.mntns, on_stack);
	return 0;
}

/*
 * A Read that began before it was probed, as that of an idle connection does: its arguments
 * have places behind the return address where also functions that get them in registers put
 * them. Believed when they lead to a TCP socket.
 */
static __always_inline bool go_guess_call(struct pt_regs *ctx, const struct goroutine_stack *stack,
					  __u32 library, __u64 moved, struct goroutine_call *call)
{
	struct go_arguments arguments;

	if (!go_read_stack_words(ctx, &arguments) || !go_find_socket(arguments.word[0]))
		return false;
	call->tls = arguments.word[0];
	call->buffer = arguments.word[1];
	call->length = arguments.word[2];
	call->on_stack = 0;
	call->library = library;
	/* A buffer on the stack may have moved: its place is not sure. */
	return moved <= call->length && (call->buffer < stack->low || call->buffer >= stack->high);
}

/* The bytes that the call has moved; 0: none, or it failed before any. */
static __always_inline __u64 go_moved(struct pt_regs *ctx, bool on_stack)
{
	__s64 moved = GO_RETURNED(ctx);

	if (on_stack && bpf_probe_read_user(&moved, sizeof(moved),
					    (const void *)(PT_REGS_SP(ctx) + 8 + 8 * GO_RESULT))) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return 0;
	}
	return moved > 0 ? moved : 0;
}

static __always_inline void go_emit(const struct goroutine_call *call,
				    const struct goroutine_stack *stack, __u32 function,
				    __u64 moved, __u32 mntns)
{
	struct scope *scope = scope_get();
	const struct scope_frame frame = {
		.tls = call->tls,
		.buffer = call->on_stack ? stack->high - call->buffer : call->buffer,
		.library = call->library,
	};

	if (!scope)
		return;
	scope->mntns = mntns;
	call_emit(scope, &frame, function == GO_READ ? TLSPCAP_RECEIVED : TLSPCAP_SENT, moved, 0);
}

/* A call returns; `known`: `call` is what was seen when it began. */
static __always_inline void go_return(struct pt_regs *ctx, const struct probe *probe, bool known,
				      const struct goroutine_stack *stack, bool on_stack,
				      struct goroutine_call *call)
{
	__u64 moved = go_moved(ctx, on_stack);

	if (!moved)
		return;
	if (!known && probe->function == GO_READ &&
	    go_guess_call(ctx, stack, probe->library, moved, call))
		known = go_object(call->tls, probe->library, probe->mntns) != NULL;
	if (!known || moved > call->length) {
		count_loss(TLSPCAP_LOSS_MISSED);
		return;
	}
	go_emit(call, stack, probe->function, moved, probe->mntns);
}

SEC("uprobe")
int go_leave(struct pt_regs *ctx)
{
	struct goroutine_call call = {};
	struct goroutine_stack stack;
	struct probe probe;
	bool on_stack, known;
	__u64 g;

	if (!probe_begin(ctx, &probe))
		return 0;
	on_stack = go_is_on_stack(probe.library);
	g = go_current(ctx, on_stack);
	if (!goroutine_read_stack(g, PT_REGS_SP(ctx), &stack)) {
		count_loss(TLSPCAP_LOSS_MISSED);
		return 0;
	}
	known = goroutine_leave(g, stack.high - PT_REGS_SP(ctx), probe.function, &call);
	go_return(ctx, &probe, known, &stack, on_stack, &call);
	if (known)
		go_release(call.tls, probe.mntns);
	return 0;
}

#endif
