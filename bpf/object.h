/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * TLS objects, and the library calls that threads are in.
 */
#ifndef TLSPCAP_BPF_OBJECT_H
#define TLSPCAP_BPF_OBJECT_H

#include "emit.h"

static __always_inline void object_fill_key(struct object_key *key, __u64 tls)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	__builtin_memset(key, 0, sizeof(*key));
	key->tls = tls;
	key->start_time = BPF_CORE_READ(task, group_leader, start_time);
	key->pid = bpf_get_current_pid_tgid() >> 32;
	key->exec_id = (__u32)BPF_CORE_READ(task, self_exec_id);
}

static __always_inline void fill_owner(struct tlspcap_open *open, __u32 mntns)
{
	fill_event(&open->event, sizeof(*open), TLSPCAP_EVENT_OPEN, mntns);
	open->cgroup = bpf_get_current_cgroup_id();
	open->uid = (__u32)bpf_get_current_uid_gid();
	open->library = 0;
	bpf_get_current_comm(open->comm, sizeof(open->comm));
}

static __always_inline bool object_announce(const struct object *object, __u32 mntns)
{
	struct tlspcap_open *open = reserve_event(sizeof(*open));

	if (!open)
		return false;
	fill_owner(open, mntns);
	open->event.tls_id = object->id;
	open->library = object->library;
	bpf_ringbuf_submit(open, emit_flags());
	return true;
}

/* The object, made when it is new; its OPEN event has gone out or is tried again. */
static __always_inline struct object *object_get(__u64 tls, __u32 library, __u32 mntns)
{
	struct object_key key;
	struct object *object;
	__u8 one = 1;

	object_fill_key(&key, tls);
	object = bpf_map_lookup_elem(&objects, &key);
	if (!object) {
		struct object fresh = {.id = new_id(), .library = library};

		bpf_map_update_elem(&objects, &key, &fresh, BPF_NOEXIST);
		bpf_map_update_elem(&processes, &key.pid, &one, BPF_ANY);
		object = bpf_map_lookup_elem(&objects, &key);
		if (!object) {
			count_loss(TLSPCAP_LOSS_OBJECT_FULL);
			return NULL;
		}
	}
	if (!object->announced)
		object->announced = object_announce(object, mntns);
	return object;
}

static __always_inline struct object *object_find(__u64 tls)
{
	struct object_key key;

	object_fill_key(&key, tls);
	return bpf_map_lookup_elem(&objects, &key);
}

/* The object is freed: its address may be another object's in the next moment. */
static __always_inline void object_close(__u64 tls, __u32 mntns)
{
	struct object_key key;
	struct object *object;

	object_fill_key(&key, tls);
	object = bpf_map_lookup_elem(&objects, &key);
	if (!object)
		return;
	emit_bare(TLSPCAP_EVENT_CLOSE, object->id, object->sock_id, mntns);
	bpf_map_delete_elem(&objects, &key);
}

/* Where a path leads in the target's memory; 0, or negative errno. */
static __always_inline int path_address(const struct tlspcap_path *path, __u64 base, __u64 *address)
{
	if (path->steps < 1 || path->steps > 2)
		return -1;
	if (path->steps == 2) {
		if (bpf_probe_read_user(&base, sizeof(base),
					(const void *)(base + path->offset[0])))
			return -1;
		*address = base + path->offset[1];
		return 0;
	}
	*address = base + path->offset[0];
	return 0;
}

/* Follows a path in the target's memory; 0, or negative errno. */
static __always_inline int path_read(const struct tlspcap_path *path, __u64 base, void *out,
				     __u32 size)
{
	__u64 address;

	if (path_address(path, base, &address))
		return -1;
	return bpf_probe_read_user(out, size, (const void *)address);
}

static __always_inline struct tlspcap_layout *layout_of(__u32 library)
{
	return bpf_map_lookup_elem(&layouts, &library);
}

/* The current thread's state, made when there is none; NULL: too many threads. */
static __always_inline struct scope *scope_get(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct scope *scope = bpf_map_lookup_elem(&scopes, &thread);
	/* Zeroed in the map's own memory: a scope is too large for this stack. */
	static const struct scope empty = {};

	if (scope)
		return scope;
	bpf_map_update_elem(&scopes, &thread, &empty, BPF_NOEXIST);
	scope = bpf_map_lookup_elem(&scopes, &thread);
	if (!scope)
		count_loss(TLSPCAP_LOSS_SCOPE_FULL);
	return scope;
}

/* A thread enters a call. Frames above `sp` that never returned (longjmp) are forgotten. */
static __always_inline void scope_enter(const struct scope_frame *frame, __u32 mntns)
{
	struct scope *scope = scope_get();
	__u32 depth;

	if (!scope)
		return;
	scope->mntns = mntns;
	depth = scope->depth;
	if (depth >= SCOPE_DEPTH) {
		count_loss(TLSPCAP_LOSS_SCOPE_DEPTH);
		depth = 0;
	}
	scope->frame[depth & (SCOPE_DEPTH - 1)] = *frame;
	scope->depth = depth + 1;
}

#ifdef __TARGET_ARCH_x86
#define RETURN_POPS 8 /* the return address is off the stack again */
#else
#define RETURN_POPS 0
#endif

#define SCOPE_NONE  0
#define SCOPE_OUTER 1 /* inside a call on the same object: that one counts */
#define SCOPE_STALE 2 /* the top frame is of a call that never returned */

/* How the innermost frame relates to a new call on `tls` by `function` at `sp`. */
static __always_inline int scope_relation(const struct scope *scope, __u64 tls, __u64 sp,
					  __u32 function)
{
	const struct scope_frame *top;
	__u32 depth = scope->depth;

	if (!depth || depth > SCOPE_DEPTH)
		return SCOPE_NONE;
	top = &scope->frame[(depth - 1) & (SCOPE_DEPTH - 1)];
	if (top->tls != tls)
		return SCOPE_NONE;
	if (top->sp > sp)
		return SCOPE_OUTER;
	/* A tail call keeps the stack pointer; a function never tail-calls itself here. */
	if (top->sp == sp && top->function != function)
		return SCOPE_OUTER;
	return SCOPE_STALE;
}

/* The frame whose call returns now, taken off; false when the call was not seen. */
static __always_inline bool scope_leave(struct scope *scope, __u64 sp, __u32 function,
					struct scope_frame *frame)
{
	int i;

	for (i = SCOPE_DEPTH - 1; i >= 0; i--) {
		if ((__u32)i >= scope->depth)
			continue;
		if (scope->frame[i].sp + RETURN_POPS != sp || scope->frame[i].function != function)
			continue;
		*frame = scope->frame[i];
		scope->depth = i; /* deeper ones have returned or never will */
		return true;
	}
	return false;
}

#endif
