/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The table of conversations: its life, and the check and dispatch of events. */
#include <conversation/internal.h>
#include <tlspcap/decrypt.h>

static size_t or_default(size_t value, size_t otherwise)
{
	return value ? value : otherwise;
}

static void set_limits(struct conversation_limits *to, const struct conversation_limits *from)
{
	if (from)
		*to = *from;
	to->objects = or_default(to->objects, 65536);
	to->pending_bytes = or_default(to->pending_bytes, (size_t)64 << 20);
	to->pending_bytes_each = or_default(to->pending_bytes_each, (size_t)1 << 20);
	to->pending_ns = or_default(to->pending_ns, 2000000000);
	to->linger_ns = or_default(to->linger_ns, 1000000000);
	to->held_bytes = or_default(to->held_bytes, (size_t)64 << 20);
	to->held_bytes_each = or_default(to->held_bytes_each, (size_t)512 << 10);
	to->held_ns = or_default(to->held_ns, 3000000000);
	to->secrets = or_default(to->secrets, 65536);
	to->hints = or_default(to->hints, 8192);
	to->hints_each = or_default(to->hints_each, 512);
	to->hint_ns = or_default(to->hint_ns, 10000000000);
}

struct conversations *conversations_new(const struct conversation_limits *limits,
					const struct conversation_sink *sink)
{
	struct conversations *all = calloc(1, sizeof(*all));
	size_t n;

	if (!all)
		return NULL;
	all->sink = *sink;
	set_limits(&all->limits, limits);
	list_init(&all->objects_recent);
	list_init(&all->recent);
	list_init(&all->looking);
	list_init(&all->waiting);
	list_init(&all->lingering);
	list_init(&all->holding);
	list_init(&all->quiet);
	n = all->limits.objects;
	all->scratch = malloc(DECRYPT_SCRATCH);
	if (all->scratch && table_init(&all->objects, n) && table_init(&all->processes, n) &&
	    table_init(&all->sockets, n) && table_init(&all->tuples, n) &&
	    table_init(&all->randoms, n) && table_init(&all->shown, n) &&
	    secrets_init(&all->secrets, all->limits.secrets) && hints_init(all))
		return all;
	conversations_free(all);
	return NULL;
}

