/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the kernel side tells of files that appear while the capture runs, and what user
 * space tells it. It is no part of a recording.
 */
#ifndef TLSPCAP_BPF_MAPPED_SHARED_H
#define TLSPCAP_BPF_MAPPED_SHARED_H

#ifndef __BPF__
#include <linux/types.h>
#endif

#define MAPPED_NAME_LEN	    48
#define MAPPED_PREFIXES_MAX 64
#define MAPPED_PREFIX_LEN   16

enum mapped_kind {
	MAPPED_LIBRARY = 1,   /* a file that is named as a TLS library, mapped executable */
	MAPPED_PROGRAM = 2,   /* a program has begun */
	MAPPED_NAMESPACE = 3, /* a program has begun in a mount namespace that is new to us */
};

/* 112 bytes. */
struct mapped_event {
	__u64 time_ns;	    /* CLOCK_MONOTONIC */
	__u64 namespace_id; /* of the mount namespace, never used again; 0: not known */
	__u64 start, end;   /* of the mapping; 0: of a program */
	__u64 inode;	    /* the real one, below any overlay; 0: not known */
	__u32 device, generation;
	__u32 pid, mntns;
	__u16 kind; /* enum mapped_kind */
	__u16 held; /* the process is stopped, and waits to be continued */
	__u32 reserved;
	char name[MAPPED_NAME_LEN]; /* without folders, NUL-terminated, may be cut */
};

/* A real file in a namespace; of programs, mntns is 0. */
struct mapped_key {
	__u64 inode;
	__u32 device, generation;
	__u32 mntns;
	__u32 reserved;
};

enum mapped_state {
	MAPPED_TOLD = 1,    /* user space has not looked at it yet */
	MAPPED_WITHOUT = 2, /* no TLS functions in it */
	MAPPED_WITH = 3,    /* it is probed; holds as long as mapped_probed says so */
};

/* The start of a name that a TLS library may have. */
struct mapped_prefix {
	__u32 length; /* 0: none */
	char text[MAPPED_PREFIX_LEN];
};

/* One line of the iterator over processes. */
struct mapped_process {
	__u64 namespace_id;
	__u32 pid;
	__u32 mntns;
};

/* What is held: value of the map `held`, by process. */
struct mapped_hold {
	__u64 since_ns;
	__u32 ending; /* it is being continued: a new stop makes a new note */
	__u32 reserved;
};

#endif
