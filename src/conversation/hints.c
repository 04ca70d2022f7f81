/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Secrets that do not say whose they are, and how that is found:
 *
 * - one of the candidates is the random of a ClientHello that passed a socket;
 * - or it opens a record of a connection of the same process that waits for secrets;
 * - or it is of the same TLS object and handshake as one of which this is known.
 *
 * Never by time and never by guess. What cannot be tied is counted. Then it is a secret like
 * any other. Work for others than the process that causes it is bounded: TRIES between two
 * CLOCK events, for all.
 */
#include <conversation/held.h>

#define TRIES	   65536 /* derivations of keys, or records; some 0.1 s in all */
#define TRIES_EACH 256	 /* for one event */

/* A process that has one of both: secrets nobody's, connections that wait for theirs. */
struct hint_process {
	struct table_node by_pid;
	struct list waiting; /* suspect.waiting, the newest last */
	struct list hints;   /* hint.of_process, likewise */
	uint32_t pid;
	size_t n_hints;
};

struct candidate {
	struct table_node node;
	struct hint *hint;
	uint8_t random[TLSPCAP_RANDOM_LEN];
};

struct hint {
	struct list of_process, recent;
	struct hint_process *process;
	uint64_t since;
	uint32_t handshake;	      /* object.handshakes */
	struct tlspcap_secret secret; /* without its random */
	uint32_t candidates;
	struct candidate candidate[TLSPCAP_CANDIDATES];
};

#define MASTER "CLIENT_RANDOM"

/*
 * What TLS 1.3 calls them (RFC 8446, 7.1), and the key log. Index: a bit in object.hinted; and
 * the bits of those after which they do not come in one handshake, besides their own. Other
 * labels are taken as they are.
 */
