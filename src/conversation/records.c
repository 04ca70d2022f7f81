/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A conversation's own bytes, as they passed its socket.
 *
 *   held ──settle──▶ genuine ──gap──▶ plain
 *    ▲   └──────────────┬──────────────▲
 *    └──renegotiation───┘
 *
 * They are held until the secrets are there, so that these can stand before the frames that
 * need them; then the sink chooses. Genuine records go out as they are; plain means that the
 * decrypt stage's plaintext goes out. After a gap only the latter can be read.
 */
#include <conversation/internal.h>
#include <tlspcap/decrypt.h>

enum records_mode {
	RECORDS_HELD,
	RECORDS_GENUINE,
	RECORDS_PLAIN,
};

struct held {
	struct held *next;
	uint64_t time_ns, length;
	uint8_t direction;
	bool is_gap;
	uint8_t reason;
	uint8_t bytes[];
};

struct records {
	struct conversations *all;
	struct conversation *conversation;
	struct decrypt *decrypt;
	struct list holding; /* conversations.holding, while it holds */
	enum records_mode mode;
	uint64_t next[2];		       /* offset of the next byte; index: direction */
	uint64_t passed[2];		       /* bytes before TLS began that were given out */
	bool begun[2];			       /* TLS has begun in this direction */
	bool lost;			       /* there was a gap */
	bool renegotiating;		       /* held again, for the secret of a later handshake */
	uint8_t handshake[TLSPCAP_RANDOM_LEN]; /* client random of the newest one looked at */
	unsigned int labels;		       /* bits: index in key_labels */
	struct held *held, **held_last;
	size_t held_bytes;
	uint64_t held_since;
};

/* Of TLS 1.3 (RFC 8446, 7.1) the four, of TLS 1.2 the last one are needed. */
static const char *const key_labels[] = {
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET",
	"CLIENT_TRAFFIC_SECRET_0",
	"SERVER_TRAFFIC_SECRET_0",
	"CLIENT_RANDOM",
};
#define KEYS_TLS_1_3 0x0f
#define KEYS_TLS_1_2 0x10
#define TLS_1_3	     0x0304

static enum decrypt_side side_of(const struct conversation *conversation, uint8_t direction)
{
	bool is_client = conversation->info.role != TLSPCAP_ROLE_SERVER;

	return is_client == (direction == TLSPCAP_SENT) ? DECRYPT_CLIENT : DECRYPT_SERVER;
}

static enum tlspcap_direction direction_of(const struct conversation *conversation,
					   enum decrypt_side side)
{
	return side_of(conversation, TLSPCAP_SENT) == side ? TLSPCAP_SENT : TLSPCAP_RECEIVED;
}

static bool has_keys(const struct records *records)
{
	const struct decrypt_info *info = decrypt_info(records->decrypt);
	unsigned int needed = info->version == TLS_1_3 ? KEYS_TLS_1_3 : KEYS_TLS_1_2;

	return info->has_server_hello && info->cipher_supported &&
	       (records->labels & needed) == needed;
}

/* --- what the decrypt stage tells ------------------------------------------------------ */

static void decrypted_data(void *ctx, enum decrypt_side side, uint64_t time_ns,
			   const uint8_t *bytes, size_t length, uint64_t record, bool early)
{
	struct records *records = ctx;
	struct conversation *conversation = records->conversation;

	(void)record;
	/* While records are held or go out as they are, their plaintext is for nobody. */
	if (records->mode == RECORDS_PLAIN)
		conversation_give(records->all, conversation, false,
				  direction_of(conversation, side), time_ns, bytes, length,
				  early ? TLSPCAP_DATA_EARLY : 0);
}

static void copy_name(char *to, const char *name)
{
	size_t length = strnlen(name, TLSPCAP_INFO_LEN - 1);

	if (!length)
		return;
	memcpy(to, name, length);
	to[length] = '\0';
}

static void take_secret(void *ctx, const char *label, const uint8_t *secret, size_t length)
{
	struct records *records = ctx;

	for (size_t i = 0; i < sizeof(key_labels) / sizeof(key_labels[0]); i++)
		if (!strcmp(label, key_labels[i]))
			records->labels |= 1u << i;
	decrypt_secret(records->decrypt, label, secret, length);
}

static void handshake_read(void *ctx, uint64_t time_ns)
{
	struct records *records = ctx;
	const struct decrypt_info *info = decrypt_info(records->decrypt);
	struct conversation *conversation = records->conversation;

	(void)time_ns;
	if (!conversation->opened) {
		copy_name(conversation->info.server_name, info->server_name);
		copy_name(conversation->info.alpn, info->alpn);
	}
	if (!info->has_client_random || conversation->info.has_random)
		return;
	secrets_find(&records->all->secrets, info->client_random, take_secret, records);
}

static void ignore_alert(void *ctx, enum decrypt_side side, uint64_t time_ns, uint8_t level,
			 uint8_t description)
{
	(void)ctx;
	(void)side;
	(void)time_ns;
	(void)level;
	(void)description;
}

