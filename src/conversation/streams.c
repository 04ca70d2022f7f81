/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The events about a socket's own bytes: checked, put in order, and handed to records.c. */
#include <conversation/held.h>

bool records_begin(struct conversations *all, const struct tlspcap_open *open)
{
	struct conversation *conversation;
	struct records *records;

	if (!open->event.sock_id)
		return false;
	all->has_streams = true;
	conversation = conversation_of_stream(all, open);
	if (!conversation || conversation->records || conversation->opened ||
	    conversation->suppressed || conversation->datagram)
		return true;
	records = calloc(1, sizeof(*records));
	if (!records)
		return true; /* its bytes will be taken from the library's calls */
	records->all = all;
	records->conversation = conversation;
	records->held_last = &records->held;
	list_init(&records->holding);
	conversation->records = records;
	return true;
}

bool records_socket(struct conversations *all, const struct tlspcap_socket *socket)
{
	struct conversation *conversation = conversation_find(all, socket->event.sock_id);

	if (!conversation || !conversation->records || conversation->opened)
		return true;
	endpoint_fill(all, conversation, socket);
	if (conversation->datagram) {
		records_free(conversation); /* the kernel tells no such streams */
		return false;
	}
	endpoint_register(all, conversation);
	return true;
}

static struct records *find_records(struct conversations *all, const struct tlspcap_event *event)
{
	struct conversation *conversation = conversation_find(all, event->sock_id);

	return conversation ? conversation->records : NULL;
}

static void take_gap(struct records *records, uint8_t direction, uint64_t time_ns, uint64_t length,
		     uint8_t reason)
{
	const struct held item = {
		.time_ns = time_ns,
		.length = length,
		.direction = direction,
		.is_gap = true,
		.reason = reason,
	};

	records_take(records, &item, NULL);
}

/* Bytes after the last ones that came, of which nothing else tells that they are missing. */
void records_check_end(struct conversation *conversation, const struct tlspcap_state *state)
{
	for (uint8_t direction = 0; direction < 2; direction++) {
		struct records *records = conversation->records;
		uint32_t end = (uint32_t)(state->event.ends >> (32 * direction));
		uint32_t missing;

		if (!records || !end)
			continue;
		missing = end - (uint32_t)records->next[direction];
		if (!missing || missing > UINT32_MAX / 2)
			continue;
		records->next[direction] += missing;
		take_gap(records, direction, state->event.time_ns, missing, TLSPCAP_LOSS_RING_FULL);
	}
}

bool records_stream(struct conversations *all, const struct tlspcap_data *data)
{
	const struct tlspcap_event *event = &data->event;
	const struct held item = {
		.time_ns = event->time_ns,
		.length = data->length,
		.direction = data->direction,
	};
	struct records *records;

	if (!event->sock_id || data->direction > TLSPCAP_RECEIVED || !data->length ||
	    data->length > TLSPCAP_STREAM_CHUNK || data->length > event->size - sizeof(*data) ||
	    data->offset > UINT64_MAX - data->length)
		return false;
	records = find_records(all, event);
	if (!records)
		return true;
	if (data->offset < records->next[data->direction])
		return false;
	if (data->offset > records->next[data->direction]) {
		take_gap(records, data->direction, event->time_ns,
			 data->offset - records->next[data->direction], TLSPCAP_LOSS_RING_FULL);
		records = find_records(all, event);
		if (!records)
			return true;
	}
	records->next[data->direction] = data->offset + data->length;
	records->tid = event->tid;
	records_take(records, &item, data->bytes);
	return true;
}

bool records_gap(struct conversations *all, const struct tlspcap_gap *gap)
{
	const struct tlspcap_event *event = &gap->event;
	uint64_t end = gap->offset + gap->length;
	struct records *records;

	if (!event->sock_id || gap->direction > TLSPCAP_RECEIVED ||
	    gap->reason >= TLSPCAP_LOSS_MAX || end < gap->offset)
		return false;
	records = find_records(all, event);
	if (!records || (gap->length && end <= records->next[gap->direction]))
		return true;
	/* What is before it and was not seen is lost as well. */
	take_gap(records, gap->direction, event->time_ns,
		 gap->length ? end - records->next[gap->direction] : 0, gap->reason);
	records = find_records(all, event);
	if (records && gap->length)
		records->next[gap->direction] = end;
	return true;
}

bool records_end(struct conversations *all, const struct tlspcap_event *event)
{
	struct records *records = find_records(all, event);
	struct conversation *conversation;

	if (!event->sock_id)
		return false;
	if (!records)
		return true;
	conversation = records->conversation;
	records_settle(conversation);
	records_free(conversation);
	return true;
}
