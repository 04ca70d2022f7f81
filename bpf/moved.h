/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The hooks at the ends of the kernel's send and receive: bytes have moved on a socket.
 *
 * Two sets, of which one is loaded: the tracepoints of Linux 6.3, and before these the ends
 * of TCP's own functions. Classic tracepoints, not BTF ones: kernels that preempt programs
 * drop events of the latter.
 */
#ifndef TLSPCAP_BPF_MOVED_H
#define TLSPCAP_BPF_MOVED_H

#include "goroutine.h"
#include "stream.h"

static __always_inline int moved(const struct sock *sk, int count, __u32 flags, __u32 direction,
				 const bool typed)
{
	if (count <= 0)
		return 0;
	/* Which socket a TLS object uses matters only where its calls are probed. */
	if (calls_probed)
		socket_used(sk);
	if (goroutines_probed)
		goroutine_used(sk);
	if (streams)
		stream_moved(sk, count, flags, direction, typed);
	return 0;
}

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

/* int tcp_sendmsg(struct sock *, struct msghdr *, size_t) */
SEC("fexit/tcp_sendmsg")
int legacy_send(__u64 *ctx)
{
	return moved((const struct sock *)ctx[0], (int)ctx[3], 0, TLSPCAP_SENT, false);
}

/* int tcp_recvmsg(struct sock *, struct msghdr *, size_t, int flags, int *), Linux 5.18 on */
SEC("fexit/tcp_recvmsg")
int legacy_receive(__u64 *ctx)
{
	return moved((const struct sock *)ctx[0], (int)ctx[5], (__u32)ctx[3], TLSPCAP_RECEIVED,
		     false);
}

#endif
