/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Files that processes in scope map executable, programs that begin, and mount namespaces
 * that are new: told to user space at once, each once. With hold, the process is stopped in
 * the same moment, before its next instruction, until user space has attached its probes.
 *
 * Two hooks see a mapping, and one of them is loaded: fentry on uprobe_mmap(), which has the
 * mapping in its hand, and where the kernel has no such hooks, the end of the system call
 * mmap.
 */
#ifndef TLSPCAP_BPF_MAPPED_H
#define TLSPCAP_BPF_MAPPED_H

#include "filter.h"
#include "mapped.h"
#include "syscall.h"

#define SIGSTOP		 19
#define PROT_EXEC	 4
#define VM_EXEC		 4
#define HOLD_MAX	 1024
#define HOLD_ANSWER_NS	 (250ull * 1000 * 1000) /* user space is alive: it said so since */
#define MAPPED_RING_SIZE (1 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MAPPED_RING_SIZE);
} mapped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct mapped_key);
	__type(value, __u32); /* enum mapped_state */
} mapped_seen SEC(".maps");

/* Files that have probes, with mntns 0. The value is the last sweep that found them mapped. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TLSPCAP_LIBRARIES_MAX);
	__type(key, struct mapped_key);
	__type(value, __u64);
} mapped_probed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* task_namespace_id() */
	__type(value, __u8);
} namespaces_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HOLD_MAX);
	__type(key, __u32); /* process */
	__type(value, struct mapped_hold);
} held SEC(".maps");

/* Set before loading. */
const volatile bool hold = false;
const volatile bool hold_unjudged = false; /* namespaces of which the scope is not known yet */
const volatile __u32 own_pid = 0;
const volatile struct mapped_prefix mapped_prefixes[MAPPED_PREFIXES_MAX] = {};

/* Shared with user space. */
__u64 hold_answer_ns = 0; /* when it was last seen to look at the ring; 0: no holding */
__u64 mapped_sweep = 0;
__u64 mapped_lost = 0;	/* what found the ring full */
__u64 hold_refused = 0; /* processes that were not stopped: on a terminal, traced, too many */

/* Stops the current process. False: it goes on. */
static __always_inline bool hold_process(__u32 pid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mapped_hold since = {.since_ns = bpf_ktime_get_ns()}, *noted;

	if (!hold || !hold_answer_ns || pid == own_pid)
		return false;
	if (since.since_ns - hold_answer_ns > HOLD_ANSWER_NS)
		goto refused;
	/* Its shell would see the stop and take its terminal back; a debugger sees it, too. */
	if (LOAD(task, ptrace) || LOAD(task, signal, tty))
		goto refused;
	/* Noted first: whatever comes next, somebody knows whom to continue. */
	if (bpf_map_update_elem(&held, &pid, &since, BPF_NOEXIST)) {
		noted = bpf_map_lookup_elem(&held, &pid);
		if (noted && !noted->ending)
			return true; /* by another thread */
		if (!noted || bpf_map_update_elem(&held, &pid, &since, BPF_ANY))
			goto refused;
	}
	if (!bpf_send_signal(SIGSTOP))
		return true;
	bpf_map_delete_elem(&held, &pid);
refused:
	__sync_fetch_and_add(&hold_refused, 1);
	return false;
}

static __always_inline void mapped_set_file(struct mapped_key *key, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	key->inode = BPF_CORE_READ(inode, i_ino);
	key->device = BPF_CORE_READ(inode, i_sb, s_dev);
	key->generation = BPF_CORE_READ(inode, i_generation);
}

/*
 * Tells user space, and holds the process if it is asked for. False: the ring is full, and
 * the next one who maps the file is told of again.
 */
static __always_inline bool mapped_tell(const struct mapped_key *key, __u16 kind, __u32 mntns,
					bool stop, __u64 start, __u64 end, const char *name)
{
	struct mapped_event *event = bpf_ringbuf_reserve(&mapped, sizeof(*event), 0);
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!event) {
		__sync_fetch_and_add(&mapped_lost, 1);
		return false;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->namespace_id = task_namespace_id(bpf_get_current_task_btf());
	event->start = start;
	event->end = end;
	event->inode = key->inode;
	event->device = key->device;
	event->generation = key->generation;
	event->pid = pid;
	event->mntns = mntns;
	event->kind = kind;
	event->held = stop && hold_process(pid);
	event->reserved = 0;
	__builtin_memset(event->name, 0, sizeof(event->name));
	if (name)
		bpf_probe_read_kernel_str(event->name, sizeof(event->name), name);
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	return true;
}

/* What is new about the file: it is told, or it was and still waits for its probes. */
static __always_inline void mapped_file(struct mapped_key *key, __u16 kind, __u32 mntns,
					__u64 start, __u64 end, const char *name)
{
	struct mapped_key file = *key;
	__u32 *state = NULL, told = MAPPED_TOLD;
	bool probed = false;

	file.mntns = 0;
	if (key->inode) {
		state = bpf_map_lookup_elem(&mapped_seen, key);
		if (state && *state == MAPPED_WITHOUT)
			return;
		probed = bpf_map_lookup_elem(&mapped_probed, &file);
	}
	if (state && ((*state == MAPPED_WITH && probed) || (*state == MAPPED_TOLD && !hold)))
		return;
	if (!mapped_tell(key, kind, mntns, !probed, start, end, name) || !key->inode)
		return;
	bpf_map_update_elem(&mapped_seen, key, &told, BPF_ANY);
}