static const struct {
	const char *tls, *keylog;
	unsigned int not_after;
} labels[] = {
	{"c e traffic", "CLIENT_EARLY_TRAFFIC_SECRET", 0xfc},
	{"e exp master", "EARLY_EXPORTER_SECRET", 0xfc},
	{"c hs traffic", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", 0x80},
	{"s hs traffic", "SERVER_HANDSHAKE_TRAFFIC_SECRET", 0x80},
	{"c ap traffic", "CLIENT_TRAFFIC_SECRET_0", 0x80},
	{"s ap traffic", "SERVER_TRAFFIC_SECRET_0", 0x80},
	{"exp master", "EXPORTER_SECRET", 0x80},
	{"master secret", MASTER, 0x7f},
};
#define LABELS (sizeof(labels) / sizeof(labels[0]))

static unsigned int find_label(const char *label)
{
	unsigned int i;

	for (i = 0; i < LABELS; i++)
		if (!strcmp(label, labels[i].tls) || !strcmp(label, labels[i].keylog))
			break;
	return i;
}

bool hints_init(struct conversations *all)
{
	struct hints *hints = &all->hints;

	list_init(&hints->recent);
	hints->size = all->limits.hints;
	hints->tries = TRIES;
	return table_init(&hints->processes, all->limits.objects) &&
	       table_init(&hints->candidates, hints->size);
}

/* --- processes --------------------------------------------------------------------------- */

static struct hint_process *find_process(struct conversations *all, uint32_t pid)
{
	uint64_t hash = table_hash(&all->hints.processes, pid);
	struct table_node *node = table_find(&all->hints.processes, hash);
	struct hint_process *process;

	for (; node; node = table_match(node->next, hash)) {
		process = container_of(node, struct hint_process, by_pid);
		if (process->pid == pid)
			return process;
	}
	return NULL;
}

static struct hint_process *get_process(struct conversations *all, uint32_t pid)
{
	struct hint_process *process = find_process(all, pid);

	if (process)
		return process;
	process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->pid = pid;
	list_init(&process->waiting);
	list_init(&process->hints);
	table_add(&all->hints.processes, &process->by_pid, table_hash(&all->hints.processes, pid));
	return process;
}

static void put_process(struct conversations *all, struct hint_process *process)
{
	if (!list_empty(&process->waiting) || !list_empty(&process->hints))
		return;
	table_remove(&all->hints.processes, &process->by_pid);
	free(process);
}

static void add_suspect(struct records *records, struct suspect *suspect, uint32_t pid)
{
	if (suspect->process || !pid)
		return;
	suspect->process = get_process(records->all, pid);
	if (!suspect->process)
		return; /* its secrets will be looked for without success */
	suspect->records = records;
	list_add(&suspect->process->waiting, &suspect->waiting);
}

void hints_wait(struct records *records)
{
	const struct conversation *conversation = records->conversation;

	if (!records->waits)
		return;
	add_suspect(records, &records->suspects[0], conversation->info.pid);
	if (conversation->peer_pid != conversation->info.pid)
		add_suspect(records, &records->suspects[1], conversation->peer_pid);
}

void hints_stop(struct records *records)
{
	for (int i = 0; i < 2; i++) {
		struct suspect *suspect = &records->suspects[i];

		if (!suspect->process)
			continue;
		list_remove(&suspect->waiting);
		put_process(records->all, suspect->process);
		suspect->process = NULL;
	}
}

/* --- waiting hints ----------------------------------------------------------------------- */

static void forget(struct conversations *all, struct hint *hint)
{
	for (uint32_t i = 0; i < hint->candidates; i++)
		table_remove(&all->hints.candidates, &hint->candidate[i].node);
	list_remove(&hint->recent);
	list_remove(&hint->of_process);
	hint->process->n_hints--;
	all->hints.used--;
	put_process(all, hint->process);
	explicit_bzero(hint, sizeof(*hint));
	free(hint);
}

static void give_up(struct conversations *all, struct hint *hint)
{
	/* Its connection may have been written as another process saw it. Without any socket's
	 * bytes there are no records that it could be for. */
	if (all->has_streams && !secrets_random(&all->secrets, &hint->secret))
		all->counts.untied_secrets++;
	forget(all, hint);
}

static struct hint *first_of(const struct list *hints)
{
	return container_of(hints->next, struct hint, recent);
}

static void keep(struct conversations *all, const struct hint *like)
{
	struct hint *hint = NULL;
	struct hint_process *process = get_process(all, like->secret.event.pid);

	if (process && process->n_hints >= all->limits.hints_each)
		give_up(all, container_of(process->hints.next, struct hint, of_process));
	else if (all->hints.used >= all->hints.size)
		give_up(all, first_of(&all->hints.recent));
	/* Either may have been the last that named it. */
	process = get_process(all, like->secret.event.pid);
	if (process)
		hint = malloc(sizeof(*hint));
	if (!hint) {
		all->counts.untied_secrets++;
		if (process)
			put_process(all, process);
		return;
	}
	*hint = *like;
	hint->process = process;
	process->n_hints++;
	all->hints.used++;
	list_add(&process->hints, &hint->of_process);
	list_add(&all->hints.recent, &hint->recent);
	for (uint32_t i = 0; i < hint->candidates; i++) {
		struct candidate *candidate = &hint->candidate[i];

		candidate->hint = hint;
		table_add(&all->hints.candidates, &candidate->node,
			  table_hash_bytes(&all->hints.candidates, candidate->random,
					   TLSPCAP_RANDOM_LEN));
	}
}

/* --- whose is it ------------------------------------------------------------------------- */

struct owner {
	struct conversation *conversation; /* NULL: whose random it is */
	uint8_t random[TLSPCAP_RANDOM_LEN];
};

static struct owner owner_of(struct conversation *conversation, const uint8_t *client_random)
{
	struct owner owner = {.conversation = conversation};

	memcpy(owner.random, client_random, sizeof(owner.random));
	return owner;
}

/* May settle the conversation, and ends none. */
static void tell(struct conversations *all, const struct hint *hint, const struct owner *owner)
{
	struct tlspcap_secret secret = hint->secret;
	uint64_t tls = secret.event.tls_id;

	memcpy(secret.client_random, owner->random, sizeof(secret.client_random));
	conversations_secret(all, &secret, owner->conversation, tls ? object_find(all, tls) : NULL);
	explicit_bzero(&secret, sizeof(secret));
}

static struct hint *find_sibling(struct conversations *all, const struct hint *hint)
{
	struct hint_process *process = find_process(all, hint->secret.event.pid);
	struct list *at;

	for (at = process ? process->hints.next : NULL; at && at != &process->hints;
	     at = at->next) {
		struct hint *other = container_of(at, struct hint, of_process);

		if (other->secret.event.tls_id == hint->secret.event.tls_id &&
		    other->handshake == hint->handshake)
			return other;
	}
	return NULL;
}

/* It is this one's; so are the others of its object and handshake. `hint` is in no list. */
static void resolve(struct conversations *all, const struct hint *hint, const struct owner *owner)
{
	struct hint *sibling;

	tell(all, hint, owner);
	if (!hint->secret.event.tls_id)
		return;
	while ((sibling = find_sibling(all, hint))) {
		struct hint copy = *sibling;

		forget(all, sibling);
		tell(all, &copy, owner);
		explicit_bzero(&copy, sizeof(copy));
	}
}

static void resolve_kept(struct conversations *all, struct hint *hint, const struct owner *owner)
{
	struct hint copy = *hint;

	forget(all, hint);
	resolve(all, &copy, owner);
	explicit_bzero(&copy, sizeof(copy));
}

static bool is_of(const struct conversation *conversation, uint32_t pid)
{
	return conversation->info.pid == pid || conversation->peer_pid == pid;
}

struct known {
	const struct tlspcap_secret *secret;
	bool other; /* this label has another secret */
};

static void compare_secret(void *ctx, const char *label, const uint8_t *secret, size_t length)
{
	struct known *known = ctx;

	/* Of those that come again with each renewal of keys nothing follows. */
	if (find_label(label) == LABELS)
		return;
	if (!strcmp(label, known->secret->label) &&
	    (length != known->secret->secret_length ||
	     memcmp(secret, known->secret->secret, length) != 0))
		known->other = true;
}

/* The one connection whose hello one of the candidates was. None, or several: false. */
static bool by_candidates(struct conversations *all, const struct hint *hint, struct owner *owner)
{
	struct conversation *found = NULL;

	for (uint32_t i = 0; i < hint->candidates; i++) {
		struct conversation *one = endpoint_find_random(all, hint->candidate[i].random);
		struct known known = {.secret = &hint->secret};

		/* What is read out of one process names no connection of another one. */
		if (!one || one == found || !is_of(one, hint->secret.event.pid))
			continue;
		/* Memory that was used for an earlier connection still shows its random. */
		secrets_find(&all->secrets, hint->candidate[i].random, compare_secret, &known);
		if (known.other)
			continue;
		if (found)
			return false;
		found = one;
	}
	if (found)
		*owner = owner_of(found, found->info.client_random);
	return found;
}

/* decrypt_prove() inside of both bounds. */
static bool prove(struct records *records, const struct hint *hint, unsigned int *tries,
		  struct owner *owner)
{
	unsigned int *left = &records->all->hints.tries;
	unsigned int before = *tries < *left ? *tries : *left;
	unsigned int after = before;
	const uint8_t *random;

	if (!records->decrypt || !before)
		return false;
	random = decrypt_prove(records->decrypt, hint->secret.label, hint->secret.secret,
			       hint->secret.secret_length, &after);
	*tries -= before - after;
	*left -= before - after;
	if (random)
		*owner = owner_of(records->conversation, random);
	return random;
}

/* The thread that handles a connection often moves its bytes as well. */
static bool by_proof(struct conversations *all, const struct hint *hint, struct owner *owner)
{
	struct hint_process *process = find_process(all, hint->secret.event.pid);
	unsigned int tries = TRIES_EACH;
	struct list *at;

	for (int same = 1; same >= 0 && process; same--) {
		for (at = process->waiting.previous; at != &process->waiting && tries;
		     at = at->previous) {
			struct records *records =
				container_of(at, struct suspect, waiting)->records;

			if ((records->tid == hint->secret.event.tid) != same)
				continue;
			if (prove(records, hint, &tries, owner))
				return true;
		}
	}
	return false;
}

static struct hint *provable(struct records *records, const struct hint_process *process,
			     unsigned int *tries, struct owner *owner)
{
	struct list *at;

	for (at = process->hints.previous; at != &process->hints && *tries; at = at->previous) {
		struct hint *hint = container_of(at, struct hint, of_process);

		if (prove(records, hint, tries, owner))
			return hint;
	}
	return NULL;
}

void hints_try(struct records *records)
{
	struct conversation *conversation = records->conversation;
	struct conversations *all = records->all;
	unsigned int tries = TRIES_EACH;
	struct owner owner;

	for (int i = 0; i < 2; i++) {
		struct hint_process *process;
		struct hint *hint;

		/* With each secret it may wait no longer. */
		while (conversation->records == records &&
		       (process = records->suspects[i].process) &&
		       (hint = provable(records, process, &tries, &owner)))
			resolve_kept(all, hint, &owner);
	}
}

static struct hint *named(struct conversations *all, const struct conversation *conversation)
{
	const uint8_t *client_random = conversation->info.client_random;
	uint64_t hash = table_hash_bytes(&all->hints.candidates, client_random, TLSPCAP_RANDOM_LEN);
	struct table_node *node = table_find(&all->hints.candidates, hash);

	for (; node; node = table_match(node->next, hash)) {
		struct candidate *candidate = container_of(node, struct candidate, node);

		if (!memcmp(candidate->random, client_random, TLSPCAP_RANDOM_LEN) &&
		    is_of(conversation, candidate->hint->secret.event.pid))
			return candidate->hint;
	}
	return NULL;
}

void hints_hello(struct conversations *all, struct conversation *conversation)
{
	const struct owner owner = owner_of(conversation, conversation->info.client_random);
	struct hint *hint;

	while ((hint = named(all, conversation)))
		resolve_kept(all, hint, &owner);
}

/* --- events ------------------------------------------------------------------------------ */

/* One that says the same, and waits. */
static struct hint *find_kept(struct conversations *all, const struct hint *hint)
{
	struct hint_process *process = find_process(all, hint->secret.event.pid);
	struct list *at;

	for (at = process ? process->hints.next : NULL; at && at != &process->hints;
	     at = at->next) {
		struct hint *one = container_of(at, struct hint, of_process);
		const struct tlspcap_secret *secret = &one->secret;

		if (!strcmp(secret->label, hint->secret.label) &&
		    secret->secret_length == hint->secret.secret_length &&
		    !memcmp(secret->secret, hint->secret.secret, secret->secret_length))
			return one;
	}
	return NULL;
}

static void fill(struct hint *hint, const struct tlspcap_secret_hint *from, uint64_t now)
{
	unsigned int label = find_label(from->label);
	const char *name = label < LABELS ? labels[label].keylog : from->label;
	struct tlspcap_secret *secret = &hint->secret;

	memset(hint, 0, sizeof(*hint));
	hint->since = now;
	secret->event = from->event;
	secret->secret_length = from->secret_length;
	memcpy(secret->label, name, strlen(name));
	memcpy(secret->secret, from->secret, from->secret_length);
	hint->candidates = from->candidates;
	for (uint32_t i = 0; i < from->candidates; i++)
		memcpy(hint->candidate[i].random, from->candidate[i], TLSPCAP_RANDOM_LEN);
}

/* The object's handshake that this is of: a new one, when it cannot be of the newest. */
static void join_handshake(struct object *object, struct hint *hint)
{
	unsigned int label = find_label(hint->secret.label);

	if (label < LABELS) {
		if (object->hinted & (1u << label | labels[label].not_after)) {
			object->hinted = 0;
			object->has_random = false;
			object->handshakes++;
		}
		object->hinted |= 1u << label;
	}
	hint->handshake = object->handshakes;
}

/*
 * Told before, by the other end or by a library that derives it twice. The master secret of
 * TLS 1.2 is that of each connection that resumes the session: one more of them may need it.
 */
static bool is_told(struct conversations *all, const struct hint *hint)
{
	const uint8_t *random;
	struct owner owner;
	struct hint *kept;

	if (!strcmp(hint->secret.label, MASTER))
		return false;
	random = secrets_random(&all->secrets, &hint->secret);
	if (!random) {
		kept = find_kept(all, hint);
		if (!kept || kept->secret.event.tls_id || !hint->secret.event.tls_id)
			return kept;
		forget(all, kept); /* now its object is known */
		return false;
	}
	owner = owner_of(NULL, random);
	tell(all, hint, &owner);
	return true;
}

void hints_feed(struct conversations *all, const struct tlspcap_secret_hint *from)
{
	const struct tlspcap_event *event = &from->event;
	struct object *object = event->tls_id ? object_get(all, event) : NULL;
	struct owner owner;
	struct hint hint;

	fill(&hint, from, all->now);
	if (is_told(all, &hint))
		goto out;
	if (object)
		join_handshake(object, &hint);
	if (object && object->has_random) {
		owner = owner_of(NULL, object->client_random);
		resolve(all, &hint, &owner);
	} else if (by_candidates(all, &hint, &owner) || by_proof(all, &hint, &owner)) {
		resolve(all, &hint, &owner);
	} else {
		keep(all, &hint);
	}
out:
	explicit_bzero(&hint, sizeof(hint));
}

void hints_expire(struct conversations *all)
{
	all->hints.tries = TRIES;
	while (!list_empty(&all->hints.recent)) {
		struct hint *hint = first_of(&all->hints.recent);

		if (all->now - hint->since < all->limits.hint_ns)
			break;
		give_up(all, hint);
	}
}

void hints_finish(struct conversations *all)
{
	while (!list_empty(&all->hints.recent))
		give_up(all, first_of(&all->hints.recent));
}

void hints_free(struct conversations *all)
{
	if (all->hints.recent.next)
		while (!list_empty(&all->hints.recent))
			forget(all, first_of(&all->hints.recent));
	table_free(&all->hints.processes);
	table_free(&all->hints.candidates);
}
