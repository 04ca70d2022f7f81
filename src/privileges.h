/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What this process may still do once everything is set up. */
#ifndef TLSPCAP_PRIVILEGES_H
#define TLSPCAP_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Gives up every capability but those that reading counters (CAP_BPF), attaching
 * further probes (CAP_PERFMON), opening the files that processes map
 * (CAP_CHECKPOINT_RESTORE) and naming namespaces (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH) need,
 * for good. CAP_SYS_ADMIN stays where the kernel wants it for probes. 0 or negative errno.
 * `files`: the right to make files in other users' folders (CAP_DAC_OVERRIDE) is not in effect
 * any more either, and can be got back for a moment by privileges_for_files().
 * `hold`: signals for others stay (CAP_KILL).
 */
int privileges_drop(bool files, bool hold);

/*
 * Becomes another user, with its groups, for good; of the capabilities those stay that
 * privileges_drop(false, hold) leaves. Before threads. 0 or negative errno.
 */
int privileges_become(uid_t user, gid_t group, bool hold);

/* The same without any capability, in a child process before it runs a program: with HOME,
 * USER and LOGNAME of this user. 0 or negative errno. */
int privileges_become_only(uid_t user, gid_t group);

/* The same for the watchdog of --hold, which keeps CAP_KILL, and CAP_BPF to read its map. */
int privileges_keep_watch(void);

/* In effect from `on` until not; of this thread. Before privileges_drop() it changes nothing. */
void privileges_for_files(bool on);

/* In a child process, before it runs a program: none at all. 0 or negative errno. */
int privileges_drop_all(void);

/* A capability that a capture uses. */
struct privilege {
	const char *name;     /* "CAP_BPF" */
	const char *what_for; /* what cannot be done without it */
	bool needed;	      /* without it no container can be captured */
	bool held;	      /* by this process, or one that includes it */
};

size_t privileges_count(void);
struct privilege privileges_get(size_t i);

#endif
