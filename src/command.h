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

struct command_options {
	char *const *argv;
	bool keep_stdout; /* false: it goes to standard error, since ours is the capture */
	bool as_user;	  /* with the rights of this user only */
	uid_t user;
	gid_t group;
};

/* Forks a process that waits to become argv. 0 or negative errno. */
int command_prepare(struct command *command, const struct command_options *options);
/* Lets it run. 0 or negative errno. */
int command_run(struct command *command);
/* Looks, without waiting, whether it has ended. */
bool command_ended(struct command *command);
/* Ends it if it never ran; leaves it alone otherwise. */
void command_release(struct command *command);

#endif
