/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Files that processes map while the capture runs: a container that starts later, with its
 * own copy of a library, is probed when its first process maps it; and containers that come
 * to be in scope.
 */
#ifndef TLSPCAP_DISCOVER_H
#define TLSPCAP_DISCOVER_H

#include "hold.h"
#include "libraries.h"
#include "namespaces.h"

struct discover;

struct discover_counts {
	uint64_t attached; /* files that were found and probed */
	uint64_t released; /* files whose probes were taken off again */
	uint64_t gone;	   /* libraries whose process had ended before they could be looked at */
	uint64_t lost;	   /* mappings that the kernel had no room to tell */
	uint64_t skipped;  /* that it did not look at; processes were searched again */
	struct hold_counts hold;
};

/*
 * Begins to note mappings, in the capture's tier; call it before the first search, so that
 * none falls between. Returns 0 or negative errno: the capture can go on without.
 */
int discover_open(struct capture *capture, struct discover **discover);

/*
 * Looks at what was noted, and at what comes, in a thread of its own: analysing a library
 * must not hold up the events. What is passed must stay as it is until discover_free(); hold
 * may be NULL.
 */
int discover_start(struct discover *discover, const struct options *options,
		   const struct target_scope *scope, struct libraries *libraries,
		   struct namespaces *namespaces, struct hold *hold);

struct discover_counts discover_counts(const struct discover *discover);

/* Ends the thread. NULL is fine. */
void discover_stop(struct discover *discover);
void discover_free(struct discover *discover);

#endif
