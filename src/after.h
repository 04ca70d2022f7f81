/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is to happen after a file of the capture is complete: its name is printed
 * (-b printname) and a command is run with it (-z).
 *
 * The command is run without a shell and without a capability, in a process group of its own,
 * with the lowest priority; a few at once, the others wait.
 */
#ifndef TLSPCAP_AFTER_H
#define TLSPCAP_AFTER_H

#include <stdbool.h>

struct after;

/*
 * `command`: words separated by blanks, or NULL; `printname`: a file, "-", "stdout", "stderr",
 * or NULL. 0, or negative errno with *why a sentence for the user; free() it.
 */
int after_open(const char *command, const char *printname, struct after **after, char **why);

/* For the writer; ctx is the struct after. */
void after_closed(void *ctx, const char *path);

/* Notices commands that have ended, and starts those that wait. */
void after_poll(struct after *after);

/*
 * Waits for all of them, until `*insist` is not 0: then they are ended. Says on stderr what
 * failed. Frees it; NULL is fine. False: something failed.
 */
bool after_close(struct after *after, const volatile int *insist);

#endif
