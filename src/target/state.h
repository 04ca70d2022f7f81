/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The state files of the machine's runtimes: where they are, and whom they may be believed. */
#ifndef TARGET_STATE_H
#define TARGET_STATE_H

#include "runtime.h"

/* Adds all that the runtimes tell of a container. True: there was a file about it. */
bool state_read_all(const char *id, struct target_container *container);

/* Which process is the first one of a container that people named. 0; -ENOENT: nobody says. */
int state_read_process(const char *id,
		       bool (*is_it)(void *ctx, const struct runtime_process *process), void *ctx,
		       struct target_container *container);

/* A folder whose entries are ids, and the file that the runtime writes in each. */
struct state_list {
	const char *runtime, *path, *state;
};

/* Calls fn with the folder's descriptor for each id that is there, until it returns true. */
bool state_each(bool (*fn)(void *ctx, const struct state_list *list, int folder, const char *id),
		void *ctx);

/* Whether an id that people chose may be a part of a path. */
bool state_is_file_name(const char *id);

/* Whether root alone can write there. */
struct stat;
bool state_is_roots(const struct stat *status);

#endif
