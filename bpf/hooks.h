/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The hooks in the kernel itself, in tiers: for each thing that is to be seen there are several
 * places to see it, each a few lines around the one body. src/capture/tiers.c chooses the tier
 * that this kernel can have, and only its programs are loaded.
 *
 *	raw         the tracepoints at the ends of send and receive (Linux 6.3), by BTF, on kernels
 *		    that do not preempt programs
 *	tracepoint  the same by perf events, which costs more
 *	fentry      the ends of tcp_sendmsg() and tcp_recvmsg(); any kernel with BPF trampolines
 *	kprobe      the beginnings and ends of the same, without trampolines
 *	btf         the tracepoints again, by BTF: no tracefs is needed, and kernels that preempt
 *		    programs drop some events
 *	syscall     the end of every system call; the socket is found by the file descriptor
 */
#ifndef TLSPCAP_BPF_HOOKS_H
#define TLSPCAP_BPF_HOOKS_H

#include "moved.h"
#include "process.h"

/* --- bytes that moved ---------------------------------------------------------------------- */

SEC("tracepoint/sock/sock_send_length")
int moved_send(struct trace_event_raw_sock_msg_length *ctx)
{
	return moved(ctx->sk, ctx->ret, 0, TLSPCAP_SENT, true);
}

SEC("tracepoint/sock/sock_recv_length")
int moved_receive(struct trace_event_raw_sock_msg_length *ctx)
{
	return moved(ctx->sk, ctx->ret, ctx->flags, TLSPCAP_RECEIVED, true);
}

/* (struct sock *, int ret, int flags) */
SEC("tp_btf/sock_send_length")
int moved_send_btf(__u64 *ctx)
{
	return moved((const struct sock *)ctx[0], (int)ctx[1], 0, TLSPCAP_SENT, true);
}

SEC("tp_btf/sock_recv_length")
int moved_receive_btf(__u64 *ctx)
{
	return moved((const struct sock *)ctx[0], (int)ctx[1], (__u32)ctx[2], TLSPCAP_RECEIVED,
		     true);
}

/*
 * How many arguments the kernel's tcp_recvmsg() has, by its BTF:
 *	6: (struct sock *, struct msghdr *, size_t, int nonblock, int flags, int *), before 5.18
 *	5: (struct sock *, struct msghdr *, size_t, int flags, int *)
 *	4: (struct sock *, struct msghdr *, size_t, int flags), Linux 6.18 or so on
 */
const volatile __u32 receive_arguments = 5;

/* int tcp_sendmsg(struct sock *, struct msghdr *, size_t) */
static __always_inline int moved_send_context(const __u64 *ctx)
{
	return moved((const struct sock *)ctx[0], (int)ctx[3], 0, TLSPCAP_SENT, false);
}

/* Each load of the context stays where it is: the verifier refuses one at a chosen offset. */
static __always_inline int moved_receive_context(const __u64 *ctx)
{
	__u64 flags, result;

	if (receive_arguments == 6) {
		flags = ctx[4];
		result = ctx[6];
		barrier_var(flags);
		barrier_var(result);
	} else if (receive_arguments == 5) {
		flags = ctx[3];
		result = ctx[5];
		barrier_var(flags);
		barrier_var(result);
	} else {
		flags = ctx[3];
		result = ctx[4];
	}
	return moved((const struct sock *)ctx[0], (int)result, (__u32)flags, TLSPCAP_RECEIVED,
		     false);
}

SEC("fexit/tcp_sendmsg")
int moved_send_exit(__u64 *ctx)
{
	return moved_send_context(ctx);
}

SEC("fexit/tcp_recvmsg")
int moved_receive_exit(__u64 *ctx)
{
	return moved_receive_context(ctx);
}

/* Multipath TCP has functions of its own, with the same arguments. */
SEC("fexit/mptcp_sendmsg")
int paths_send_exit(__u64 *ctx)
{
	return moved_send_context(ctx);
}

SEC("fexit/mptcp_recvmsg")
int paths_receive_exit(__u64 *ctx)
{
	return moved_receive_context(ctx);
}

/* What a thread gave to the function that it is in: a kretprobe does not know it any more. */
struct moved_call {
	__u64 sk;
	__u32 flags;
	__u32 direction;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct moved_call);
} moved_calls SEC(".maps");

static __always_inline int moved_enter(__u64 sk, __u32 flags, __u32 direction)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct moved_call call = {.sk = sk, .flags = flags, .direction = direction};
	__u32 mntns;

	if (filter_task(&mntns) && bpf_map_update_elem(&moved_calls, &thread, &call, BPF_ANY))
		count_loss(TLSPCAP_LOSS_SCOPE_FULL);
	return 0;
}

static __always_inline int moved_leave(int count, __u32 direction)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct moved_call *found = bpf_map_lookup_elem(&moved_calls, &thread), call;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&moved_calls, &thread);
	if (call.direction != direction)
		return 0; /* one whose end was not seen; the sequence numbers will tell */
	return moved((const struct sock *)call.sk, count, call.flags, direction, false);
}

