/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The mount namespaces that have a process. */
#include "target_internal.h"

#include <errno.h>
#include <stdlib.h>

struct numbers {
	uint32_t *number;
	size_t n, room;
};

static int add_number(void *ctx, const struct process *process)
{
	struct numbers *numbers = ctx;

	if (!process->mntns)
		return 0; /* not ours to know */
	/* Neighbours mostly share theirs: the list stays short before it is sorted. */
	if (numbers->n && numbers->number[numbers->n - 1] == process->mntns)
		return 0;
	if (numbers->n == numbers->room) {
		size_t room = numbers->room ? 2 * numbers->room : 64;
		void *grown = realloc(numbers->number, room * sizeof(*numbers->number));

		if (!grown)
			return -ENOMEM;
		numbers->number = grown;
		numbers->room = room;
	}
	numbers->number[numbers->n++] = process->mntns;
	return 0;
}

static int compare(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return (a > b) - (a < b);
}

int target_each_mntns(target_mntns_fn fn, void *ctx)
{
	const struct target_scope all = {0};
	struct numbers numbers = {0};
	int error = process_each(&all, add_number, &numbers);

	if (error)
		goto out;
	if (numbers.n)
		qsort(numbers.number, numbers.n, sizeof(*numbers.number), compare);
	for (size_t i = 0; i < numbers.n && !error; i++)
		if (!i || numbers.number[i] != numbers.number[i - 1])
			error = fn(ctx, numbers.number[i]);
out:
	free(numbers.number);
	return error;
}
