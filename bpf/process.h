/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The life of processes: ends of those that had TLS objects, children of those we follow;
 * and the real inodes of our own mappings.
 */
#ifndef TLSPCAP_BPF_PROCESS_H
#define TLSPCAP_BPF_PROCESS_H

#include "object.h"

static __always_inline int process_ends(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 pid = thread >> 32, tid = (__u32)thread;

	bpf_map_delete_elem(&scopes, &thread);
	bpf_map_delete_elem(&stream_copies, &thread);
	if (follow && tid != pid)
		bpf_map_delete_elem(&scope_pid, &tid);
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0; /* other threads of the process live on */
	if (bpf_map_lookup_elem(&processes, &pid)) {
		emit_bare(TLSPCAP_EVENT_EXIT, 0, 0, task_mntns(bpf_get_current_task_btf()));
		bpf_map_delete_elem(&processes, &pid);
	}
	if (follow)
		bpf_map_delete_elem(&scope_pid, &pid);
	return 0;
}

static __always_inline int process_begins(__u32 child)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u8 one = 1;

	if (!follow || !bpf_map_lookup_elem(&scope_pid, &pid))
		return 0;
	if (bpf_map_update_elem(&scope_pid, &child, &one, BPF_ANY))
		count_loss(TLSPCAP_LOSS_FOLLOW_FULL);
	return 0;
}

/* A mapping's file: on overlayfs stat() shows another inode than the one that a uprobe has. */
struct mapping_file {
	__u64 start;
	__u64 inode;
	__u32 device;
	__u32 generation;
};

static __always_inline bool mapping_look(const struct vm_area_struct *vma,
					 struct mapping_file *found)
{
	struct file *file = BPF_CORE_READ(vma, vm_file);

	if (!file)
		return false;
	found->start = BPF_CORE_READ(vma, vm_start);
	found->inode = BPF_CORE_READ(file, f_inode, i_ino);
	found->device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	found->generation = BPF_CORE_READ(file, f_inode, i_generation);
	return true;
}

/* Prints the file of each mapping of the task that user space asks for (itself). */
SEC("iter/task_vma")
int mapping_identity(struct bpf_iter__task_vma *ctx)
{
	const struct vm_area_struct *vma = ctx->vma; /* loaded once: the check holds for it */
	struct mapping_file line = {};

	if (vma && mapping_look(vma, &line))
		bpf_seq_write(ctx->meta->seq, &line, sizeof(line));
	return 0;
}

#define MAPPINGS_STEPS 48 /* this many times this many mappings are looked at */

/* What the next program found. */
__u64 mapping_inode = 0;
__u32 mapping_device = 0;
__u32 mapping_generation = 0;

/* Where it is in the list. User space runs one at a time. */
__u64 mapping_place = 0;

/* Goes on in the list. Global, as emit_steps(). Returns whether it goes on after these. */
__noinline int mapping_steps(__u64 start)
{
	const struct vm_area_struct *vma = (const void *)mapping_place;
	int i;

	for (i = 0; i < MAPPINGS_STEPS && vma; i++) {
		if (BPF_CORE_READ(vma, vm_start) == start)
			break;
		vma = BPF_CORE_READ((const struct vm_area_struct___list *)vma, vm_next);
	}
	mapping_place = (__u64)vma;
	return i == MAPPINGS_STEPS && vma;
}

/*
 * The same before Linux 6.1, where that iterator cannot be told whose mappings: user space runs
 * this program by itself, and it finds the mapping that begins at the address it is given.
 */
SEC("raw_tracepoint")
int mapping_search(struct bpf_raw_tracepoint_args *ctx)
{
	const struct task_struct *task = (const void *)bpf_get_current_task();
	const struct mm_struct___list *mm = (const void *)BPF_CORE_READ(task, mm);
	struct mapping_file found = {};
	const struct vm_area_struct *vma;
	__u64 start = ctx->args[0];
	int i;

	if (!bpf_core_field_exists(struct mm_struct___list, mmap))
		return 1;
	mapping_place = (__u64)BPF_CORE_READ(mm, mmap);
	for (i = 0; i < MAPPINGS_STEPS; i++) {
		if (!mapping_steps(start))
			break;
	}
	vma = (const void *)mapping_place;
	if (i == MAPPINGS_STEPS || !vma || !mapping_look(vma, &found))
		return 1;
	mapping_inode = found.inode;
	mapping_device = found.device;
	mapping_generation = found.generation;
	return 0;
}

#endif
