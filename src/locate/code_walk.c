/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Walks every way through one function, within bounds. */
#include <errno.h>
#include <stdlib.h>

#include "locate_internal.h"

#define WINDOW_MAX   4096 /* bytes of the function that are walked */
#define WINDOW_GUESS 512  /* … when nothing tells its size */
#define STEPS_MAX    6000 /* instructions in one walk */
#define VISITS_MAX   6	  /* of one instruction, with different states */
#define PENDING_MAX  48	  /* branches not yet followed */

struct pending {
	uint64_t address;
	struct code_state state;
};

struct walk {
	struct code *code;
	code_look_fn look;
	void *ctx;
	uint64_t start;
	uint64_t size;
	size_t steps;
	size_t n_pending;
	uint8_t visits[WINDOW_MAX];
	struct pending pending[PENDING_MAX];
};

static bool inside(const struct walk *walk, uint64_t address)
{
	return address >= walk->start && address - walk->start < walk->size;
}

static bool push_pending(struct walk *walk, uint64_t address, const struct code_state *state)
{
	struct pending *pending = &walk->pending[walk->n_pending];

	if (walk->n_pending == PENDING_MAX)
		return false;
	pending->address = address;
	pending->state = *state;
	walk->n_pending++;
	return true;
}

/* Both successors of a branch, but for the one that is not taken by plain TLS. */
static bool follow_branch(struct walk *walk, const struct code_instruction *i,
			  const struct code_state *state)
{
	bool taken = i->target != 0, next = true;

	if (state->zero_is_plain_tls && taken) {
		next = !i->on_zero;
		taken = !i->on_not_zero;
	}
	return (!next || push_pending(walk, i->next, state)) &&
	       (!taken || push_pending(walk, i->target, state));
}

/* Follows one way until it ends or branches. */
static int follow(struct walk *walk, uint64_t address, struct code_state *state)
{
	while (inside(walk, address) && walk->visits[address - walk->start] < VISITS_MAX) {
		struct code_state before = *state;
		struct code_instruction i;

		walk->visits[address - walk->start]++;
		if (++walk->steps > STEPS_MAX)
			return -E2BIG;
		if (!code_step(walk->code, address, state, &i))
			return code_exhausted(walk->code) ? -E2BIG : 0;
		i.leaves = i.flow == CODE_JUMP && (!i.target || !inside(walk, i.target));
		walk->look(walk->ctx, &i, &before);
		if (i.flow == CODE_RETURN || i.flow == CODE_END || i.leaves)
			return 0;
		if (i.flow == CODE_BRANCH)
			return follow_branch(walk, &i, state) ? 0 : -E2BIG;
		address = i.flow == CODE_JUMP ? i.target : i.next;
	}
	return 0;
}

int code_explore(struct code *code, uint64_t start, uint64_t size, code_look_fn look, void *ctx)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	struct code_state state;
	int err = 0;

	if (!walk)
		return -ENOMEM;
	walk->code = code;
	walk->look = look;
	walk->ctx = ctx;
	walk->start = start;
	walk->size = size ? size : WINDOW_GUESS;
	if (walk->size > WINDOW_MAX)
		walk->size = WINDOW_MAX;
	code_state_entry(&state);
	push_pending(walk, start, &state);
	while (walk->n_pending > 0 && !err) {
		walk->n_pending--;
		state = walk->pending[walk->n_pending].state;
		err = follow(walk, walk->pending[walk->n_pending].address, &state);
	}
	free(walk);
	return err;
}
