/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Any bytes as a sequence of events. The sink checks what every later stage relies on:
 * open, then bytes and gaps, then close, once each, and what is counted is what was told.
 * It takes records, or not, as the input says.
 *
 * The input is a list of small records: a type and a few numbers that are kept small, so that
 * ids meet each other, followed by the rest of the event as it is.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tests/support/require.h>
#include <tlspcap/conversation.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct check {
	uint64_t opened, closed, bytes[2], records[2], gaps, secrets, asked;
	uint8_t choices; /* bits, for one conversation after the other */
	bool finishing;
};

static void on_open(void *ctx, struct conversation *conversation, uint64_t time_ns)
{
	const struct conversation_info *info = conversation_info(conversation);
	struct check *check = ctx;

	(void)time_ns;
	require(!conversation_user(conversation));
	conversation_set_user(conversation, check);
	require(info->number == ++check->opened);
	require(info->role != TLSPCAP_ROLE_UNKNOWN);
	require(!info->addresses_known || info->family == 4 || info->family == 6);
	require(memchr(info->comm, 0, sizeof(info->comm)));
	require(memchr(info->server_name, 0, sizeof(info->server_name)));
	require(memchr(info->alpn, 0, sizeof(info->alpn)));
}

static void on_data(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		    uint64_t time_ns, const uint8_t *bytes, size_t length, unsigned int flags)
{
	volatile uint8_t last;

	(void)time_ns;
	(void)flags;
	require(conversation_user(conversation) == ctx);
	require(direction <= TLSPCAP_RECEIVED && length > 0 && length <= TLSPCAP_STREAM_CHUNK);
	((struct check *)ctx)->bytes[direction] += length;
	last = bytes[0];
	last = bytes[length - 1];
	(void)last;
}

static void on_records(void *ctx, struct conversation *conversation,
		       enum tlspcap_direction direction, uint64_t time_ns, const uint8_t *bytes,
		       size_t length)
{
	volatile uint8_t last;

	(void)time_ns;
	require(conversation_user(conversation) == ctx);
	require(direction <= TLSPCAP_RECEIVED && length > 0 && length <= TLSPCAP_STREAM_CHUNK);
	((struct check *)ctx)->records[direction] += length;
	last = bytes[0];
	last = bytes[length - 1];
	(void)last;
}

static enum conversation_source on_choose(void *ctx, const struct conversation *conversation)
{
	struct check *check = ctx;

	require(!conversation_user(conversation));
	return check->choices >> (check->asked++ & 7) & 1 ? CONVERSATION_RECORDS
							  : CONVERSATION_PLAINTEXT;
}

static void on_gap(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		   uint64_t time_ns, uint64_t length, enum tlspcap_loss reason)
{
	(void)time_ns;
	(void)length;
	require(conversation_user(conversation) == ctx);
	require(direction <= TLSPCAP_RECEIVED && reason < TLSPCAP_LOSS_MAX);
	((struct check *)ctx)->gaps++;
}

static void on_close(void *ctx, struct conversation *conversation, enum conversation_end end,
		     uint64_t time_ns)
{
	struct check *check = ctx;

	(void)time_ns;
	require(conversation_user(conversation) == ctx);
	/* Half an end is told only of what the capture's end cuts off. */
	require(end <= (check->finishing ? CONVERSATION_END_REMOTE_HALF : CONVERSATION_END_UNSEEN));
	check->closed++;
}

static void on_secret(void *ctx, const struct tlspcap_secret *secret, uint64_t time_ns)
{
	(void)time_ns;
	require(memchr(secret->label, 0, sizeof(secret->label)));
	require(secret->secret_length <= TLSPCAP_SECRET_LEN);
	((struct check *)ctx)->secrets++;
}

static void on_name_space(void *ctx, const struct tlspcap_namespace *name_space)
{
	(void)ctx;
	require(memchr(name_space->name, 0, sizeof(name_space->name)));
	require(memchr(name_space->description, 0, sizeof(name_space->description)));
}

struct record {
	uint8_t type, tls, sock, pid, step, length_low, length_high;
};