/* Whether a name starts as one of a TLS library does. */
static __always_inline bool mapped_is_named(const char *name)
{
	__u32 i, j;

	for (i = 0; i < MAPPED_PREFIXES_MAX; i++) {
		const volatile struct mapped_prefix *prefix = &mapped_prefixes[i];

		if (!prefix->length)
			return false;
		for (j = 0; j < MAPPED_PREFIX_LEN; j++) {
			if (j >= prefix->length)
				return true;
			if (name[j] != prefix->text[j])
				break;
		}
		if (j == MAPPED_PREFIX_LEN)
			return true;
	}
	return false;
}

/* A mapping's file, as much of it as decides. */
struct mapped_found {
	struct mapped_key key;
	__u64 start, end;
	char name[MAPPED_PREFIX_LEN];
	const unsigned char *whole_name;
};

static __always_inline void mapped_look(struct mapped_found *found, struct vm_area_struct *vma)
{
	struct file *file = BPF_CORE_READ(vma, vm_file);

	if (!file)
		return;
	found->whole_name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(found->name, sizeof(found->name), found->whole_name);
	found->start = BPF_CORE_READ(vma, vm_start);
	found->end = BPF_CORE_READ(vma, vm_end);
	mapped_set_file(&found->key, file);
}

static __always_inline int mapped_take(struct mapped_found *found, __u32 mntns)
{
	if (!mapped_is_named(found->name))
		return 0;
	found->key.mntns = mntns;
	mapped_file(&found->key, MAPPED_LIBRARY, mntns, found->start, found->end,
		    (const char *)found->whole_name);
	return 0;
}

/* --- the first hook: the kernel has a mapping in its hand ---------------------------------- */

SEC("fentry/uprobe_mmap")
int BPF_PROG(mapped_by_kernel, struct vm_area_struct *vma)
{
	struct mapped_found found = {};
	__u32 mntns;

	if (!(BPF_CORE_READ(vma, vm_flags) & VM_EXEC) || !filter_task(&mntns))
		return 0;
	mapped_look(&found, vma);
	return mapped_take(&found, mntns);
}

/* --- the second hook: the end of a system call --------------------------------------------- */

#ifndef TLSPCAP_LEGACY

static long mapped_found_vma(struct task_struct *task, struct vm_area_struct *vma,
			     struct mapped_found *found)
{
	mapped_look(found, vma);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_mmap")
int mapped_by_call(struct trace_event_raw_sys_exit *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct pt_regs___kernel *regs = (const void *)bpf_task_pt_regs(task);
	struct mapped_found found = {};
	__s64 address = ctx->ret;
	__u32 mntns;

	if ((__u64)address >= (__u64)-4095 || !(CALL_THIRD(regs) & PROT_EXEC) ||
	    (__s32)CALL_FIFTH(regs) < 0 || !filter_task(&mntns))
		return 0;
	/*
	 * The kernel refuses while another thread changes the mappings. Then user space learns
	 * the address, and finds out the rest.
	 */
	if (bpf_find_vma(task, address, mapped_found_vma, &found, 0)) {
		mapped_tell(&found.key, MAPPED_LIBRARY, mntns, true, address, 0, NULL);
		return 0;
	}
	return mapped_take(&found, mntns);
}

#else

/* bpf_find_vma() is of Linux 5.17: never loaded. */
SEC("tracepoint/syscalls/sys_exit_mmap")
int mapped_by_call(struct trace_event_raw_sys_exit *ctx)
{
	return 0;
}

#endif

/* --- programs and namespaces ---------------------------------------------------------------- */

static __always_inline void mapped_namespace(const struct mapped_key *key, struct task_struct *task)
{
	__u64 id = task_namespace_id(task);
	__u8 one = 1;

	if (bpf_map_lookup_elem(&namespaces_seen, &id))
		return;
	if (mapped_tell(key, MAPPED_NAMESPACE, task_mntns(task), hold_unjudged, 0, 0, NULL))
		bpf_map_update_elem(&namespaces_seen, &id, &one, BPF_ANY);
}

SEC("tracepoint/sched/sched_process_exec")
int mapped_program(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct mapped_key key = {};
	__u32 mntns;

	if (!file)
		return 0;
	mapped_set_file(&key, file);
	mapped_namespace(&key, task);
	if (filter_task(&mntns))
		mapped_file(&key, MAPPED_PROGRAM, mntns, 0, 0,
			    (const char *)BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return 0;
}

/* --- what user space asks ------------------------------------------------------------------- */

/* Which of the probed files are mapped: one walk over all mappings answers for all of them. */
SEC("iter/task_vma")
int mapped_still(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct mapped_key key = {};
	struct file *file;
	__u64 *sweep;

	if (!vma || !(BPF_CORE_READ(vma, vm_flags) & VM_EXEC))
		return 0;
	file = BPF_CORE_READ(vma, vm_file);
	if (!file)
		return 0;
	mapped_set_file(&key, file);
	sweep = bpf_map_lookup_elem(&mapped_probed, &key);
	if (sweep)
		*sweep = mapped_sweep;
	return 0;
}

/* The mount namespaces that have processes. */
SEC("iter/task")
int mapped_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mapped_process line = {};
	struct mnt_namespace *namespace;

	if (!task || task->pid != task->tgid)
		return 0;
	namespace = BPF_CORE_READ(task, nsproxy, mnt_ns);
	if (!namespace)
		return 0;
	line.pid = task->tgid;
	line.mntns = BPF_CORE_READ(namespace, ns.inum);
	if (bpf_core_field_exists(struct ns_common___id, ns_id))
		line.namespace_id = BPF_CORE_READ((struct ns_common___id *)&namespace->ns, ns_id);
	else
		line.namespace_id = BPF_CORE_READ((struct mnt_namespace___seq *)namespace, seq);
	bpf_seq_write(ctx->meta->seq, &line, sizeof(line));
	return 0;
}

#endif
