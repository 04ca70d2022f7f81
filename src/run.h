/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * One capture from its options to its totals: the state that the files of the command share.
 */
#ifndef TLSPCAP_RUN_H
#define TLSPCAP_RUN_H

#include <time.h>
#include <tlspcap/capture.h>
#include <tlspcap/conversation.h>
#include <tlspcap/record.h>
#include <tlspcap/target.h>
#include <tlspcap/writer.h>
#include "after.h"
#include "command.h"
#include "discover.h"
#include "hold.h"
#include "libraries.h"
#include "namespaces.h"
#include "older.h"
#include "options.h"

/* Mount namespaces that are given a name; later ones go without. */
#define RUN_NAMESPACES_MAX 4096
/* Processes that one look at the ring can find to bypass the hooks: as many as can be probed. */
#define RUN_BYPASSING_MAX 256

struct run {
	struct options options;
	struct command command;
	struct capture *capture;
	struct conversations *conversations;
	struct writer *writer;
	struct recorder *recorder;
	struct output_guard *guard;
	const volatile int *insist; /* signals that ask for the end */
	struct after *after;	    /* NULL: nothing is to be done with files that are complete */
	struct libraries libraries;
	struct older *older;
	struct discover *discover; /* NULL: files that are mapped later are not looked at */
	struct namespaces *met;
	struct hold *hold; /* NULL: without --hold */
	struct target_scope scope;
	struct target_cgroup *cgroups; /* of the scope */
	uint32_t own_mntns;
	bool for_wireshark; /* it started us, and reads the file that is a FIFO */
	uint32_t *wanted;   /* mount namespaces of --container when the capture began */
	size_t n_wanted;
	/* Processes whose bytes pass the socket hooks by, since they were last looked at. */
	pid_t bypassing[RUN_BYPASSING_MAX];
	size_t n_bypassing;
	uint64_t next_check_ns;	 /* of connections older than the capture */
	uint32_t *namespaces;	 /* that were described already */
	uint64_t *namespace_ids; /* the kernel's, by index in namespaces */
	bool *is_living;	 /* likewise */
	size_t n_namespaces;
	uint64_t next_tick_ns, end_ns, next_namespaces_ns;
	int record_error;
	char hardware[128], os[256];
};

/* --- run_events.c: events on their way to the conversation stage ---------------------------- */

uint64_t run_clock_ns(clockid_t clock);

/* For capture_poll(); ctx is the run. */
void run_on_event(void *ctx, const struct tlspcap_event *event);

/* What time it is, for the stages behind: several times a second. */
void run_tick(struct run *run);

/* Namespaces that ended, for the stages behind: where that is of interest, now and then. */
void run_check_namespaces(struct run *run);

/* The kernel's drop counters, for the stages behind. */
void run_take_losses(struct run *run);

/* --- run_open.c: everything up to the first event ------------------------------------------ */

/* The machine's hardware and system, for the file's header. */
void run_describe_machine(struct run *run);

/* Loads the kernel programs and attaches the hooks on sockets. 0, or negative errno after a
 * message. */
int run_open_capture(struct run *run);

/* Finds the libraries in scope, and probes them unless --list is asked for. As above. */
int run_open_probes(struct run *run);

/* All of it: probes, files, privileges, the command. As above. */
int run_open(struct run *run);

#endif
