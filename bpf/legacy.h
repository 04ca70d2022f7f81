/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The same hooks on sockets for kernels before 6.3, which have no tracepoints there: the ends
 * of TCP's own functions. Only one of the two sets is loaded.
 */
#ifndef TLSPCAP_BPF_LEGACY_H
#define TLSPCAP_BPF_LEGACY_H

#include "stream.h"

/* int tcp_sendmsg(struct sock *, struct msghdr *, size_t) */
SEC("fexit/tcp_sendmsg")
int legacy_send(__u64 *ctx)
{
	const struct sock *sk = (const struct sock *)ctx[0];

	socket_used(sk);
	if (streams)
		stream_moved(sk, (int)ctx[3], 0, TLSPCAP_SENT);
	return 0;
}

/* int tcp_recvmsg(struct sock *, struct msghdr *, size_t, int flags, int *), Linux 5.18 on */
SEC("fexit/tcp_recvmsg")
int legacy_receive(__u64 *ctx)
{
	const struct sock *sk = (const struct sock *)ctx[0];

	socket_used(sk);
	if (streams)
		stream_moved(sk, (int)ctx[5], (__u32)ctx[3], TLSPCAP_RECEIVED);
	return 0;
}

#endif