static struct decrypt *new_decrypt(struct records *records)
{
	const struct decrypt_sink sink = {
		.ctx = records,
		.data = decrypted_data,
		.alert = ignore_alert,
		.info = handshake_read,
	};

	return decrypt_new(NULL, &sink);
}

/* --- holding ----------------------------------------------------------------------------- */

static struct held *take_held(struct records *records)
{
	struct held *first = records->held;

	records->all->held_bytes -= records->held_bytes;
	records->held = NULL;
	records->held_last = &records->held;
	records->held_bytes = 0;
	list_remove(&records->holding);
	return first;
}

/* False when it may hold no more. */
static bool hold(struct records *records, const struct held *head, const uint8_t *bytes)
{
	struct conversations *all = records->all;
	size_t length = head->is_gap ? 0 : head->length;
	size_t size = sizeof(struct held) + length;
	struct held *held;

	if (records->held_bytes + size > all->limits.held_bytes_each ||
	    all->held_bytes + size > all->limits.held_bytes)
		return false;
	held = malloc(size);
	if (!held)
		return false;
	*held = *head;
	if (length)
		memcpy(held->bytes, bytes, length);
	if (!records->held) {
		records->held_since = all->now;
		list_add(&all->holding, &records->holding);
	}
	*records->held_last = held;
	records->held_last = &held->next;
	records->held_bytes += size;
	all->held_bytes += size;
	return true;
}

/* --- giving out -------------------------------------------------------------------------- */

static void give_records(struct records *records, const struct held *item, const uint8_t *bytes)
{
	struct conversations *all = records->all;
	struct conversation *conversation = records->conversation;

	if (!conversation->opened)
		conversation_open(all, conversation, item->time_ns);
	all->counts.record_bytes[item->direction] += item->length;
	all->sink.records(all->sink.ctx, conversation, item->direction,
			  conversation_wall(all, item->time_ns), bytes, item->length);
}

static void feed_decrypt(struct records *records, const struct held *item, const uint8_t *bytes)
{
	enum decrypt_side side = side_of(records->conversation, item->direction);

	if (item->is_gap)
		decrypt_lose(records->decrypt, side, item->length);
	else
		decrypt_feed(records->decrypt, side, item->time_ns, bytes, item->length);
}

static void give_gap(struct records *records, const struct held *item)
{
	records->mode = RECORDS_PLAIN;
	conversation_give(records->all, records->conversation, true, item->direction, item->time_ns,
			  NULL, item->length, item->reason);
}

/* TLS begins with a handshake record at the start of some piece: type 22, version 3.x. */
static void look_for_beginning(struct records *records, const struct held *item,
			       const uint8_t *bytes)
{
	if (records->begun[item->direction] || item->is_gap || !bytes || item->length < 3)
		return;
	if (bytes[0] == 22 && bytes[1] == 3 && bytes[2] <= 4)
		records->begun[item->direction] = true;
	else if (records->mode == RECORDS_HELD)
		records->conversation->info.has_preamble = true;
}

/* A piece whose way is chosen. */
static void give(struct records *records, const struct held *item, const uint8_t *bytes)
{
	bool is_tls = records->begun[item->direction];

	if (item->is_gap) {
		give_gap(records, item);
		feed_decrypt(records, item, NULL);
		return;
	}
	if (records->mode == RECORDS_GENUINE || !is_tls)
		give_records(records, item, bytes);
	if (is_tls)
		feed_decrypt(records, item, bytes);
}

static void note_secret(void *ctx, const char *label, const uint8_t *secret, size_t length)
{
	(void)label;
	(void)secret;
	(void)length;
	*(bool *)ctx = true;
}

static bool has_handshake_secret(const struct records *records)
{
	bool found = false;

	secrets_find(&records->all->secrets, records->handshake, note_secret, &found);
	return found;
}

/*
 * A later handshake (TLS 1.2: renegotiation) has a secret of its own. A server tells it after
 * it has read the first bytes under the new keys: these are held like those of the first.
 */
static void look_for_renegotiation(struct records *records)
{
	const struct decrypt_info *info = decrypt_info(records->decrypt);

	if (!memcmp(records->handshake, info->latest_client_random, TLSPCAP_RANDOM_LEN))
		return;
	memcpy(records->handshake, info->latest_client_random, TLSPCAP_RANDOM_LEN);
	if (has_handshake_secret(records))
		return;
	records->renegotiating = true;
	records->mode = RECORDS_HELD;
}

/* The held pieces once more, for the plaintext that nobody took the first time. */
static bool start_over(struct records *records)
{
	struct decrypt *fresh = new_decrypt(records);

	if (!fresh)
		return false;
	decrypt_free(records->decrypt);
	records->decrypt = fresh;
	secrets_find(&records->all->secrets, records->conversation->info.client_random, take_secret,
		     records);
	return true;
}

