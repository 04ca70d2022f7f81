/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Finding the place again after a loss: the next bytes that look like a record, and the keys
 * and the number under which it authenticates. Nothing else is taken as a record.
 *
 * Bounds: SCAN_SIZE bytes are kept; the work is START_BUDGET bytes of decryption for a loss, and
 * REFILL bytes more for each byte that comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <decrypt/internal.h>

#define SCAN_SIZE   (2 * (RECORD_MAX + HEADER_LEN))
#define REFILL	    16
#define KEYS_COST   32768		 /* a derivation of keys, as bytes of decryption */
#define SHORTEST_13 (HEADER_LEN + 1 + 8) /* type and the shortest tag */
#define SHORTEST_12 (HEADER_LEN + 8 + 8) /* explicit nonce and the shortest tag */

void resync_begin(struct decrypt *d, struct side *s)
{
	s->status = DECRYPT_LOST;
	s->lost_bytes += s->partial_length;
	s->partial_length = 0;
	messages_reset(&s->messages, true);
	s->budget = 2 * d->limits.resync_records * RECORD_MAX;
	if (!s->scan)
		s->scan = malloc(SCAN_SIZE);
	s->scan_head = 0;
	s->scan_tail = 0;
}

static bool may_be_protected(const struct decrypt *d, const uint8_t *header)
{
	if (d->info.version != VERSION_12 && header[0] != CONTENT_DATA)
		return false;
	return header_plausible(header) && header[2] == 3;
}

/* Numbers that the record after the loss can have, under keys of which `next` was next. */
static void number_range(const struct decrypt *d, const struct side *s, uint64_t next,
			 bool same_keys, uint64_t *first, uint64_t *count)
{
	bool is_12 = d->info.version == VERSION_12;
	uint64_t longest = HEADER_LEN + (is_12 ? FRAGMENT_MAX : FRAGMENT_MAX_13);
	uint64_t most = s->lost_bytes / (is_12 ? SHORTEST_12 : SHORTEST_13);
	uint64_t fewest = same_keys ? s->lost_bytes / longest : 0;

	*first = next + fewest;
	*count = d->limits.resync_records;
	if (!s->lost_unknown && most - fewest < *count)
		*count = most - fewest + 1;
}

/* Its own keys know the last nonce. */
static bool try_own(struct decrypt *d, struct side *s, const struct wire *wire)
{
	uint64_t first, count;

	number_range(d, s, s->keys.number, true, &first, &count);
	return record_find(&s->keys, wire, first, count, &s->budget, d->output) == 0;
}

static bool try_place(struct decrypt *d, struct side *s, const struct wire *wire, unsigned place)
{
	uint64_t first, count;
	int err = 0;

	if (place == s->place && s->keyed)
		return try_own(d, s, wire);
	number_range(d, s, 0, place == s->place, &first, &count);
	for (unsigned variant = 0; err != -ENOENT && s->budget >= KEYS_COST; variant++) {
		err = place_keys(d, s, place, variant);
		if (err)
			continue;
		s->budget -= KEYS_COST;
		if (record_find(&d->trial, wire, first, count, &s->budget, d->output))
			continue;
		place_take(d, s, place, wire->time_ns);
		return true;
	}
	return false;
}

static bool try_record(struct decrypt *d, struct side *s, const struct wire *wire)
{
	unsigned first = s->place ? s->place : 1;
	unsigned last = s->place + 1;

	if (d->info.version != VERSION_12)
		last = (s->place > PLACE_DATA ? s->place : PLACE_DATA) + PLACES_AHEAD;
	for (unsigned place = first; place <= last; place++) {
		if (try_place(d, s, wire, place))
			return true;
	}
	return false;
}

/* The record at the head of the scan, if it is one; *more: its end has not come yet. */
static bool head_is_record(struct decrypt *d, struct side *s, bool *more)
{
	const uint8_t *at = s->scan + s->scan_head;
	size_t have = s->scan_tail - s->scan_head;
	struct wire wire = wire_at(at, s->scan_ns);
	size_t length = HEADER_LEN + wire.length;

	if (!may_be_protected(d, at))
		return false;
	*more = have < length;
	if (*more)
		return false;
	/* A record is followed by another one. */
	if (have >= length + HEADER_LEN && !header_plausible(at + length))
		return false;
	return try_record(d, s, &wire);
}

static bool scan_search(struct decrypt *d, struct side *s, bool is_last)
{
	bool more = false;

	while (s->scan_tail - s->scan_head >= HEADER_LEN) {
		if (head_is_record(d, s, &more))
			return true;
		if (more && !is_last)
			return false;
		s->scan_head++;
		s->lost_bytes++;
	}
	return false;
}

bool resync_feed(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		 size_t length, size_t *used)
{
	size_t room;

	if (!s->scan) {
		s->lost_bytes += length;
		*used = length;
		return false;
	}
	/* A search ends with less than a record and a header, which is half of the space. */
	if (s->scan_head > SCAN_SIZE / 2) {
		memmove(s->scan, s->scan + s->scan_head, s->scan_tail - s->scan_head);
		s->scan_tail -= s->scan_head;
		s->scan_head = 0;
	}
	room = SCAN_SIZE - s->scan_tail;
	*used = length < room ? length : room;
	memcpy(s->scan + s->scan_tail, bytes, *used);
	s->scan_tail += *used;
	s->budget += REFILL * *used;
	s->scan_ns = time_ns;
	return scan_search(d, s, false);
}

bool resync_finish(struct decrypt *d, struct side *s)
{
	return s->scan && scan_search(d, s, true);
}
