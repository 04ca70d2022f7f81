/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Finds the TLS libraries in scope and probes them: target, locate and capture joined. */
#ifndef TLSPCAP_LIBRARIES_H
#define TLSPCAP_LIBRARIES_H

#include <pthread.h>
#include <tlspcap/capture.h>
#include "contents.h"
#include "options.h"

#define LIBRARY_USERS_MAX 32

/* One library family in one real file. */
struct library {
	struct target_identity identity;
	struct locate_result located;
	int fd;				   /* open, of the file, until it is attached; -1 */
	int index;			   /* the capture stage's; -1: not attached */
	uint32_t users[LIBRARY_USERS_MAX]; /* mount namespaces that it was seen in */
	size_t n_users;			   /* LIBRARY_USERS_MAX + 1: more, it is kept */
	uint32_t mntns;
	pid_t pid; /* a process that maps it, or whose root it is in; 0: named by hand */
	bool mapped;
	unsigned int idle; /* sweeps since somebody was seen to map it */
	char *path;	   /* as that process sees it */
};

struct libraries {
	struct library *found;
	size_t n_found, room;
	size_t files;	/* different ones among them */
	size_t without; /* looked at, no TLS functions inside */
	size_t failed;	/* could not be read or probed: named on stderr */
	struct target_counts scan;
	struct target_identity *seen; /* a table of real files that were looked at */
	struct contents contents;     /* by what is in them: copies are searched once */
	pthread_mutex_t lock;	      /* everything above, once a second thread looks for files */
};

void libraries_init(struct libraries *libraries);

/*
 * Looks at every file in scope, every --lib, and the program of COMMAND. Messages go to
 * stderr. Returns 0, or negative errno after it said why.
 */
int libraries_find(struct capture *capture, const struct options *options,
		   const struct target_scope *scope, struct libraries *libraries);

/* Attaches to all that were found what the plan says. As libraries_find(). */
int libraries_attach(struct capture *capture, const struct options *options,
		     struct libraries *libraries);

/* "secrets", "plaintext", … : what would be attached, in words. */
const char *libraries_plan(const struct options *options, const struct locate_result *located);

/*
 * A file that a process has just mapped: attached if it is new. Returns the number of families
 * attached, or negative errno; *with says whether the file has TLS functions that we know.
 */
int libraries_take(struct capture *capture, const struct options *options,
		   struct libraries *libraries, const struct target_file *file, bool *with);

/* The files of a scope that has just come to be, such as a container. As above. */
int libraries_take_namespace(struct capture *capture, const struct options *options,
			     struct libraries *libraries, const struct target_scope *scope);

/* A process of a mount namespace. */
struct libraries_process {
	uint32_t mntns;
	pid_t pid;
};

/*
 * Detaches from files that nobody maps any more, and that can be reached no more where they
 * were seen: their container has ended, or an upgrade has replaced them. `processes` has one
 * for each namespace. Returns how many.
 */
size_t libraries_release(struct capture *capture, const struct options *options,
			 struct libraries *libraries, const struct libraries_process *processes,
			 size_t n_processes);

/* Copies the one with this identity; false: there is none. */
bool libraries_by_identity(struct libraries *libraries, const struct target_identity *identity,
			   struct library *copy);

void libraries_free(struct libraries *libraries);

#endif
