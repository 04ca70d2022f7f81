/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Intrusive containers for the stages that keep state: a chained hash table with a fixed
 * number of buckets, and a doubly linked list. Neither allocates for an element.
 */
#ifndef TLSPCAP_SRC_TABLE_H
#define TLSPCAP_SRC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct list {
	struct list *next, *previous;
};

static inline void list_init(struct list *list)
{
	list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

/* Puts `node` at the end. */
static inline void list_add(struct list *list, struct list *node)
{
	node->previous = list->previous;
	node->next = list;
	list->previous->next = node;
	list->previous = node;
}

/* Takes it out; a node that is in no list may be taken out again. */
static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

static inline void list_move(struct list *list, struct list *node)
{
	if (list->previous == node)
		return;
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_add(list, node);
}

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **buckets;
	uint64_t seed, mask;
};

/* The finalizer of splitmix64: every bit of the result depends on every bit of x. */
static inline uint64_t table_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/*
 * `expected` elements: about one in each bucket. The seed is the table's own address, which
 * whoever wrote a recording does not know, so that its ids cannot be made to share a bucket.
 * Nothing that is visible may depend on the order in a bucket.
 */
static inline bool table_init(struct table *table, size_t expected)
{
	size_t n = 16;

	while (n < expected && n < (size_t)1 << 24)
		n *= 2;
	table->buckets = calloc(n, sizeof(*table->buckets));
	table->mask = n - 1;
	table->seed = table_mix((uintptr_t)table->buckets) +
		      table_mix((uintptr_t)table) * 0x9e3779b97f4a7c15;
	return table->buckets != NULL;
}

static inline void table_free(struct table *table)
{
	free(table->buckets);
	table->buckets = NULL;
}

static inline uint64_t table_hash(const struct table *table, uint64_t key)
{
	return table_mix(table_mix(key + table->seed) ^ table->seed);
}

static inline uint64_t table_hash_bytes(const struct table *table, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t hash = table->seed + length;
	uint64_t word;

	for (; length >= sizeof(word); at += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = table_mix(hash ^ word) + table->seed;
	}
	word = 0;
	memcpy(&word, at, length);
	return table_mix(hash ^ word);
}

static inline void table_add(struct table *table, struct table_node *node, uint64_t hash)
{
	struct table_node **bucket = &table->buckets[hash & table->mask];

	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
}

static inline void table_remove(struct table *table, struct table_node *node)
{
	struct table_node **at = &table->buckets[node->hash & table->mask];

	while (*at && *at != node)
		at = &(*at)->next;
	if (*at)
		*at = node->next;
}

/* The first, or the next, node with exactly this hash; the caller compares the keys. */
static inline struct table_node *table_match(struct table_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

static inline struct table_node *table_find(const struct table *table, uint64_t hash)
{
	return table_match(table->buckets[hash & table->mask], hash);
}

#endif
