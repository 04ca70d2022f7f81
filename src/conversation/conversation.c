/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The life of one conversation: bound to a socket or to none, opened, given bytes, ended. */
#include <conversation/internal.h>

/* TCP states, include/net/tcp_states.h of the kernel. */
enum tcp_state {
	TCP_STATE_ESTABLISHED = 1,
	TCP_STATE_SYN_SENT = 2,
	TCP_STATE_SYN_RECV = 3,
	TCP_STATE_FIN_WAIT1 = 4,
	TCP_STATE_FIN_WAIT2 = 5,
	TCP_STATE_TIME_WAIT = 6,
	TCP_STATE_CLOSE = 7,
	TCP_STATE_CLOSE_WAIT = 8,
	TCP_STATE_LAST_ACK = 9,
	TCP_STATE_CLOSING = 11,
};

/* Whose FIN came first, by a state on the way to CLOSE; NONE: this state does not say. */
static const uint8_t fin_by_state[TCP_STATES] = {
	[TCP_STATE_FIN_WAIT1] = CONVERSATION_END_LOCAL,
	[TCP_STATE_FIN_WAIT2] = CONVERSATION_END_LOCAL,
	[TCP_STATE_TIME_WAIT] = CONVERSATION_END_LOCAL,
	[TCP_STATE_CLOSING] = CONVERSATION_END_LOCAL,
	[TCP_STATE_CLOSE_WAIT] = CONVERSATION_END_REMOTE,
	[TCP_STATE_LAST_ACK] = CONVERSATION_END_REMOTE,
};

const struct conversation_info *conversation_info(const struct conversation *conversation)
{
	return &conversation->info;
}

void conversation_set_user(struct conversation *conversation, void *user)
{
	conversation->user = user;
}

void *conversation_user(const struct conversation *conversation)
{
	return conversation->user;
}

uint64_t conversation_wall(const struct conversations *all, uint64_t time_ns)
{
	return time_ns + all->offset;
}

void conversation_touch(struct conversations *all, struct conversation *conversation,
			uint64_t time_ns)
{
	if (time_ns > conversation->last_ns)
		conversation->last_ns = time_ns;
	list_move(&all->recent, &conversation->recent);
	if (list_empty(&conversation->linger))
		return;
	conversation->linger_since = all->now;
	list_move(&all->lingering, &conversation->linger);
}

void conversation_identify(struct conversation *conversation, const struct object *object)
{
	struct conversation_info *info = &conversation->info;

	info->pid = object->process->pid;
	info->uid = object->uid;
	info->mntns = object->mntns;
	info->cgroup = object->cgroup;
	info->library = object->library;
	memcpy(info->comm, object->comm, sizeof(info->comm));
}

/* Connections that may yet turn out to be TLS are many, and others pay for none of them. */
static struct conversation *least_wanted(const struct conversations *all)
{
	if (!list_empty(&all->looking))
		return container_of(all->looking.next, struct conversation, looking);
	return container_of(all->recent.next, struct conversation, recent);
}

static struct conversation *conversation_new(struct conversations *all, uint64_t id)
{
	struct conversation *conversation;
	struct conversation_info *info;

	if (all->n_conversations >= all->limits.objects) {
		conversation_end(all, least_wanted(all), CONVERSATION_END_NONE);
		all->counts.evicted++;
	}
	conversation = calloc(1, sizeof(*conversation));
	if (!conversation) {
		all->counts.evicted++; /* no memory: as if it had been thrown out at once */
		return NULL;
	}
	list_init(&conversation->linger);
	list_init(&conversation->looking);
	list_init(&conversation->objects);
	list_add(&all->recent, &conversation->recent);
	all->n_conversations++;

	info = &conversation->info;
	info->seed = table_mix(table_mix(id) + ++all->created);
	info->role = TLSPCAP_ROLE_CLIENT;
	info->role_assumed = true;
	return conversation;
}

static struct conversation *new_of_object(struct conversations *all, const struct object *object)
{
	struct conversation *conversation = conversation_new(all, object->id);
	struct conversation_info *info;

	if (!conversation)
		return NULL;
	info = &conversation->info;
	conversation_identify(conversation, object);
	if (object->server_name)
		memcpy(info->server_name, object->server_name, strlen(object->server_name) + 1);
	if (object->alpn)
		memcpy(info->alpn, object->alpn, strlen(object->alpn) + 1);
	return conversation;
}

void conversation_attach(struct conversations *all, struct conversation *conversation,
			 struct object *object)
{
	object->conversation = conversation;
	list_add(&conversation->objects, &object->of_conversation);
	list_remove(&conversation->looking);
	if (!conversation->tcp_ended)
		list_remove(&conversation->linger);
	if (conversation->datagram)
		all->counts.datagram++;
	if (object->has_random)
		conversation_learn_random(all, conversation, object);
}