static bool is_string(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

/* The handlers return false when the event is not what it claims. Sizes were checked. */

static bool feed_open(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_open *open = (const void *)event;
	struct object *object;

	if (!is_string(open->comm, sizeof(open->comm)))
		return false;
	if (!event->tls_id)
		return records_begin(all, open);
	object = object_get(all, event);
	if (object)
		object_identify(object, open);
	return true;
}

static bool feed_socket(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_socket *socket = (const void *)event;
	struct object *object;

	if (!event->sock_id || socket->role > TLSPCAP_ROLE_SERVER ||
	    socket->tls_role > TLSPCAP_ROLE_SERVER)
		return false;
	if (!event->tls_id)
		return records_socket(all, socket);
	object = object_get(all, event);
	if (object)
		object_set_socket(all, object, socket);
	return true;
}

static bool feed_state(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_state *state = (const void *)event;
	struct conversation *conversation;

	if (!event->sock_id || state->old_state >= TCP_STATES || state->new_state >= TCP_STATES)
		return false;
	conversation = conversation_find(all, event->sock_id);
	if (conversation)
		conversation_state(all, conversation, state);
	return true;
}

static bool feed_data(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_data *data = (const void *)event;
	struct object *object;
	uint64_t *next;

	if (!event->tls_id || data->direction > TLSPCAP_RECEIVED || !data->length ||
	    data->length > TLSPCAP_CHUNK || data->length > event->size - sizeof(*data) ||
	    data->offset > UINT64_MAX - data->length)
		return false;
	object = object_get(all, event);
	if (!object)
		return true;
	next = &object->next[data->direction];
	if (data->offset < *next)
		return false;
	if (data->offset > *next)
		object_gap(all, object, data->direction, event->time_ns, data->offset - *next,
			   TLSPCAP_LOSS_RING_FULL);
	*next = data->offset + data->length;
	object_data(all, object, data);
	return true;
}

static bool feed_gap(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_gap *gap = (const void *)event;
	struct object *object;
	uint64_t *next;
	uint64_t end = gap->offset + gap->length;

	if (!event->tls_id || gap->direction > TLSPCAP_RECEIVED ||
	    gap->reason >= TLSPCAP_LOSS_MAX || end < gap->offset)
		return false;
	object = object_get(all, event);
	if (!object)
		return true;
	next = &object->next[gap->direction];
	if (gap->offset > *next) {
		object_gap(all, object, gap->direction, event->time_ns, gap->offset - *next,
			   TLSPCAP_LOSS_RING_FULL);
		*next = gap->offset;
	}
	if (gap->length && end <= *next)
		return true; /* counted before, when data came after it */
	object_gap(all, object, gap->direction, event->time_ns, gap->length ? end - *next : 0,
		   gap->reason);
	if (gap->length)
		*next = end;
	return true;
}

void conversations_secret(struct conversations *all, const struct tlspcap_secret *secret,
			  struct conversation *owner, struct object *object)
{
	struct conversation *conversation;
	bool is_new = secrets_add(&all->secrets, secret);

	if (is_new) {
		all->counts.secrets++;
		all->sink.secret(all->sink.ctx, secret,
				 conversation_wall(all, secret->event.time_ns));
		if (!owner)
			owner = endpoint_find_random(all, secret->client_random);
		if (owner && owner->records)
			records_secret(owner, secret->label, secret->secret, secret->secret_length);
	}
	if (!object)
		return;
	conversation = object->conversation;
	if (object->has_random) {
		/* A renegotiation has a random of its own (RFC 5246, 7.4.1.2). */
		if (is_new && conversation && conversation->records)
			records_secret(conversation, secret->label, secret->secret,
				       secret->secret_length);
		return;
	}
	object->has_random = true;
	memcpy(object->client_random, secret->client_random, sizeof(object->client_random));
	if (conversation)
		conversation_learn_random(all, conversation, object);
	else
		object_bind_by_random(all, object);
}

static bool is_secret(const char label[TLSPCAP_LABEL_LEN], uint32_t length)
{
	return is_string(label, TLSPCAP_LABEL_LEN) && label[0] && length &&
	       length <= TLSPCAP_SECRET_LEN;
}

static bool feed_secret(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_secret *secret = (const void *)event;

	if (!is_secret(secret->label, secret->secret_length))
		return false;
	conversations_secret(all, secret, NULL, event->tls_id ? object_get(all, event) : NULL);
	return true;
}

static bool feed_hint(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_secret_hint *hint = (const void *)event;

	if (!is_secret(hint->label, hint->secret_length) || hint->candidates > TLSPCAP_CANDIDATES)
		return false;
	hints_feed(all, hint);
	return true;
}

static bool feed_info(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_info *info = (const void *)event;
	bool is_name = info->kind == TLSPCAP_INFO_SERVER_NAME;
	struct object *object;

	if (!event->tls_id || (!is_name && info->kind != TLSPCAP_INFO_ALPN) ||
	    info->length >= TLSPCAP_INFO_LEN ||
	    strnlen(info->text, TLSPCAP_INFO_LEN) != info->length)
		return false;
	object = object_get(all, event);
	if (object)
		object_set_text(object, is_name ? &object->server_name : &object->alpn, info->text);
	return true;
}

static bool feed_close(struct conversations *all, const struct tlspcap_event *event)
{
	struct object *object = object_find(all, event->tls_id);

	if (!event->tls_id)
		return false;
	if (object)
		object_end(all, object, event->time_ns);
	return true;
}

static bool feed_exit(struct conversations *all, const struct tlspcap_event *event)
{
	process_end(all, event->pid, event->time_ns);
	return true;
}

static bool feed_clock(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_clock *clock = (const void *)event;

	all->offset = clock->realtime_ns - event->time_ns;
	conversation_expire(all);
	if (all->sink.clock)
		all->sink.clock(all->sink.ctx, clock->realtime_ns);
	return true;
}

static bool feed_namespace(struct conversations *all, const struct tlspcap_event *event)
{
	struct tlspcap_namespace name_space = {0};

	/* An older one has nothing of the container. */
	memcpy(&name_space, event,
	       event->size < sizeof(name_space) ? event->size : sizeof(name_space));
	if (!is_string(name_space.name, sizeof(name_space.name)) ||
	    !is_string(name_space.description, sizeof(name_space.description)) ||
	    !is_string(name_space.container, sizeof(name_space.container)))
		return false;
	all->sink.name_space(all->sink.ctx, &name_space);
	return true;
}

static bool feed_namespace_end(struct conversations *all, const struct tlspcap_event *event)
{
	if (all->sink.name_space_end)
		all->sink.name_space_end(all->sink.ctx, event->mntns);
	return true;
}

static bool feed_loss(struct conversations *all, const struct tlspcap_event *event)
{
	const struct tlspcap_loss_counters *loss = (const void *)event;

	memcpy(all->counts.loss, loss->count, sizeof(all->counts.loss));
	return true;
}

static bool feed_stream(struct conversations *all, const struct tlspcap_event *event)
{
	return records_stream(all, (const void *)event);
}

static bool feed_stream_gap(struct conversations *all, const struct tlspcap_event *event)
{
	return records_gap(all, (const void *)event);
}

static const struct handler {
	bool (*feed)(struct conversations *all, const struct tlspcap_event *event);
	size_t size;
} handlers[] = {
	[TLSPCAP_EVENT_OPEN] = {feed_open, sizeof(struct tlspcap_open)},
	[TLSPCAP_EVENT_SOCKET] = {feed_socket, sizeof(struct tlspcap_socket)},
	[TLSPCAP_EVENT_STATE] = {feed_state, sizeof(struct tlspcap_state)},
	[TLSPCAP_EVENT_DATA] = {feed_data, sizeof(struct tlspcap_data)},
	[TLSPCAP_EVENT_GAP] = {feed_gap, sizeof(struct tlspcap_gap)},
	[TLSPCAP_EVENT_SECRET] = {feed_secret, sizeof(struct tlspcap_secret)},
	[TLSPCAP_EVENT_INFO] = {feed_info, sizeof(struct tlspcap_info)},
	[TLSPCAP_EVENT_CLOSE] = {feed_close, sizeof(struct tlspcap_event)},
	[TLSPCAP_EVENT_EXIT] = {feed_exit, sizeof(struct tlspcap_event)},
	[TLSPCAP_EVENT_STREAM] = {feed_stream, sizeof(struct tlspcap_data)},
	[TLSPCAP_EVENT_STREAM_GAP] = {feed_stream_gap, sizeof(struct tlspcap_gap)},
	[TLSPCAP_EVENT_STREAM_END] = {records_end, sizeof(struct tlspcap_event)},
	[TLSPCAP_EVENT_SECRET_HINT] = {feed_hint, sizeof(struct tlspcap_secret_hint)},
	[TLSPCAP_EVENT_CLOCK] = {feed_clock, sizeof(struct tlspcap_clock)},
	[TLSPCAP_EVENT_NAMESPACE] = {feed_namespace, offsetof(struct tlspcap_namespace, container)},
	[TLSPCAP_EVENT_NAMESPACE_END] = {feed_namespace_end, sizeof(struct tlspcap_event)},
	[TLSPCAP_EVENT_LOSS] = {feed_loss, sizeof(struct tlspcap_loss_counters)},
};

void conversations_feed(struct conversations *all, const struct tlspcap_event *event)
{
	const struct handler *handler = NULL;

	if (event->type < sizeof(handlers) / sizeof(handlers[0]))
		handler = &handlers[event->type];
	if (!handler || !handler->feed || event->size < handler->size) {
		all->counts.malformed++;
		return;
	}
	if (event->time_ns > all->now)
		all->now = event->time_ns;
	if (!handler->feed(all, event))
		all->counts.malformed++;
}

void conversations_finish(struct conversations *all)
{
	while (!list_empty(&all->waiting))
		object_stop_waiting(all, container_of(all->waiting.next, struct object, waiting));
	while (!list_empty(&all->recent)) {
		struct conversation *conversation =
			container_of(all->recent.next, struct conversation, recent);
		bool half_ended = !list_empty(&conversation->linger);

		conversation_end(all, conversation,
				 half_ended ? conversation_how(conversation)
					    : conversation_half(conversation));
	}
	while (!list_empty(&all->objects_recent))
		object_discard(all, container_of(all->objects_recent.next, struct object, recent));
	hints_finish(all);
}

const struct conversation_counts *conversations_counts(const struct conversations *all)
{
	return &all->counts;
}

void conversations_free(struct conversations *all)
{
	if (!all)
		return;
	while (!list_empty(&all->recent))
		conversation_discard(all,
				     container_of(all->recent.next, struct conversation, recent));
	while (!list_empty(&all->objects_recent))
		object_discard(all, container_of(all->objects_recent.next, struct object, recent));
	table_free(&all->objects);
	table_free(&all->processes);
	table_free(&all->sockets);
	table_free(&all->tuples);
	table_free(&all->randoms);
	table_free(&all->shown);
	secrets_free(&all->secrets);
	hints_free(all);
	if (all->scratch)
		explicit_bzero(all->scratch, DECRYPT_SCRATCH);
	free(all->scratch);
	free(all);
}
