/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What a goroutine does with a socket says which TLS object uses it. */
#ifndef TLSPCAP_BPF_GO_SOCKET_H
#define TLSPCAP_BPF_GO_SOCKET_H

#include "goroutine.h"

/*
 * The current goroutine moves bytes on `sk`: the innermost call's object has it, unless its
 * socket was found otherwise. In a system call, g is where Go's own code has it.
 */
static __always_inline void go_used(const struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct goroutine *goroutine = NULL;
	struct object *object;
	__u64 g = 0;
	__u32 n;

	if (!goroutines_probed)
		return;
	if (!bpf_probe_read_kernel(&g, sizeof(g), &GO_CURRENT(regs)))
		goroutine = goroutine_find(g);
	if (!goroutine)
		goroutine = goroutine_find(goroutine_by_storage());
	if (!goroutine)
		return;
	n = goroutine->n;
	if (!n || n > GOROUTINE_DEPTH)
		return;
	object = object_find(goroutine->call[(n - 1) & (GOROUTINE_DEPTH - 1)].tls);
	if (object && !object->sock_id)
		goroutine_bind(object, sk, TLSPCAP_ROLE_UNKNOWN, goroutine->mntns);
}

#endif
