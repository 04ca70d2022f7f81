/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * All maps. State of a thread lives in a hash keyed by the thread, never in per-CPU scratch
 * or task storage: programs are preempted by other programs on kernels of today, and both
 * lose data then. Every map is bounded; what does not fit is counted.
 */
#ifndef TLSPCAP_BPF_MAPS_H
#define TLSPCAP_BPF_MAPS_H

#include "kernel.h"
#include "legacy.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <tlspcap/event.h>
#include "socket_info.h"

#define SCOPE_DEPTH 4 /* TLS inside TLS (an HTTPS proxy) is two */

/* One library call that a thread is in. */
struct scope_frame {
	__u64 tls;     /* address of the TLS object */
	__u64 sp;      /* stack pointer at the function's entry */
	__u64 buffer;  /* second argument */
	__u64 result;  /* where the call stores its count, or third argument */
	__u32 library; /* index */
	__u32 function;
};

/* What is left to copy of one call's buffer. */
struct scope_copy {
	__u64 source;
	__u64 left;
	__u64 offset;
	__u64 time_ns;
	__u64 tls_id;
	__u64 sock_id;
	__u32 direction;
	__u32 flags;
};

struct scope {
	__u32 depth;
	__u32 mntns;
	struct scope_frame frame[SCOPE_DEPTH];
	struct scope_copy copy;
};

/* A TLS object's address can be used again after a fork or an exec: the process says which. */
struct object_key {
	__u64 tls;
	__u64 start_time;
	__u32 pid;
	__u32 exec_id;
};

struct object {
	__u64 id;
	__u64 sock;    /* address of the socket that was seen last */
	__u64 sock_id; /* what user space was told; 0: nothing yet */
	__u64 offset[2];
	__u32 announced;
	__u32 library;
	__s32 calls;   /* calls in progress on it, where a family counts them */
	__u32 closing; /* it is closed when the last of them returns */
};

/* What is left to copy of one system call's buffers. */
struct stream_copy {
	__u64 sock_id;
	__u64 time_ns;
	__u64 source; /* of the current buffer */
	__u64 source_left;
	__u64 vector; /* struct iovec *: the buffers after it */
	__u64 vector_left;
	__u64 left; /* bytes of the whole call */
	__u64 offset;
	__u32 direction;
	__u32 mntns;
	__u32 message; /* index in sendmmsg's or recvmmsg's array, of the next one */
	__u32 entered; /* the beginning of that call was seen */
	__u32 failed;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20); /* set by user space */
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct scope);
} scopes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct object_key);
	__type(value, struct object);
} objects SEC(".maps");

/*
 * Not the kind that throws out the least recently used one: a connection whose place in its
 * stream is forgotten would be lost without a word. A socket leaves when it is closed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u64); /* struct sock * */
	__type(value, struct socket_info);
} sockets SEC(".maps");

/* Ends of connections that found no room in the ring: user space asks when it is empty. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64); /* socket's id */
	__type(value, struct tlspcap_state);
} untold SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct stream_copy);
} stream_copies SEC(".maps");

/* Processes that have had TLS objects: their exit is an event. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, __u8);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64); /* task_namespace_id(); 0: whatever has this number */
} scope_mntns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8);
} scope_pid SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} scope_uid SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} scope_netns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, char[TLSPCAP_COMM_LEN]);
	__type(value, __u8);
} scope_comm SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64); /* inode number of its folder */
	__type(value, __u8);
} scope_cgroup SEC(".maps");

/* Whether a cgroup is in scope: scope_version << 1 | yes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} cgroup_verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TLSPCAP_LIBRARIES_MAX);
	__type(key, __u32);
	__type(value, struct tlspcap_layout);
} layouts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TLSPCAP_LOSS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

/* Set before loading: the verifier removes the checks that are not asked for. */
const volatile bool only_mntns = false;
const volatile __u32 first_mntns = 0; /* one of those in scope; mostly it is the only one */
const volatile bool only_pid = false;
const volatile bool only_uid = false;
const volatile bool only_netns = false;
const volatile bool only_comm = false;
const volatile bool only_cgroup = false;
const volatile __s32 cgroup_controller = -1; /* index of the hierarchy's; -1: version 2 */
const volatile bool follow = false;
const volatile bool streams = false;  /* sockets' bytes are copied */
const volatile bool can_wait = false; /* probes on calls may wait for a page to be read in */
const volatile __u64 wake_bytes = 8 << 20;

/* How user space waits, see emit.h. It shares this memory with the programs. */
__u32 consumer_state = 0;

/* User space counts it up when scope_cgroup has changed. */
__u32 scope_version = 0;

/* Set by user space with the first probe on a library's calls. */
__u32 calls_probed = 0;

/* Counted up by the programs: there is something in `untold`. */
__u32 untold_count = 0;

/* Set by the programs: the hooks on sendmmsg and recvmmsg are needed after all. */
__u32 messages_wanted = 0;

static __always_inline void count_loss(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &reason);

	if (count)
		__sync_fetch_and_add(count, 1);
}

#endif
