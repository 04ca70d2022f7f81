/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "unnamed.h"

#include <stdlib.h>

#define UNNAMED_MAX 256 /* at a time; others are asked about each second only */
#define MS	    1000000ull
#define HELD_MS	    1
#define HELD_MAX_MS 100

/* In ms after the program began. */
static const uint64_t asked_at[] = {5, 20, 60, 200};

#define N_ASKED (sizeof(asked_at) / sizeof(asked_at[0]))

struct waiting {
	struct mapped_event event;
	uint64_t due_ns;
	size_t asked; /* of asked_at; a held one is asked about each millisecond */
};

struct unnamed {
	struct waiting waiting[UNNAMED_MAX];
	size_t n;
};

struct unnamed *unnamed_new(void)
{
	return calloc(1, sizeof(struct unnamed));
}

/* When to ask next. False: never. */
static bool set_due(struct waiting *waiting, uint64_t now_ns)
{
	const uint64_t begun = waiting->event.time_ns;

	if (waiting->event.held) {
		waiting->due_ns = now_ns + HELD_MS * MS;
		return true;
	}
	while (waiting->asked < N_ASKED && begun + asked_at[waiting->asked] * MS <= now_ns)
		waiting->asked++;
	if (waiting->asked == N_ASKED)
		return false;
	waiting->due_ns = begun + asked_at[waiting->asked] * MS;
	return true;
}

/* Whether its process goes on waiting. */
static bool stays_held(const struct mapped_event *event, enum unnamed_answer answer,
		       uint64_t now_ns)
{
	return event->held && answer == UNNAMED_COMING &&
	       now_ns < event->time_ns + HELD_MAX_MS * MS;
}

bool unnamed_take(struct unnamed *unnamed, const struct mapped_event *event,
		  enum unnamed_answer answer, uint64_t now_ns)
{
	struct waiting *waiting = &unnamed->waiting[unnamed->n];

	if (answer == UNNAMED_SETTLED || unnamed->n == UNNAMED_MAX)
		return false;
	*waiting = (struct waiting){.event = *event};
	waiting->event.held = stays_held(event, answer, now_ns);
	unnamed->n += set_due(waiting, now_ns);
	return waiting->event.held;
}

int unnamed_wait(const struct unnamed *unnamed, uint64_t now_ns, int most)
{
	for (size_t i = 0; i < unnamed->n; i++) {
		uint64_t due = unnamed->waiting[i].due_ns;
		uint64_t ms = due > now_ns ? (due - now_ns + MS - 1) / MS : 0;

		if (ms < (uint64_t)most)
			most = (int)ms;
	}
	return most;
}

/* False: it is done with. */
static bool look_at(struct waiting *waiting, uint64_t now_ns, bool all, unnamed_ask_fn ask,
		    unnamed_end_fn end, void *ctx)
{
	enum unnamed_answer answer = all ? UNNAMED_NOTHING : ask(ctx, &waiting->event);

	if (waiting->event.held && !stays_held(&waiting->event, answer, now_ns)) {
		end(ctx, &waiting->event);
		waiting->event.held = 0;
	}
	return answer != UNNAMED_SETTLED && set_due(waiting, now_ns);
}

void unnamed_look(struct unnamed *unnamed, uint64_t now_ns, bool all, unnamed_ask_fn ask,
		  unnamed_end_fn end, void *ctx)
{
	for (size_t i = 0; i < unnamed->n;) {
		struct waiting *waiting = &unnamed->waiting[i];

		if ((!all && waiting->due_ns > now_ns) ||
		    look_at(waiting, now_ns, all, ask, end, ctx))
			i++;
		else
			*waiting = unnamed->waiting[--unnamed->n];
	}
}

void unnamed_free(struct unnamed *unnamed)
{
	free(unnamed);
}