struct conversation *conversation_find(struct conversations *all, uint64_t sock_id)
{
	uint64_t hash = table_hash(&all->sockets, sock_id);
	struct table_node *node = table_find(&all->sockets, hash);
	struct conversation *conversation;

	for (; node; node = table_match(node->next, hash)) {
		conversation = container_of(node, struct conversation, by_socket);
		if (conversation->sock_id == sock_id)
			return conversation;
	}
	return NULL;
}

static void enter_socket(struct conversations *all, struct conversation *conversation,
			 uint64_t sock_id)
{
	conversation->sock_id = sock_id;
	conversation->in_sockets = true;
	table_add(&all->sockets, &conversation->by_socket, table_hash(&all->sockets, sock_id));
}

struct conversation *conversation_bind(struct conversations *all, struct object *object)
{
	const struct tlspcap_socket *socket = &object->socket;
	struct conversation *conversation = conversation_find(all, socket->event.sock_id);

	if (!conversation) {
		conversation = new_of_object(all, object);
		if (!conversation)
			return NULL;
		conversation->suppressed = object->suppressed;
		enter_socket(all, conversation, socket->event.sock_id);
		endpoint_fill(all, conversation, socket);
		endpoint_register(all, conversation);
	}
	conversation_attach(all, conversation, object);
	conversation_touch(all, conversation, socket->event.time_ns);
	return conversation;
}

struct conversation *conversation_unknown(struct conversations *all, struct object *object)
{
	struct conversation *conversation = new_of_object(all, object);

	if (conversation)
		conversation_attach(all, conversation, object);
	return conversation;
}

void conversation_update(struct conversations *all, struct object *object)
{
	struct conversation *conversation = object->conversation;
	const struct tlspcap_socket *socket = &object->socket;

	if (!conversation->in_sockets) {
		if (!conversation_find(all, socket->event.sock_id))
			enter_socket(all, conversation, socket->event.sock_id);
		return;
	}
	if (conversation->opened || conversation->suppressed || conversation->datagram)
		return;
	endpoint_fill(all, conversation, socket);
	if (conversation->datagram)
		all->counts.datagram++;
	endpoint_register(all, conversation);
}

void conversation_set_random(struct conversations *all, struct conversation *conversation,
			     const uint8_t *client_random)
{
	struct conversation_info *info = &conversation->info;

	if (info->has_random)
		return;
	info->has_random = true;
	memcpy(info->client_random, client_random, sizeof(info->client_random));
	endpoint_register_random(all, conversation);
}

void conversation_learn_random(struct conversations *all, struct conversation *conversation,
			       const struct object *object)
{
	/* The socket's own ClientHello is the better witness. */
	if (!conversation->records)
		conversation_set_random(all, conversation, object->client_random);
}

struct conversation *conversation_of_stream(struct conversations *all,
					    const struct tlspcap_open *open)
{
	const struct tlspcap_event *event = &open->event;
	struct conversation *conversation = conversation_find(all, event->sock_id);
	struct conversation_info *info;

	if (conversation)
		return conversation;
	conversation = conversation_new(all, event->sock_id);
	if (!conversation)
		return NULL;
	info = &conversation->info;
	info->pid = event->pid;
	info->uid = open->uid;
	info->mntns = event->mntns;
	info->cgroup = open->cgroup;
	memcpy(info->comm, open->comm, sizeof(info->comm));
	enter_socket(all, conversation, event->sock_id);
	list_add(&all->looking, &conversation->looking);
	return conversation;
}

void conversation_open(struct conversations *all, struct conversation *conversation,
		       uint64_t time_ns)
{
	conversation->opened = true;
	conversation->info.number = ++all->counts.conversations;
	if (!conversation->info.addresses_known)
		all->counts.unknown_address++;
	endpoint_show(all, conversation);
	all->sink.open(all->sink.ctx, conversation, conversation_wall(all, time_ns));
}

void conversation_give(struct conversations *all, struct conversation *conversation, bool is_gap,
		       uint8_t direction, uint64_t time_ns, const uint8_t *bytes, uint64_t length,
		       uint8_t detail)
{
	uint64_t wall = conversation_wall(all, time_ns);

	conversation_touch(all, conversation, time_ns);
	if (conversation->suppressed || conversation->datagram)
		return;
	if (!conversation->opened)
		conversation_open(all, conversation, time_ns);
	if (is_gap) {
		all->counts.gaps++;
		all->counts.gap_bytes += length;
		all->sink.gap(all->sink.ctx, conversation, direction, wall, length, detail);
		return;
	}
	all->counts.data_bytes[direction] += length;
	all->sink.data(all->sink.ctx, conversation, direction, wall, bytes, length, detail);
}

enum conversation_end conversation_how(const struct conversation *conversation)
{
	if (conversation->end != CONVERSATION_END_NONE)
		return conversation->end;
	if (list_empty(&conversation->objects) && !conversation->records)
		return CONVERSATION_END_UNSEEN;
	return CONVERSATION_END_NONE;
}

