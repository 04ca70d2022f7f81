/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * New mount namespaces of which nobody has said yet whose they are: a runtime may write down
 * its container some milliseconds after the program has begun. They are asked about again,
 * a few times; and a process that is held is continued when there is nothing to wait for.
 *
 * Pure: times in, times out.
 */
#ifndef TLSPCAP_UNNAMED_H
#define TLSPCAP_UNNAMED_H

#include <bpf/mapped.h>
#include <stdbool.h>
#include <stdint.h>

struct unnamed;

enum unnamed_answer {
	UNNAMED_SETTLED, /* it is known whose it is */
	UNNAMED_COMING,	 /* a runtime is about to say it */
	UNNAMED_NOTHING, /* nobody seems to */
};

/* Asks once more. */
typedef enum unnamed_answer (*unnamed_ask_fn)(void *ctx, const struct mapped_event *event);

/* Its process, which was held, need not wait any longer. */
typedef void (*unnamed_end_fn)(void *ctx, const struct mapped_event *event);

struct unnamed *unnamed_new(void);

/*
 * Takes the event of a new namespace, of which was answered what `answer` says. False: its
 * process need not be held, now or any more.
 */
bool unnamed_take(struct unnamed *unnamed, const struct mapped_event *event,
		  enum unnamed_answer answer, uint64_t now_ns);

/* How long nothing is due: in ms, at most `most`. */
int unnamed_wait(const struct unnamed *unnamed, uint64_t now_ns, int most);

/* Asks about those that are due. With `all`, everybody who is held is continued. */
void unnamed_look(struct unnamed *unnamed, uint64_t now_ns, bool all, unnamed_ask_fn ask,
		  unnamed_end_fn end, void *ctx);

/* NULL is fine. */
void unnamed_free(struct unnamed *unnamed);

#endif