static void choose(struct records *records)
{
	struct conversations *all = records->all;
	struct conversation *conversation = records->conversation;
	struct conversation_info *info = &conversation->info;
	enum conversation_source source = CONVERSATION_PLAINTEXT;

	if (records->renegotiating) {
		records->renegotiating = false;
		records->mode = RECORDS_GENUINE;
		return;
	}
	memcpy(records->handshake, decrypt_info(records->decrypt)->latest_client_random,
	       TLSPCAP_RANDOM_LEN);
	info->has_records = !records->lost;
	info->has_keys = has_keys(records);
	if (!info->has_keys)
		all->counts.no_keys++;
	if (all->sink.choose && all->sink.records)
		source = all->sink.choose(all->sink.ctx, conversation);
	records->mode = source == CONVERSATION_RECORDS ? RECORDS_GENUINE : RECORDS_PLAIN;
}

void records_settle(struct conversation *conversation)
{
	struct records *records = conversation->records;
	struct held *item, *next;
	bool again;

	if (records->mode != RECORDS_HELD)
		return;
	if (!records->begun[0] && !records->begun[1]) {
		records_free(conversation); /* no TLS: not ours */
		return;
	}
	choose(records);
	again = records->mode == RECORDS_PLAIN && start_over(records);
	if (again)
		records->begun[0] = records->begun[1] = false;
	for (item = take_held(records); item; item = next) {
		next = item->next;
		if (again) {
			look_for_beginning(records, item, item->bytes);
			give(records, item, item->bytes);
		} else if (item->is_gap) {
			give_gap(records, item);
		} else if (records->mode == RECORDS_GENUINE) {
			give_records(records, item, item->bytes);
		}
		free(item);
	}
}

static void settle_if_ready(struct records *records)
{
	bool ready = records->renegotiating ? has_handshake_secret(records) : has_keys(records);

	if (records->mode == RECORDS_HELD && ready)
		records_settle(records->conversation);
}

static void take(struct records *records, const struct held *item, const uint8_t *bytes)
{
	struct conversation *conversation = records->conversation;
	const struct decrypt_info *info;

	conversation_touch(records->all, conversation, item->time_ns);
	look_for_beginning(records, item, bytes);
	if (records->renegotiating && item->is_gap)
		records_settle(conversation);
	if (records->mode != RECORDS_HELD) {
		give(records, item, bytes);
		if (records->mode == RECORDS_GENUINE)
			look_for_renegotiation(records);
		return;
	}
	records->lost |= item->is_gap;
	if (!hold(records, item, bytes)) {
		records_settle(conversation);
		if (conversation->records)
			give(records, item, bytes);
		return;
	}
	if (!records->begun[item->direction])
		return;
	feed_decrypt(records, item, bytes);
	info = decrypt_info(records->decrypt);
	if (info->has_client_random && !conversation->info.has_random) {
		/* May find that this is the other end of one that we have. */
		conversation_set_random(records->all, conversation, info->client_random);
		if (!conversation->records)
			return;
	}
	settle_if_ready(records);
}

/* --- events ------------------------------------------------------------------------------ */

bool records_begin(struct conversations *all, const struct tlspcap_open *open)
{
	struct conversation *conversation;
	struct records *records;

	if (!open->event.sock_id)
		return false;
	conversation = conversation_of_stream(all, open);
	if (!conversation || conversation->records || conversation->opened ||
	    conversation->suppressed)
		return true;
	records = calloc(1, sizeof(*records));
	if (!records)
		return true; /* its bytes will be taken from the library's calls */
	records->all = all;
	records->conversation = conversation;
	records->held_last = &records->held;
	list_init(&records->holding);
	records->decrypt = new_decrypt(records);
	if (!records->decrypt) {
		free(records);
		return true;
	}
	conversation->records = records;
	return true;
}

bool records_socket(struct conversations *all, const struct tlspcap_socket *socket)
{
	struct conversation *conversation = conversation_find(all, socket->event.sock_id);

	if (!conversation || !conversation->records || conversation->opened)
		return true;
	endpoint_fill(all, conversation, socket);
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

	take(records, &item, NULL);
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
	take(records, &item, data->bytes);
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

void records_secret(struct conversation *conversation, const char *label, const uint8_t *secret,
		    size_t length)
{
	take_secret(conversation->records, label, secret, length);
	settle_if_ready(conversation->records);
}

bool records_cover(const struct conversation *conversation, uint8_t direction)
{
	const struct records *records = conversation->records;

	if (!records)
		return false;
	if (records->mode != RECORDS_PLAIN)
		return true;
	/* After a loss the calls may know what the records do not tell any more. */
	return has_keys(records) &&
	       decrypt_status(records->decrypt, side_of(conversation, direction)) == DECRYPT_OK;
}

void records_free(struct conversation *conversation)
{
	struct records *records = conversation->records;
	struct held *item, *next;

	if (!records)
		return;
	for (item = take_held(records); item; item = next) {
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
		if (!records->begun[0] && !records->begun[1]) {
			/* Words before TLS may take their time: the kernel bounds the bytes. */
			records->held_since = all->now;
			list_move(&all->holding, &records->holding);
			continue;
		}
		records_settle(records->conversation);
	}
}