/* How it has ended so far, if the other side's FIN never comes. */
enum conversation_end conversation_half(const struct conversation *conversation)
{
	static const uint8_t halves[] = {
		[CONVERSATION_END_LOCAL] = CONVERSATION_END_LOCAL_HALF,
		[CONVERSATION_END_REMOTE] = CONVERSATION_END_REMOTE_HALF,
	};

	return conversation->end < sizeof(halves) ? halves[conversation->end]
						  : CONVERSATION_END_NONE;
}

bool conversation_has_ended(const struct conversation *conversation, enum conversation_end *end)
{
	*end = conversation->end;
	return conversation->tcp_ended;
}

/* One of TLS and TCP has ended: waits for the other. Both: that is the end. */
static void check_end(struct conversations *all, struct conversation *conversation)
{
	bool tls_ended = list_empty(&conversation->objects) && !conversation->records;

	if (tls_ended && conversation->tcp_ended) {
		conversation_end(all, conversation, conversation_how(conversation));
		return;
	}
	if (!tls_ended && !conversation->tcp_ended)
		return;
	conversation->linger_since = all->now;
	list_move(&all->lingering, &conversation->linger);
}

void conversation_detach(struct conversations *all, struct object *object, uint64_t time_ns)
{
	struct conversation *conversation = object->conversation;

	if (!conversation)
		return;
	object->conversation = NULL;
	list_remove(&object->of_conversation);
	conversation_touch(all, conversation, time_ns);
	check_end(all, conversation);
}

void conversation_state(struct conversations *all, struct conversation *conversation,
			const struct tlspcap_state *state)
{
	uint64_t time_ns = state->event.time_ns;

	conversation_touch(all, conversation, time_ns);
	if (state->new_state == TCP_STATE_ESTABLISHED) {
		if (!conversation->opened && !conversation->info.established_ns)
			conversation->info.established_ns = conversation_wall(all, time_ns);
		return;
	}
	if (conversation->end == CONVERSATION_END_NONE)
		conversation->end = fin_by_state[state->new_state];
	if (state->new_state != TCP_STATE_CLOSE)
		return;
	if (conversation->end == CONVERSATION_END_NONE)
		conversation->end = fin_by_state[state->old_state];
	if (conversation->end == CONVERSATION_END_NONE)
		conversation->end = CONVERSATION_END_RESET;
	conversation->tcp_ended = true;
	if (state->final && conversation->records)
		records_check_end(conversation, state);
	/* Nothing can follow: no byte from the socket, no secret that was waited for. */
	if (state->final && list_empty(&conversation->objects) &&
	    records_are_settled(conversation)) {
		conversation_end(all, conversation, conversation_how(conversation));
		return;
	}
	check_end(all, conversation);
}

void conversation_discard(struct conversations *all, struct conversation *conversation)
{
	struct list *at, *next;

	for (at = conversation->objects.next; at != &conversation->objects; at = next) {
		struct object *object = container_of(at, struct object, of_conversation);

		next = at->next;
		object->conversation = NULL;
		object->suppressed = conversation->suppressed;
		list_init(at);
	}
	records_free(conversation);
	endpoint_forget(all, conversation);
	if (conversation->in_sockets)
		table_remove(&all->sockets, &conversation->by_socket);
	list_remove(&conversation->linger);
	list_remove(&conversation->looking);
	list_remove(&conversation->recent);
	all->n_conversations--;
	free(conversation);
}

void conversation_end(struct conversations *all, struct conversation *conversation,
		      enum conversation_end end)
{
	bool handshake_only;

	if (conversation->records)
		records_settle(conversation);
	records_finish(conversation);
	/* A handshake without a byte of data is worth showing when there are keys for it. */
	handshake_only = !conversation->opened && !conversation->suppressed &&
			 !conversation->datagram && conversation->info.has_random &&
			 conversation->info.addresses_known;

	if (handshake_only)
		conversation_open(all, conversation, conversation->last_ns);
	if (conversation->opened)
		all->sink.close(all->sink.ctx, conversation, end,
				conversation_wall(all, conversation->last_ns));
	conversation_discard(all, conversation);
}

void conversation_expire(struct conversations *all)
{
	while (!list_empty(&all->waiting)) {
		struct object *object = container_of(all->waiting.next, struct object, waiting);

		if (all->now - object->waiting_since < all->limits.pending_ns)
			break;
		object_stop_waiting(all, object);
	}
	while (!list_empty(&all->lingering)) {
		struct conversation *conversation =
			container_of(all->lingering.next, struct conversation, linger);

		if (all->now - conversation->linger_since < all->limits.linger_ns)
			break;
		conversation_end(all, conversation, conversation_how(conversation));
	}
	records_expire(all);
	hints_expire(all);
}
