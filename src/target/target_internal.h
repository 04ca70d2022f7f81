/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files of the target stage share. */
#ifndef TARGET_INTERNAL_H
#define TARGET_INTERNAL_H

#include <tlspcap/target.h>

/* ---- seen.c: a set of keys that grows up to a limit ---- */

enum seen_kind {
	SEEN_NAMESPACE = 1, /* one: the namespace's inode; two: 0 */
	SEEN_MAPPED,	    /* one: inode; two: namespace and device, as /proc/PID/maps has them */
	SEEN_STAT,	    /* the same as stat() has them */
	SEEN_ROOT,	    /* the same of a root folder, with the mount's id */
	SEEN_ROOT_NUMBER,   /* one: the namespace's inode; two: 0 … roots - 1 */
	SEEN_FOLDER,	    /* as SEEN_ROOT, of a library folder */
	SEEN_FILE,	    /* one: real inode; two: device and generation */
};

struct seen_key {
	uint64_t one, two;
	uint64_t kind; /* enum seen_kind; the bits above the lowest 8: the mount's id */
};

struct seen {
	struct seen_key *slots;
	size_t size, used, limit;
	uint64_t seed; /* inode numbers can be chosen by those who are captured */
};

int seen_init(struct seen *seen, size_t limit);
void seen_free(struct seen *seen);
bool seen_has(const struct seen *seen, const struct seen_key *key);
/* 1: it is new; 0: it was there; -ENOSPC: the limit is reached; -ENOMEM. */
int seen_add(struct seen *seen, const struct seen_key *key);

/* ---- process.c: the processes in scope ---- */

struct process {
	pid_t pid;	/* thread group */
	int dir;	/* O_PATH of /proc/PID: stays with this process when PID is used again */
	uint32_t mntns; /* 0: we may not know */
	uint64_t start; /* clock ticks since boot */
};

/* Return nonzero to end the walk. `process->dir` is closed afterwards. */
typedef int (*process_fn)(void *ctx, const struct process *process);

/* Calls fn for each process in scope that has an address space. fn's value or an errno. */
int process_each(const struct target_scope *scope, process_fn fn, void *ctx);
/* The oldest process of a namespace: 0, and `oldest->dir` is the caller's; or -ESRCH, … */
int process_oldest(uint32_t mntns, struct process *oldest);
/* The mount namespace of /proc/PID given as a folder. */
int process_mntns(int dir, uint32_t *mntns);
/* Whether an errno (positive) says that the process has ended. */
bool process_ended(int error);

/* ---- cgroup.c ---- */

/* Whether the process of this folder in /proc is in the control group or below it. */
bool cgroup_has(const struct target_cgroup *cgroup, int dir);

/* ---- open.c: files and folders of others ---- */

/* As openat2() below `root`, which cannot be left; never through a magic link. */
int open_below(int root, const char *path, int flags);
/* A regular file for reading, from an O_PATH descriptor. -ENOTSUP when not regular. */
int open_regular(int path_fd);
/* Reads a whole small file: its length, NUL-terminated; -EFBIG when it does not fit. */
ssize_t read_small(int fd, char *buffer, size_t size);
/* As read_small() of a file in /proc/PID. */
ssize_t read_small_at(int dir, const char *name, char *buffer, size_t size);
/* The key of an open file or folder. */
int key_of(int fd, enum seen_kind kind, uint32_t mntns, struct seen_key *key);
/* Copies a path into PATH_MAX bytes; of one that is too long, the end after "/...". */
void copy_path(char *to, const char *path);
/* Whether an errno (positive) is about this process's own resources, not about a file. */
bool error_is_ours(int error);

/* ---- scan.c ---- */

struct scan {
	const struct target_scope *scope;
	target_identify_fn identify;
	void *identify_ctx;
	target_file_fn found;
	void *found_ctx;
	struct target_counts *counts;
	struct seen met;   /* cheap keys: what need not be looked at again */
	struct seen files; /* real files that were reported */
	size_t roots;	   /* whose folders were visited */
	struct target_file file;
	char *buffer; /* SCAN_BUFFER bytes */
};

#define SCAN_BUFFER ((size_t)64 << 10)

/*
 * Reports the regular file behind `path_fd` unless it was reported. The caller has set
 * scan->file, without fd and identity. 0, the callback's value, or an errno that ends all.
 */
int scan_offer(struct scan *scan, int path_fd);
/* After a failure to open: counts it, or returns it when it must end the scan. */
int scan_failed(struct scan *scan, int error);

/* ---- mapped.c, folders.c ---- */

int scan_mapped(struct scan *scan, const struct process *process);
int scan_root(struct scan *scan, const struct process *process);

#endif
