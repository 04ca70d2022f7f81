/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * target: which processes, mount namespaces and real files are in scope.
 *
 * Reads /proc. Never follows a path out of a container's root (openat2 with
 * RESOLVE_IN_ROOT), and identifies a file by the kernel's real inode, because stat() of a
 * file on overlayfs shows another one.
 */
#ifndef TLSPCAP_TARGET_H
#define TLSPCAP_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A control group; it need not be there. */
struct target_cgroup {
	char controller[16];   /* of version 1, that its hierarchy has; empty: version 2 */
	char path[PATH_MAX];   /* in the hierarchy, from / */
	char folder[PATH_MAX]; /* of the machine's file system */
};

/*
 * A folder below a mounted hierarchy, or a path in one, to a control group: of those that have
 * it the first one. 0; -EINVAL; -EOPNOTSUPP: no hierarchy with a controller is mounted.
 */
int target_cgroup_parse(const char *value, struct target_cgroup *cgroup);

/* The inode number of its folder, by which the kernel knows it. 0 or negative errno. */
int target_cgroup_inode(const struct target_cgroup *cgroup, uint64_t *inode);

struct target_scope {
	const uint32_t *mntns; /* inode numbers; n_mntns 0: every namespace */
	size_t n_mntns;
	const pid_t *pid; /* thread group ids */
	size_t n_pid;
	const uid_t *uid; /* real uids */
	size_t n_uid;
	const uint32_t *netns; /* network namespaces, inode numbers */
	size_t n_netns;
	const char *const *comm; /* names of processes, at most 15 bytes count */
	size_t n_comm;
	const struct target_cgroup *cgroup; /* of one hierarchy */
	size_t n_cgroup;
	bool mapped_only; /* for target_scan(): not what lies in library folders */
	bool only_listed; /* with n_mntns 0: no namespace instead of every one */
};

/* The kernel's own inode, below any overlay. Two files are one exactly when all are equal. */
struct target_identity {
	uint64_t inode;
	uint32_t device; /* the kernel's dev_t of the inode's file system */
	uint32_t generation;
};

/* How to learn a file's identity: the capture stage gives one. 0 or negative errno. */
typedef int (*target_identify_fn)(void *ctx, int fd, struct target_identity *identity);

struct target_file {
	int fd; /* open for reading, of the real file; the callee may dup() it, not close it */
	struct target_identity identity;
	uint32_t mntns; /* where it was found first */
	pid_t pid;	/* a process that maps it or, not mapped, whose root it was found in */
	bool mapped;
	bool is_program;     /* it is some process's main program */
	char path[PATH_MAX]; /* as that process sees it; for messages only */
};

/* Return nonzero to end the scan; target_scan() returns that value. */
typedef int (*target_file_fn)(void *ctx, const struct target_file *file);

struct target_counts {
	size_t processes;  /* in scope */
	size_t namespaces; /* different ones among them */
	size_t files;	   /* different real files reported */
	size_t unreadable; /* files that were there and could not be opened or identified */
};

/*
 * Reports every file that could hold TLS functions, each real inode once:
 *  - mapped executable by a process in scope, and named like a TLS library, or its program;
 *  - named like a TLS library in a library folder of the root of a namespace in scope.
 * The scan takes no lock on the machine: processes that come and go meanwhile are fine.
 * Returns 0, the callback's nonzero value, or a negative errno.
 */
int target_scan(const struct target_scope *scope, target_identify_fn identify, void *identify_ctx,
		target_file_fn found, void *found_ctx, struct target_counts *counts);

/*
 * "4026532573", "mnt:[4026532573]" or a path such as /proc/PID/ns/mnt to an inode number.
 * Returns 0; -EINVAL when `text` is neither; -ENOENT when the path is not there;
 * -ENOTTY when it is no namespace file, or not one of a mount namespace.
 */
int target_parse_mntns(const char *text, uint32_t *mntns);

/* The same for network namespaces, "net:[4026531840]", /run/netns/NAME. */
int target_parse_netns(const char *text, uint32_t *netns);

/* Whether a process passes all of the scope, in the moment. */
bool target_in_scope(const struct target_scope *scope, pid_t pid);

/*
 * A regular file for reading, by its path as a process sees it; links cannot lead out of the
 * process's root. Negative errno on failure.
 */
int target_open_in(pid_t pid, const char *path);

/* Calls fn for each process in scope. fn's nonzero value ends it, or negative errno. */
int target_each_process(const struct target_scope *scope,
			int (*fn)(void *ctx, pid_t pid, uint32_t mntns), void *ctx);

/* Finds one process that lives in the mount namespace. Returns its pid, or -ESRCH. */
pid_t target_find_process(uint32_t mntns);

/* Return nonzero to end the walk. */
typedef int (*target_mntns_fn)(void *ctx, uint32_t mntns);

/*
 * Calls fn for each mount namespace that has a process we may look at, in the order of their
 * numbers. Returns 0, fn's nonzero value, or a negative errno.
 */
int target_each_mntns(target_mntns_fn fn, void *ctx);

/* Which of these mount namespaces have a process, in one look at /proc. 0 or negative errno. */
int target_living_mntns(const uint32_t *mntns, size_t n, bool *is_living);

/* The mount namespace of a process. 0 or negative errno. */
int target_mntns_of(pid_t pid, uint32_t *mntns);

/* What is known of a container. Text is printable; what is not known is empty. */
struct target_container {
	char id[72];	/* as its runtime names it: 64 hexadecimal digits, or a name (runc) */
	char name[128]; /* that people gave it */
	char image[192];
	char pod[128];
	char pod_namespace[128];
	char pod_uid[64];
	char runtime[16]; /* whose state files told */
};

/* The container of a process. 0; -ENOENT: it is in none that we can tell; negative errno. */
int target_container_of(pid_t pid, struct target_container *container);

/*
 * Whether a runtime is about to make a container for which fits() returns true, and has not yet
 * written down whose process it is.
 */
bool target_container_is_coming(bool (*fits)(void *ctx, const struct target_container *container),
				void *ctx);

/*
 * What is known of it in the words of a packet's comment: "container=web;container-id=…;
 * image=…;pod=NAMESPACE/NAME;", each pair closed; empty when it is none.
 */
void target_container_pairs(const struct target_container *container, char *text, size_t size);

/* Whether `value` is its name, its id, or at least four digits that its id begins with. */
bool target_container_is(const struct target_container *container, const char *value);

/* Whether it is in the pod "NAMESPACE/NAME", "NAME", or with the uid, or such a prefix. */
bool target_container_is_in_pod(const struct target_container *container, const char *value);

/*
 * A short name and a description for a mount namespace, for people: "host" for pid 1's,
 * otherwise what its first process and cgroup tell. Always gives NUL-terminated text.
 */
void target_describe_mntns(uint32_t mntns, char *name, size_t name_size, char *description,
			   size_t description_size);

/* The same for the namespace of this process, whose container is known (or all empty). */
void target_describe_process(pid_t pid, uint32_t mntns, const struct target_container *container,
			     char *name, size_t name_size, char *description,
			     size_t description_size);

#endif
