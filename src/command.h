/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The command after "--": made first, run when every probe is in place. */
#ifndef TLSPCAP_COMMAND_H
#define TLSPCAP_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

struct command {
	pid_t pid; /* 0: none */
	int go;	   /* write end: a byte lets it run */
	bool ended;
	int status; /* exit status for us, when it ended: its own, or 128 + signal */
};

/*
 * Forks a process that waits to become argv. keep_stdout false: its standard output goes to
 * standard error, since ours is the capture. 0 or negative errno.
 */
int command_prepare(struct command *command, char *const *argv, bool keep_stdout);
/* Lets it run. 0 or negative errno. */
int command_run(struct command *command);
/* Looks, without waiting, whether it has ended. */
bool command_ended(struct command *command);
/* Ends it if it never ran; leaves it alone otherwise. */
void command_release(struct command *command);

#endif
