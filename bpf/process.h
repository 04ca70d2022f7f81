/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The life of processes: ends of those that had TLS objects, children of those we follow;
 * and the real inodes of our own mappings.
 */
#ifndef TLSPCAP_BPF_PROCESS_H
#define TLSPCAP_BPF_PROCESS_H

#include "object.h"

SEC("tracepoint/sched/sched_process_exit")
int process_exit(void *ctx)
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

SEC("tracepoint/sched/sched_process_fork")
int process_fork(struct trace_event_raw_sched_process_fork *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u32 child = ctx->child_pid;
	__u8 one = 1;

	if (!follow || !bpf_map_lookup_elem(&scope_pid, &pid))
		return 0;
	if (bpf_map_update_elem(&scope_pid, &child, &one, BPF_ANY))
		count_loss(TLSPCAP_LOSS_FOLLOW_FULL);
	return 0;
}

/*
 * Prints the file of each mapping of the task that user space asks for (itself): on
 * overlayfs stat() shows another inode than the one that a uprobe is tied to.
 */
SEC("iter/task_vma")
int mapping_identity(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct {
		__u64 start;
		__u64 inode;
		__u32 device;
		__u32 generation;
	} line = {};
	struct file *file;

	if (!vma)
		return 0;
	file = BPF_CORE_READ(vma, vm_file);
	if (!file)
		return 0;
	line.start = BPF_CORE_READ(vma, vm_start);
	line.inode = BPF_CORE_READ(file, f_inode, i_ino);
	line.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
	line.generation = BPF_CORE_READ(file, f_inode, i_generation);
	bpf_seq_write(ctx->meta->seq, &line, sizeof(line));
	return 0;
}

#endif