static __always_inline int moved_receive_enter(struct pt_regs *ctx)
{
	__u64 fourth = PT_REGS_PARM4(ctx), fifth = PT_REGS_PARM5(ctx);

	barrier_var(fourth);
	barrier_var(fifth);
	return moved_enter(PT_REGS_PARM1(ctx), receive_arguments == 6 ? fifth : fourth,
			   TLSPCAP_RECEIVED);
}

SEC("kprobe/tcp_sendmsg")
int moved_send_begin(struct pt_regs *ctx)
{
	return moved_enter(PT_REGS_PARM1(ctx), 0, TLSPCAP_SENT);
}

SEC("kretprobe/tcp_sendmsg")
int moved_send_end(struct pt_regs *ctx)
{
	return moved_leave((int)PT_REGS_RC(ctx), TLSPCAP_SENT);
}

SEC("kprobe/tcp_recvmsg")
int moved_receive_begin(struct pt_regs *ctx)
{
	return moved_receive_enter(ctx);
}

SEC("kretprobe/tcp_recvmsg")
int moved_receive_end(struct pt_regs *ctx)
{
	return moved_leave((int)PT_REGS_RC(ctx), TLSPCAP_RECEIVED);
}

SEC("kprobe/mptcp_sendmsg")
int paths_send_begin(struct pt_regs *ctx)
{
	return moved_enter(PT_REGS_PARM1(ctx), 0, TLSPCAP_SENT);
}

SEC("kretprobe/mptcp_sendmsg")
int paths_send_end(struct pt_regs *ctx)
{
	return moved_leave((int)PT_REGS_RC(ctx), TLSPCAP_SENT);
}

SEC("kprobe/mptcp_recvmsg")
int paths_receive_begin(struct pt_regs *ctx)
{
	return moved_receive_enter(ctx);
}

SEC("kretprobe/mptcp_recvmsg")
int paths_receive_end(struct pt_regs *ctx)
{
	return moved_leave((int)PT_REGS_RC(ctx), TLSPCAP_RECEIVED);
}

/*
 * Whether a call may be one that moves bytes on a socket, and in which direction. What several
 * messages moved is not in the result: the next call finds them missing in the sequence.
 */
static __always_inline bool moved_direction(__u64 call, __u32 *direction)
{
	*direction = TLSPCAP_SENT;
	if (call == CALL_WRITE || call == CALL_WRITEV || call == CALL_SENDTO ||
	    call == CALL_SENDMSG || call == CALL_PWRITEV2)
		return true;
	*direction = TLSPCAP_RECEIVED;
	return call == CALL_READ || call == CALL_READV || call == CALL_RECVFROM ||
	       call == CALL_RECVMSG || call == CALL_PREADV2;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int moved_by_call(struct trace_event_raw_sys_exit *ctx)
{
	__u32 mntns, direction, flags = 0;
	const struct pt_regs___kernel *regs;
	const struct sock *sk;

	if (ctx->ret <= 0 || !moved_direction(ctx->id, &direction) || !filter_task(&mntns))
		return 0;
	regs = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	sk = socket_of_descriptor((__u32)CALL_FIRST(regs));
	if (!sk)
		return 0;
	if (ctx->id == CALL_RECVFROM)
		flags = (__u32)CALL_FOURTH(regs);
	else if (ctx->id == CALL_RECVMSG)
		flags = (__u32)CALL_THIRD(regs);
	return moved(sk, (int)ctx->ret, flags, direction, false);
}

/* --- states of sockets --------------------------------------------------------------------- */

SEC("tracepoint/sock/inet_sock_set_state")
int socket_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	return socket_changes(ctx->skaddr, ctx->protocol, ctx->oldstate, ctx->newstate);
}

/* (const struct sock *, const int oldstate, const int newstate) */
SEC("tp_btf/inet_sock_set_state")
int socket_state_btf(__u64 *ctx)
{
	const struct sock *sk = (const struct sock *)ctx[0];

	return socket_changes(sk, BPF_CORE_READ(sk, sk_protocol), (int)ctx[1], (int)ctx[2]);
}

SEC("tracepoint/tcp/tcp_destroy_sock")
int socket_destroy(struct trace_event_raw_tcp_event_sk *ctx)
{
	return socket_ends(ctx->skaddr);
}

/* (struct sock *) */
SEC("tp_btf/tcp_destroy_sock")
int socket_destroy_btf(__u64 *ctx)
{
	return socket_ends((const void *)ctx[0]);
}

/* --- lives of processes -------------------------------------------------------------------- */

SEC("tracepoint/sched/sched_process_exit")
int process_exit(void *ctx)
{
	return process_ends();
}

SEC("tp_btf/sched_process_exit")
int process_exit_btf(__u64 *ctx)
{
	return process_ends();
}

SEC("tracepoint/sched/sched_process_fork")
int process_fork(struct trace_event_raw_sched_process_fork *ctx)
{
	return process_begins(ctx->child_pid);
}

/* (struct task_struct *parent, struct task_struct *child) */
SEC("tp_btf/sched_process_fork")
int process_fork_btf(__u64 *ctx)
{
	const struct task_struct *child = (const struct task_struct *)ctx[1];

	return process_begins(BPF_CORE_READ(child, pid));
}

#endif
