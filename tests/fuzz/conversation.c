/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Any bytes as a sequence of events. The sink checks what every later stage relies on:
 * open, then bytes and gaps, then close, once each, and what is counted is what was told.
 *
 * The input is a list of small records: a type and a few numbers that are kept small, so that
 * ids meet each other, followed by the rest of the event as it is.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tlspcap/conversation.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct check {
	uint64_t opened, closed, bytes[2], gaps, secrets;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

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
	require(direction <= TLSPCAP_RECEIVED && length > 0 && length <= TLSPCAP_CHUNK);
	((struct check *)ctx)->bytes[direction] += length;
	last = bytes[0];
	last = bytes[length - 1];
	(void)last;
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
	(void)time_ns;
	require(conversation_user(conversation) == ctx);
	require(end <= CONVERSATION_END_UNSEEN);
	((struct check *)ctx)->closed++;
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
		[TLSPCAP_EVENT_CLOCK] = sizeof(struct tlspcap_clock),
		[TLSPCAP_EVENT_NAMESPACE] = sizeof(struct tlspcap_namespace),
		[TLSPCAP_EVENT_LOSS] = sizeof(struct tlspcap_loss_counters),
	};

	return type < sizeof(sizes) / sizeof(sizes[0]) && sizes[type]
		       ? sizes[type]
		       : sizeof(struct tlspcap_event);
}

/* Takes one event off the input; the memory is exactly as large as it says. */
static size_t feed(struct conversations *all, const uint8_t *input, size_t size, uint64_t *now)
{
	struct record record;
	struct tlspcap_event *event;
	size_t length, body, taken;

	memcpy(&record, input, sizeof(record));
	length = natural_size(record.type);
	if (record.length_high == 0xff) /* sometimes not the size that it should have */
		length = sizeof(*event) + record.length_low;
	else if (record.type == TLSPCAP_EVENT_DATA)
		length += record.length_low;
	event = calloc(1, length);
	require(event);
	body = length - sizeof(*event);
	taken = size - sizeof(record) < body ? size - sizeof(record) : body;
	memcpy(event + 1, input + sizeof(record), taken);
	*now += (uint64_t)record.step << 20;
	event->size = (uint32_t)length;
	event->type = record.type;
	event->time_ns = *now;
	event->tls_id = record.tls & 15;
	event->sock_id = record.sock & 15;
	event->pid = record.pid & 3;
	conversations_feed(all, event);
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
		.secrets = 4,
	};
	struct check check = {0};
	const struct conversation_sink sink = {
		.ctx = &check,
		.open = on_open,
		.data = on_data,
		.gap = on_gap,
		.close = on_close,
		.secret = on_secret,
		.name_space = on_name_space,
	};
	struct conversations *all = conversations_new(&limits, &sink);
	const struct conversation_counts *counts;
	bool finish = size && input[0] & 1;
	uint64_t now = 0;

	require(all);
	while (size >= sizeof(struct record)) {
		size_t taken = feed(all, input, size, &now);

		input += taken;
		size -= taken;
	}
	if (finish)
		conversations_finish(all);
	counts = conversations_counts(all);
	require(check.opened == counts->conversations);
	require(finish ? check.closed == check.opened : check.closed <= check.opened);
	require(check.gaps == counts->gaps && check.secrets == counts->secrets);
	require(check.bytes[0] == counts->data_bytes[0]);
	require(check.bytes[1] == counts->data_bytes[1]);
	conversations_free(all);
	return 0;
}
