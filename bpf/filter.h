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
	return LOAD(task, nsproxy, mnt_ns, ns.inum);
}

static __always_inline __u32 task_netns(struct task_struct *task)
{
	return LOAD(task, nsproxy, net_ns, ns.inum);
}

/* Inode numbers of namespaces are used again; this is not, while the machine is up. */
static __always_inline __u64 task_namespace_id(struct task_struct *task)
{
	struct mnt_namespace *namespace = LOAD(task, nsproxy, mnt_ns);

	if (bpf_core_field_exists(struct ns_common___id, ns_id))
		return LOAD((struct ns_common___id *)&namespace->ns, ns_id);
	return LOAD((struct mnt_namespace___seq *)namespace, seq);
}

static __always_inline bool filter_mntns(struct task_struct *task, __u32 mntns)
{
	__u64 *id = bpf_map_lookup_elem(&scope_mntns, &mntns);

	return id && (!*id || *id == task_namespace_id(task));
}

/* The leader's name: threads have names of their own. */
static __always_inline bool filter_comm(struct task_struct *task)
{
	char comm[TLSPCAP_COMM_LEN] = {};
	struct task_struct *leader = LOAD(task, group_leader);

	bpf_probe_read_kernel_str(comm, sizeof(comm), leader->comm);
	return bpf_map_lookup_elem(&scope_comm, comm);
}

/* The task's place in the hierarchy that user space chose. */
static __always_inline struct cgroup_subsys_state *cgroup_of(struct task_struct *task)
{
	struct css_set *set = LOAD(task, cgroups);
	struct cgroup_subsys_state *state = NULL;
	struct cgroup *cgroup;

	if (cgroup_controller >= 0) {
		bpf_probe_read_kernel(&state, sizeof(state),
				      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
					      cgroup_controller * sizeof(state));
		return state;
	}
	cgroup = LOAD(set, dfl_cgrp);
	return &cgroup->self;
}

#define CGROUP_DEPTH 24

/* The cgroup itself, or one above it. What was found holds until the set changes. */
static __always_inline bool filter_cgroup(struct task_struct *task)
{
	struct cgroup_subsys_state *state = cgroup_of(task);
	__u64 leaf = BPF_CORE_READ(state, cgroup, kn, id), id = leaf;
	__u64 *known = bpf_map_lookup_elem(&cgroup_verdicts, &leaf);
	__u64 verdict = (__u64)scope_version << 1;
	int i;

	if (known && *known >> 1 == scope_version)
		return *known & 1;
	for (i = 0; i < CGROUP_DEPTH && state; i++) {
		id = BPF_CORE_READ(state, cgroup, kn, id);
		if (bpf_map_lookup_elem(&scope_cgroup, &id)) {
			verdict |= 1;
			break;
		}
		state = BPF_CORE_READ(state, parent);
	}
	bpf_map_update_elem(&cgroup_verdicts, &leaf, &verdict, BPF_ANY);
	return verdict & 1;
}

/* On true, *mntns is the task's mount namespace. */
static __always_inline bool filter_task(__u32 *mntns)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 key;

	*mntns = task_mntns(task);
	if (only_mntns && *mntns != first_mntns && !filter_mntns(task, *mntns))
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
	if (only_netns) {
		key = task_netns(task);
		if (!bpf_map_lookup_elem(&scope_netns, &key))
			return false;
	}
	if (only_comm && !filter_comm(task))
		return false;
	if (only_cgroup && !filter_cgroup(task))
		return false;
	return true;
}

#endif
