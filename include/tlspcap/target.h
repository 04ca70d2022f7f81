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

struct target_scope {
	const uint32_t *mntns; /* inode numbers; n_mntns 0: every namespace */
	size_t n_mntns;
	const pid_t *pid; /* thread group ids */
	size_t n_pid;
	const uid_t *uid; /* real uids */
	size_t n_uid;
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

/*
 * A short name and a description for a mount namespace, for people: "host" for pid 1's,
 * otherwise what its first process and cgroup tell. Always gives NUL-terminated text.
 */
void target_describe_mntns(uint32_t mntns, char *name, size_t name_size, char *description,
			   size_t description_size);

#endif
