/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Files that processes map while the capture runs: a container that starts later, with its
 * own copy of a library, is probed when its first process maps it.
 */
#ifndef TLSPCAP_DISCOVER_H
#define TLSPCAP_DISCOVER_H

#include "libraries.h"

struct discover;

struct discover_counts {
	uint64_t attached; /* files that were found and probed */
	uint64_t gone;	   /* libraries whose process had ended before they could be looked at */
	uint64_t lost;	   /* mappings that the kernel had no room to tell */
};

/*
 * Begins to note mappings; call it before the first search, so that none falls between.
 * Returns 0 or negative errno: the capture can go on without.
 */
int discover_open(struct discover **discover);

/*
 * Looks at what was noted, and at what comes, in a thread of its own: analysing a library
 * must not hold up the events. What is passed must stay as it is until discover_close().
 */
int discover_start(struct discover *discover, struct capture *capture,
		   const struct options *options, const struct target_scope *scope,
		   struct libraries *libraries);

struct discover_counts discover_counts(const struct discover *discover);

/* Ends the thread. NULL is fine. */
void discover_stop(struct discover *discover);
void discover_free(struct discover *discover);

#endif
