/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Whether the current task is in scope. Asked first by every probe: nothing of a process
 * that is out of scope is read, not even a register.
 */
#ifndef TLSPCAP_BPF_FILTER_H
#define TLSPCAP_BPF_FILTER_H

#include "maps.h"

/* Plain loads, which the kernel makes safe: a task that ends has no nsproxy, and gives 0. */
static __always_inline __u32 task_mntns(struct task_struct *task)
{
	return task->nsproxy->mnt_ns->ns.inum;
}

/* On true, *mntns is the task's mount namespace. */
static __always_inline bool filter_task(__u32 *mntns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 key;

	*mntns = task_mntns(task);
	if (only_mntns && *mntns != first_mntns && !bpf_map_lookup_elem(&scope_mntns, mntns))
		return false;
	if (only_pid) {
		key = bpf_get_current_pid_tgid() >> 32;
		if (!bpf_map_lookup_elem(&scope_pid, &key))
			return false;
	}
	if (only_uid) {
		key = (__u32)bpf_get_current_uid_gid();
		if (!bpf_map_lookup_elem(&scope_uid, &key))
			return false;
	}
	return true;
}

#endif