static size_t natural_size(uint8_t type)
{
	static const size_t sizes[] = {
		[TLSPCAP_EVENT_OPEN] = sizeof(struct tlspcap_open),
		[TLSPCAP_EVENT_SOCKET] = sizeof(struct tlspcap_socket),
		[TLSPCAP_EVENT_STATE] = sizeof(struct tlspcap_state),
		[TLSPCAP_EVENT_DATA] = sizeof(struct tlspcap_data) + 8,
		[TLSPCAP_EVENT_GAP] = sizeof(struct tlspcap_gap),
		[TLSPCAP_EVENT_SECRET] = sizeof(struct tlspcap_secret),
		[TLSPCAP_EVENT_INFO] = sizeof(struct tlspcap_info),
		[TLSPCAP_EVENT_CLOSE] = sizeof(struct tlspcap_event),
		[TLSPCAP_EVENT_EXIT] = sizeof(struct tlspcap_event),
		[TLSPCAP_EVENT_STREAM] = sizeof(struct tlspcap_data) + 8,
		[TLSPCAP_EVENT_STREAM_GAP] = sizeof(struct tlspcap_gap),
		[TLSPCAP_EVENT_STREAM_END] = sizeof(struct tlspcap_event),
		[TLSPCAP_EVENT_SECRET_HINT] = sizeof(struct tlspcap_secret_hint),
		[TLSPCAP_EVENT_CLOCK] = sizeof(struct tlspcap_clock),
		[TLSPCAP_EVENT_NAMESPACE] = sizeof(struct tlspcap_namespace),
		[TLSPCAP_EVENT_LOSS] = sizeof(struct tlspcap_loss_counters),
	};

	return type < sizeof(sizes) / sizeof(sizes[0]) && sizes[type]
		       ? sizes[type]
		       : sizeof(struct tlspcap_event);
}

/* Mostly the offset that follows on the one before: few inputs would find it. */
static void place(struct tlspcap_event *event, uint64_t offsets[16][2])
{
	struct tlspcap_data *data = (struct tlspcap_data *)event;
	uint64_t *next;

	if (event->type != TLSPCAP_EVENT_STREAM || event->size <= sizeof(*data))
		return;
	data->direction &= 1;
	next = &offsets[event->sock_id][data->direction];
	data->offset = *next + (data->offset & 0xff ? 0 : data->offset >> 56);
	data->length = event->size - (uint32_t)sizeof(*data);
	*next = data->offset + data->length;
}

struct feeding {
	struct conversations *all;
	uint64_t now, offsets[16][2];
};

/* Takes one event off the input; the memory is exactly as large as it says. */
static size_t feed(struct feeding *feeding, const uint8_t *input, size_t size)
{
	struct record record;
	struct tlspcap_event *event;
	size_t length, body, taken;

	memcpy(&record, input, sizeof(record));
	length = natural_size(record.type);
	if (record.length_high == 0xff) /* sometimes not the size that it should have */
		length = sizeof(*event) + record.length_low;
	else if (record.type == TLSPCAP_EVENT_DATA || record.type == TLSPCAP_EVENT_STREAM)
		length += record.length_low | (record.length_high & 7) << 8;
	event = calloc(1, length);
	require(event);
	body = length - sizeof(*event);
	taken = size - sizeof(record) < body ? size - sizeof(record) : body;
	memcpy(event + 1, input + sizeof(record), taken);
	feeding->now += (uint64_t)record.step << 20;
	event->size = (uint32_t)length;
	event->type = record.type;
	event->time_ns = feeding->now;
	event->tls_id = record.tls & 15;
	event->sock_id = record.sock & 15;
	event->pid = record.pid & 3;
	place(event, feeding->offsets);
	conversations_feed(feeding->all, event);
	free(event);
	return sizeof(record) + taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	const struct conversation_limits limits = {
		.objects = 6,
		.pending_bytes = 4096,
		.pending_bytes_each = 1024,
		.pending_ns = (uint64_t)512 << 20,
		.linger_ns = (uint64_t)256 << 20,
		.secrets = 32,
		.hints = 8,
		.hints_each = 4,
		.hint_ns = (uint64_t)1024 << 20,
		.held_bytes = 8192,
		.held_bytes_each = 4096,
		.held_ns = (uint64_t)768 << 20,
	};
	struct check check = {.choices = size > 1 ? input[1] : 0};
	bool with_records = size && input[0] & 2;
	const struct conversation_sink sink = {
		.ctx = &check,
		.open = on_open,
		.data = on_data,
		.choose = with_records ? on_choose : NULL,
		.records = with_records ? on_records : NULL,
		.gap = on_gap,
		.close = on_close,
		.secret = on_secret,
		.name_space = on_name_space,
	};
	struct feeding feeding = {.all = conversations_new(&limits, &sink)};
	struct conversations *all = feeding.all;
	const struct conversation_counts *counts;
	bool finish = size && input[0] & 1;

	require(all);
	while (size >= sizeof(struct record)) {
		size_t taken = feed(&feeding, input, size);

		input += taken;
		size -= taken;
	}
	check.finishing = finish;
	if (finish)
		conversations_finish(all);
	counts = conversations_counts(all);
	require(check.opened == counts->conversations);
	require(finish ? check.closed == check.opened : check.closed <= check.opened);
	require(check.gaps == counts->gaps && check.secrets == counts->secrets);
	require(check.bytes[0] == counts->data_bytes[0]);
	require(check.bytes[1] == counts->data_bytes[1]);
	require(check.records[0] == counts->record_bytes[0]);
	require(check.records[1] == counts->record_bytes[1]);
	conversations_free(all);
	return 0;
}
