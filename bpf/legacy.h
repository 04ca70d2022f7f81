/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What Linux 5.10 to 5.16 does not have, made of what it has. The programs are compiled twice:
 * into an object for newer kernels, where these are the kernel's own helpers and fields are
 * plain loads, and with TLSPCAP_LEGACY into one for those. Both have the same maps and programs.
 *
 *	LOAD(task, nsproxy, mnt_ns)	task->nsproxy->mnt_ns
 *	bpf_get_current_task_btf()	before 5.11
 *	bpf_task_pt_regs()		before 5.15: found on the task's stack
 *	bpf_get_attach_cookie()		before 5.15: asked of the kernel's dispatcher of uprobes
 */
#ifndef TLSPCAP_BPF_LEGACY_H
#define TLSPCAP_BPF_LEGACY_H

#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <tlspcap/event.h>

/* Where a probe is. User space notes its cookie here on kernels that do not keep one. */
struct probe_place {
	__u64 inode;
	__u64 offset;
	__u32 device;
	__u32 generation;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* 1 where cookies are kept */
	__type(key, struct probe_place);
	__type(value, __u64);
} probe_cookies SEC(".maps");

#ifndef TLSPCAP_LEGACY

#define LOAD(from, ...) ___arrow((from), __VA_ARGS__)

#else

#define LOAD(from, ...)		   BPF_CORE_READ(from, __VA_ARGS__)

#define THREAD_SIZE		   16384 /* x86-64 and arm64 with pages of 4 KiB */

static __always_inline struct task_struct *legacy_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/* A task's user registers are the last thing on its kernel stack. */
static __always_inline void *legacy_registers(const struct task_struct *task)
{
	void *stack = BPF_CORE_READ((const struct task_struct___legacy *)task, stack);

	return stack + THREAD_SIZE - bpf_core_type_size(struct pt_regs);
}

/*
 * While a uprobe's programs run, the kernel keeps a pointer to what it knows of it, for its own
 * trace events. 0 when it is not among our probes.
 */
static __always_inline __u64 legacy_cookie(void)
{
	const struct task_struct___legacy *task = (const void *)bpf_get_current_task();
	const struct uprobe_dispatch_data *data = (const void *)BPF_CORE_READ(task, utask, vaddr);
	struct trace_uprobe *uprobe = BPF_CORE_READ(data, tu);
	struct inode *inode = BPF_CORE_READ(uprobe, inode);
	struct probe_place place = {
		.inode = BPF_CORE_READ(inode, i_ino),
		.offset = BPF_CORE_READ(uprobe, offset),
		.device = BPF_CORE_READ(inode, i_sb, s_dev),
		.generation = BPF_CORE_READ(inode, i_generation),
	};
	__u64 *cookie = bpf_map_lookup_elem(&probe_cookies, &place);

	return cookie ? *cookie : 0;
}

#define bpf_get_current_task_btf() legacy_task()
#define bpf_task_pt_regs(task)	   legacy_registers(task)
#define bpf_get_attach_cookie(ctx) legacy_cookie()

#endif

#endif
