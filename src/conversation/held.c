/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Pieces of streams that are held until the secrets are there; bounded in bytes and time. */
#include <conversation/held.h>

struct held *held_take(struct records *records)
{
	struct held *first = records->held;

	records->all->held_bytes -= records->held_bytes;
	records->held = NULL;
	records->held_last = &records->held;
	records->held_bytes = 0;
	records->waits = false;
	hints_stop(records);
	list_remove(&records->holding);
	return first;
}

/*
 * Those who waited longest have the smallest hope for their secrets; before them go those
 * who need none yet, so that many that only begin do not take the others' place.
 */
static bool make_room(struct records *records, size_t size)
{
	struct conversations *all = records->all;

	while (all->held_bytes + size > all->limits.held_bytes) {
		struct list *list = list_empty(&all->quiet) ? &all->holding : &all->quiet;
		struct records *oldest = container_of(list->next, struct records, holding);

		if (list_empty(list) || oldest == records)
			return false;
		records_settle(oldest->conversation);
	}
	return true;
}

bool held_add(struct records *records, const struct held *head, const uint8_t *bytes)
{
	struct conversations *all = records->all;
	size_t length = head->is_gap ? 0 : head->length;
	size_t size = sizeof(struct held) + length;
	struct held *held;

	if (records->held_bytes + size > all->limits.held_bytes_each || !make_room(records, size))
		return false;
	held = malloc(size);
	if (!held)
		return false;
	*held = *head;
	if (length)
		memcpy(held->bytes, bytes, length);
	if (!records->held)
		list_add(&all->quiet, &records->holding);
	*records->held_last = held;
	records->held_last = &held->next;
	records->held_bytes += size;
	all->held_bytes += size;
	return true;
}

void held_wait(struct records *records)
{
	if (records->waits || !records->held)
		return;
	records->waits = true;
	records->held_since = records->all->now;
	list_remove(&records->holding);
	list_add(&records->all->holding, &records->holding);
	hints_wait(records);
}

void records_free(struct conversation *conversation)
{
	struct records *records = conversation->records;
	struct held *item, *next;

	if (!records)
		return;
	for (item = held_take(records); item; item = next) {
		next = item->next;
		free(item);
	}
	decrypt_free(records->decrypt);
	free(records);
	conversation->records = NULL;
}

void records_expire(struct conversations *all)
{
	while (!list_empty(&all->holding)) {
		struct records *records = container_of(all->holding.next, struct records, holding);

		if (all->now - records->held_since < all->limits.held_ns)
			break;
		records_settle(records->conversation);
	}
}
