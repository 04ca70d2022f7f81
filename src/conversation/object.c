/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* TLS objects, and what they keep while their socket is not known. */
#include <conversation/internal.h>

struct object *object_find(struct conversations *all, uint64_t id)
{
	uint64_t hash = table_hash(&all->objects, id);
	struct table_node *node = table_find(&all->objects, hash);
	struct object *object;

	for (; node; node = table_match(node->next, hash)) {
		object = container_of(node, struct object, by_id);
		if (object->id == id)
			return object;
	}
	return NULL;
}

static struct process *process_find(struct conversations *all, uint32_t pid)
{
	uint64_t hash = table_hash(&all->processes, pid);
	struct table_node *node = table_find(&all->processes, hash);
	struct process *process;

	for (; node; node = table_match(node->next, hash)) {
		process = container_of(node, struct process, by_pid);
		if (process->pid == pid)
			return process;
	}
	return NULL;
}

static struct process *process_get(struct conversations *all, uint32_t pid)
{
	struct process *process = process_find(all, pid);

	if (process)
		return process;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->pid = pid;
	list_init(&process->objects);
	table_add(&all->processes, &process->by_pid, table_hash(&all->processes, pid));
	return process;
}

static void process_put(struct conversations *all, struct process *process)
{
	if (!list_empty(&process->objects))
		return;
	table_remove(&all->processes, &process->by_pid);
	free(process);
}

static struct pending *take_pending(struct conversations *all, struct object *object)
{
	struct pending *first = object->pending;

	all->pending_bytes -= object->pending_bytes;
	object->pending = NULL;
	object->pending_last = &object->pending;
	object->pending_bytes = 0;
	list_remove(&object->waiting);
	return first;
}

void object_discard(struct conversations *all, struct object *object)
{
	struct pending *at = take_pending(all, object);
	struct pending *next;

	for (; at; at = next) {
		next = at->next;
		free(at);
	}
	list_remove(&object->of_conversation);
	list_remove(&object->recent);
	table_remove(&all->objects, &object->by_id);
	all->n_objects--;
	list_remove(&object->of_process);
	process_put(all, object->process);
	free(object->server_name);
	free(object->alpn);
	free(object);
}

static void evict(struct conversations *all)
{
	struct object *object = container_of(all->objects_recent.next, struct object, recent);
	struct conversation *conversation;

	object_stop_waiting(all, object);
	conversation = object->conversation;
	if (conversation) {
		object->conversation = NULL;
		list_remove(&object->of_conversation);
		if (list_empty(&conversation->objects) && !conversation->records)
			conversation_end(all, conversation, CONVERSATION_END_NONE);
	}
	object_discard(all, object);
	all->counts.evicted++;
}

static struct object *object_new(struct conversations *all, const struct tlspcap_event *event)
{
	struct object *object;

	if (all->n_objects >= all->limits.objects)
		evict(all);
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	object->process = process_get(all, event->pid);
	if (!object->process) {
		free(object);
		return NULL;
	}
	object->id = event->tls_id;
	object->mntns = event->mntns;
	object->pending_last = &object->pending;
	list_init(&object->waiting);
	list_init(&object->of_conversation);
	list_add(&object->process->objects, &object->of_process);
	list_add(&all->objects_recent, &object->recent);
	table_add(&all->objects, &object->by_id, table_hash(&all->objects, object->id));
	all->n_objects++;
	return object;
}

struct object *object_get(struct conversations *all, const struct tlspcap_event *event)
{
	struct object *object = object_find(all, event->tls_id);

	if (object) {
		list_move(&all->objects_recent, &object->recent);
		return object;
	}
	object = object_new(all, event);
	if (!object)
		all->counts.evicted++; /* no memory: as if it had been thrown out at once */
	return object;
}

void object_identify(struct object *object, const struct tlspcap_open *open)
{
	object->cgroup = open->cgroup;
	object->uid = open->uid;
	object->library = open->library;
	object->mntns = open->event.mntns;
	memcpy(object->comm, open->comm, sizeof(object->comm));
	if (object->conversation && !object->conversation->opened)
		conversation_identify(object->conversation, object);
}

void object_set_text(struct object *object, char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return;
	free(*field);
	*field = copy;
	if (!object->conversation || object->conversation->opened)
		return;
	if (field == &object->server_name)
		memcpy(object->conversation->info.server_name, text, strlen(text) + 1);
	else
		memcpy(object->conversation->info.alpn, text, strlen(text) + 1);
}

/* True when the socket's own bytes tell it. */
static bool is_covered(struct conversation *conversation, const struct pending *item)
{
	bool early = !item->is_gap && (item->detail & TLSPCAP_DATA_EARLY);

	return records_cover(conversation, item->direction, early);
}

static void give_pending(struct conversations *all, struct object *object)
{
	struct pending *at = take_pending(all, object);
	struct pending *next;

	for (; at; at = next) {
		next = at->next;
		if (object->conversation && !is_covered(object->conversation, at))
			conversation_give(all, object->conversation, at->is_gap, at->direction,
					  at->time_ns, at->bytes, at->length, at->detail);
		free(at);
	}
}

