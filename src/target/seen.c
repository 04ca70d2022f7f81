/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A set of keys: open addressing, a power of two of slots, at most half of them used. */
#include "target_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define SEEN_FIRST_SIZE 1024

/* The finalizer of splitmix64: every input bit changes every output bit. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t find(const struct seen_key *slots, size_t size, uint64_t seed,
		   const struct seen_key *key)
{
	uint64_t hash = mix(mix(mix(key->one ^ seed) ^ key->two) ^ key->kind);
	size_t i = hash & (size - 1);

	while (slots[i].kind &&
	       (slots[i].one != key->one || slots[i].two != key->two || slots[i].kind != key->kind))
		i = (i + 1) & (size - 1);
	return i;
}

int seen_init(struct seen *seen, size_t limit)
{
	*seen = (struct seen){.size = SEEN_FIRST_SIZE, .limit = limit};
	/* Without randomness the set is slower to fool than to refuse. */
	if (getrandom(&seen->seed, sizeof(seen->seed), GRND_NONBLOCK) != sizeof(seen->seed))
		seen->seed = (uintptr_t)seen;
	seen->slots = calloc(seen->size, sizeof(*seen->slots));
	return seen->slots ? 0 : -ENOMEM;
}

void seen_free(struct seen *seen)
{
	free(seen->slots);
	*seen = (struct seen){0};
}

bool seen_has(const struct seen *seen, const struct seen_key *key)
{
	return seen->slots[find(seen->slots, seen->size, seen->seed, key)].kind;
}

static int grow(struct seen *seen)
{
	size_t size = seen->size * 2;
	struct seen_key *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < seen->size; i++)
		if (seen->slots[i].kind)
			slots[find(slots, size, seen->seed, &seen->slots[i])] = seen->slots[i];
	free(seen->slots);
	seen->slots = slots;
	seen->size = size;
	return 0;
}

int seen_add(struct seen *seen, const struct seen_key *key)
{
	size_t i = find(seen->slots, seen->size, seen->seed, key);

	if (seen->slots[i].kind)
		return 0;
	if (seen->used >= seen->limit)
		return -ENOSPC;
	if (seen->used * 2 >= seen->size) {
		int error = grow(seen);

		if (error)
			return error;
		i = find(seen->slots, seen->size, seen->seed, key);
	}
	seen->slots[i] = *key;
	seen->used++;
	return 1;
}
