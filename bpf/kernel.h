/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The few kernel types that the programs read, with the few fields that they read. CO-RE
 * finds the real offsets in the running kernel's BTF when the object is loaded, so none of
 * these structures is laid out as the kernel's is.
 */
#ifndef TLSPCAP_BPF_KERNEL_H
#define TLSPCAP_BPF_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h> /* the registers of the probed program: fixed by the ABI */

typedef __u32 __wsum;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct ns_common___id { /* Linux 6.18 */
	__u64 ns_id;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct mnt_namespace___seq { /* before */
	__u64 seq;
};

struct net {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
};

typedef struct {
	int counter;
} atomic_t;

struct tty_struct;

struct list_head {
	struct list_head *next;
};

struct wait_queue_entry {
	struct list_head entry;
};

typedef struct wait_queue_entry wait_queue_entry_t;

struct signal_struct {
	atomic_t live;
	struct tty_struct *tty;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1]; /* more, see cgroup_of() */
	struct cgroup *dfl_cgrp;
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct file;

struct mm_struct {
	struct file *exe_file;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct thread_struct {
	unsigned long fsbase; /* x86: where thread-local storage ends */
};

struct task_struct {
	unsigned int flags;
	unsigned int ptrace;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	__u64 start_time;
	__u64 self_exec_id;
	struct signal_struct *signal;
	struct nsproxy *nsproxy;
	struct mm_struct *mm;
	const struct cred *real_cred;
	struct files_struct *files;
	struct thread_struct thread;
	struct css_set *cgroups;
	char comm[16];
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__u32 skc_portpair;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	const void *sk_socket;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_connection_sock {
	const void *icsk_ulp_ops;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 write_seq;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 snd_nxt;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
};

/* The kernel's own: the fields' names differ from what user space has in <linux/ptrace.h>. */
#if defined(__TARGET_ARCH_arm64)
struct pt_regs___kernel {
	__u64 regs[31];
	__u64 pstate;
	__u64 orig_x0;
	int syscallno;
};
#else
struct pt_regs___kernel {
	unsigned long r10;
	unsigned long r8;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long cs;
};
#endif

/* Multipath TCP: what the program's socket is; the connection's paths are tcp_socks below it. */
struct mptcp_sock {
	__u64 write_seq;
	__u64 bytes_consumed; /* Linux 6.8 */
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	__u32 i_generation;
	struct super_block *i_sb;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
	void *private_data; /* of a socket's: struct socket */
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct trace_event_raw_sys_exit {
	long id;
	long ret;
};

struct trace_event_raw_sock_msg_length {
	const void *sk;
	__u16 family;
	__u16 protocol;
	int ret;
	int flags;
};

struct trace_event_raw_inet_sock_set_state {
	const void *skaddr;
	int oldstate;
	int newstate;
	__u16 sport;
	__u16 dport;
	__u16 family;
	__u16 protocol;
};

struct trace_event_raw_tcp_event_sk {
	const void *skaddr;
};

struct trace_event_raw_sched_process_fork {
	int child_pid;
};

/* Before Linux 6.1 mappings were in a list. */
struct vm_area_struct___list {
	struct vm_area_struct *vm_next;
};

struct mm_struct___list {
	struct vm_area_struct *mmap;
};

/* What the kernel's own dispatcher of uprobes knows about the one that was hit. */
struct trace_uprobe {
	struct inode *inode;
	unsigned long offset;
};

struct uprobe_dispatch_data {
	struct trace_uprobe *tu;
};

struct uprobe_task {
	unsigned long vaddr;
};

struct task_struct___legacy {
	struct uprobe_task *utask;
	void *stack;
};

#pragma clang attribute pop

#endif