/* False without memory. */
static bool bind(struct conversations *all, struct object *object)
{
	if (!conversation_bind(all, object))
		return false;
	give_pending(all, object);
	return true;
}

void object_stop_waiting(struct conversations *all, struct object *object)
{
	if (!object->pending)
		return;
	conversation_unknown(all, object);
	give_pending(all, object);
}

void object_set_socket(struct conversations *all, struct object *object,
		       const struct tlspcap_socket *socket)
{
	bool had = object->has_socket;
	bool same = had && object->socket.event.sock_id == socket->event.sock_id;

	object->has_socket = true;
	object->socket = *socket;
	if (same) {
		if (object->conversation)
			conversation_update(all, object);
		return;
	}
	if (had) {
		/* Used again for another connection (SSL_clear): what it said before was of
		 * the old one, but for the name, which the library keeps. */
		conversation_detach(all, object, socket->event.time_ns);
		object->suppressed = false;
		object->has_random = false;
		free(object->alpn);
		object->alpn = NULL;
	} else if (object->conversation) {
		/* Too late for its address, but the socket will tell how it ends. */
		conversation_update(all, object);
		return;
	}
	bind(all, object);
}

/* Keeps it until the socket is known. False when it can wait no longer. */
static bool keep(struct conversations *all, struct object *object, const struct pending *head,
		 const uint8_t *bytes, size_t length)
{
	size_t size = sizeof(struct pending) + length;
	struct pending *pending;

	if (object->pending && all->now - object->waiting_since >= all->limits.pending_ns)
		return false;
	if (object->pending_bytes + size > all->limits.pending_bytes_each ||
	    size > all->limits.pending_bytes)
		return false;
	/* Those that waited longest have the smallest hope for a socket. */
	while (all->pending_bytes + size > all->limits.pending_bytes) {
		struct object *oldest = container_of(all->waiting.next, struct object, waiting);

		if (oldest == object)
			return false;
		object_stop_waiting(all, oldest);
	}
	pending = malloc(size);
	if (!pending)
		return false;
	*pending = *head;
	if (length)
		memcpy(pending->bytes, bytes, length);
	if (!object->pending) {
		object->waiting_since = all->now;
		list_add(&all->waiting, &object->waiting);
	}
	*object->pending_last = pending;
	object->pending_last = &pending->next;
	object->pending_bytes += size;
	all->pending_bytes += size;
	return true;
}

/*
 * A program that keeps TLS away from its sockets (memory BIO): the ClientHello that passed a
 * socket has the random of this object's secrets.
 */
void object_bind_by_random(struct conversations *all, struct object *object)
{
	struct conversation *conversation = endpoint_find_random(all, object->client_random);

	if (!conversation || !conversation->records)
		return;
	conversation_attach(all, conversation, object);
	give_pending(all, object);
}

static void give(struct conversations *all, struct object *object, const struct pending *head,
		 const uint8_t *bytes)
{
	if (!object->conversation && object->has_socket)
		bind(all, object); /* it had ended, and goes on after all */
	if (!object->conversation && object->has_random)
		object_bind_by_random(all, object);
	if (object->conversation && is_covered(object->conversation, head))
		return;
	if (!object->conversation) {
		if (keep(all, object, head, bytes, head->is_gap ? 0 : head->length))
			return;
		if (!conversation_unknown(all, object))
			return;
		give_pending(all, object);
	}
	conversation_give(all, object->conversation, head->is_gap, head->direction, head->time_ns,
			  bytes, head->length, head->detail);
}

void object_gap(struct conversations *all, struct object *object, uint8_t direction,
		uint64_t time_ns, uint64_t length, uint8_t reason)
{
	const struct pending head = {
		.time_ns = time_ns,
		.length = length,
		.direction = direction,
		.is_gap = true,
		.detail = reason,
	};

	give(all, object, &head, NULL);
}

void object_data(struct conversations *all, struct object *object, const struct tlspcap_data *data)
{
	const struct pending head = {
		.time_ns = data->event.time_ns,
		.length = data->length,
		.direction = data->direction,
		.detail = data->flags,
	};

	give(all, object, &head, data->bytes);
}

void object_end(struct conversations *all, struct object *object, uint64_t time_ns)
{
	object_stop_waiting(all, object);
	conversation_detach(all, object, time_ns);
	object_discard(all, object);
}

void process_end(struct conversations *all, uint32_t pid, uint64_t time_ns)
{
	struct process *process = process_find(all, pid);
	struct list *at, *next;

	if (!process)
		return;
	/* The last object takes the process with it. */
	for (at = process->objects.next;; at = next) {
		bool last = at->next == &process->objects;

		next = at->next;
		object_end(all, container_of(at, struct object, of_process), time_ns);
		if (last)
			return;
	}
}
