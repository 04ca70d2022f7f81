/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The mount namespaces that were met: whose they are, and whether --container and --pod want
 * them. Their numbers are used again, so each is known by the kernel's id as well.
 *
 * One thread notes them, another one asks for their names.
 */
#ifndef TLSPCAP_NAMESPACES_H
#define TLSPCAP_NAMESPACES_H

#include <stdbool.h>
#include <stdint.h>
#include <tlspcap/capture.h>
#include <tlspcap/target.h>
#include "options.h"

struct namespaces;

struct namespace_info {
	uint32_t mntns;
	uint64_t id; /* the kernel's; 0: not known */
	bool wanted; /* by --container and its kind */
	struct target_container container;
	char name[128];
	char description[512];
};

struct namespaces *namespaces_new(const struct options *options);

/* Whether the options name containers: then the scope grows as these appear. */
bool namespaces_are_chosen(const struct options *options);

/*
 * A process was seen in this namespace. True: it is wanted, and it was not known to be: add it
 * to the scope.
 */
bool namespaces_note(struct namespaces *namespaces, uint32_t mntns, uint64_t id, pid_t pid);

/* Whether a container that is wanted is about to come: then its name will be known soon. */
bool namespaces_are_coming(const struct namespaces *namespaces);

/* Notes those of all processes there are. Calls add() for each that is wanted now. */
void namespaces_note_all(struct namespaces *namespaces, struct capture *capture,
			 void (*add)(void *ctx, const struct namespace_info *info, pid_t pid),
			 void *ctx);

/* Forgets those that have no process any more. Calls drop() for each that was wanted. */
void namespaces_sweep(struct namespaces *namespaces, struct capture *capture,
		      void (*drop)(void *ctx, const struct namespace_info *info), void *ctx);

/* Copies what is known. False: nothing. */
bool namespaces_find(struct namespaces *namespaces, uint32_t mntns, struct namespace_info *info);

/* How many wanted ones have processes. */
size_t namespaces_wanted(struct namespaces *namespaces);

/* NULL is fine. */
void namespaces_free(struct namespaces *namespaces);

#endif
