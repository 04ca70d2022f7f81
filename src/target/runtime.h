/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What container runtimes write down about their containers. Pure: bytes in, fields out. */
#ifndef TARGET_RUNTIME_H
#define TARGET_RUNTIME_H

#include <tlspcap/target.h>

enum runtime_kind {
	RUNTIME_DOCKER = 0, /* config.v2.json of dockerd */
	RUNTIME_OCI,	    /* config.json of a bundle (containerd, CRI-O), by its annotations */
	RUNTIME_STORAGE,    /* containers.json of containers/storage (Podman, CRI-O) */
	RUNTIME_RUNC,	    /* state.json of runc */
	RUNTIME_CRUN,	    /* status of crun */
	RUNTIME_KINDS,
};

/* The process that a state file names: 0: none. */
struct runtime_process {
	pid_t pid;
	uint64_t start; /* clock ticks since boot; 0: not told */
};

/*
 * Fills what the text tells of the container `id` and leaves the rest as it is; text is made
 * printable. `process` may be NULL. 0; -EBADMSG: no JSON, or not of this kind; -ENOENT: it
 * does not name this container.
 */
int runtime_parse(enum runtime_kind kind, const char *text, size_t size, const char *id,
		  struct target_container *container, struct runtime_process *process);

#endif
