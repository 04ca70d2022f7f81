/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Bytes have moved on a socket: the one body of all hooks in hooks.h. */
#ifndef TLSPCAP_BPF_MOVED_H
#define TLSPCAP_BPF_MOVED_H

#include "stream.h"

#include "families.socket.h" /* made by CMakeLists.txt of src/locate/families.def */

/* `typed`: whether the kernel has bpf_rdonly_cast(), see TCP_FIELD. */
static __always_inline int moved(const struct sock *sk, int count, __u32 flags, __u32 direction,
				 const bool typed)
{
	if (count <= 0)
		return 0;
	/* Which socket a TLS object uses matters only where its calls are probed. */
	if (calls_probed)
		socket_used(sk);
	families_used(sk);
	if (streams)
		stream_moved(sk, count, flags, direction, typed);
	return 0;
}

#endif
