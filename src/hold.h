/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * --hold: processes that wait for their probes, and the watchdog that lets none wait for long.
 *
 * The watchdog is a process of its own. It continues who has been held for HOLD_MAX_MS, and
 * everybody when tlspcap ends, in whatever way.
 */
#ifndef TLSPCAP_HOLD_H
#define TLSPCAP_HOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <tlspcap/capture.h>

#define HOLD_MAX_MS 1000

struct hold;

struct hold_counts {
	uint64_t held;	  /* processes */
	uint64_t overdue; /* among them, that the watchdog had to continue */
	uint64_t broken;  /* that somebody else continued, or ended, before their time */
	uint64_t refused; /* that could not be held */
	uint64_t total_ns, longest_ns;
};

/* Starts the watchdog; before threads and before privileges are given up. 0 or -errno. */
int hold_open(struct capture *capture, struct hold **hold);

/* The watchdog's end of a pipe is closed: it has died. For poll(2); it stays the hold's. */
int hold_fd(const struct hold *hold);

/* Events are looked at: processes may be held. Call it every 100 ms. */
void hold_answer(struct hold *hold);

/* A process that is told to be held: once more, if it goes on. */
void hold_begin(struct hold *hold, pid_t pid);

/* Continues a process. Returns for how many ns it was held. */
uint64_t hold_end(struct hold *hold, pid_t pid);

/* No one is held from here on. */
void hold_stop(struct hold *hold);

struct hold_counts hold_counts(const struct hold *hold);

/* Ends the watchdog, when nobody is held. NULL is fine. */
void hold_free(struct hold *hold);

#endif
