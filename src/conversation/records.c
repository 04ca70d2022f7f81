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
#include <conversation/held.h>

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
	const struct decrypt_info *info;
	unsigned int needed;

	if (!records->decrypt)
		return false;
	info = decrypt_info(records->decrypt);
	needed = info->version == TLS_1_3 ? KEYS_TLS_1_3 : KEYS_TLS_1_2;
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
	if (records->muted)
		return;
	/* While records are held, their plaintext is for nobody. */
	if (records->mode == RECORDS_PLAIN)
		conversation_give(records->all, conversation, false,
				  direction_of(conversation, side), time_ns, bytes, length,
				  early ? TLSPCAP_DATA_EARLY : 0);
	else if (records->is_read)
		records->all->sink.seen(records->all->sink.ctx, conversation,
					direction_of(conversation, side), bytes, length);
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
	if (records->decrypt)
		decrypt_secret(records->decrypt, label, secret, length);
}

/* Called from inside the decrypt stage, which gets no secrets before it has returned. */
static void handshake_read(void *ctx, uint64_t time_ns)
{
	struct records *records = ctx;
	const struct decrypt_info *info = decrypt_info(records->decrypt);
	struct conversation *conversation = records->conversation;

	(void)time_ns;
	if (conversation->opened)
		return;
	copy_name(conversation->info.server_name, info->server_name);
	copy_name(conversation->info.alpn, info->alpn);
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
	const struct decrypt_limits limits = {.scratch = records->all->scratch};

	return decrypt_new(&limits, &sink);
}

/* --- giving out -------------------------------------------------------------------------- */

static void give_records(struct records *records, const struct held *item, const uint8_t *bytes)
{
	struct conversations *all = records->all;
	struct conversation *conversation = records->conversation;

	/* What came before TLS is plaintext to who wants no records. */
	if (!all->sink.records) {
		conversation_give(all, conversation, false, item->direction, item->time_ns, bytes,
				  item->length, 0);
		return;
	}
	if (!conversation->opened)
		conversation_open(all, conversation, item->time_ns);
	all->counts.record_bytes[item->direction] += item->length;
	all->sink.records(all->sink.ctx, conversation, item->direction,
			  conversation_wall(all, item->time_ns), bytes, item->length);
}

/* A handshake record: type 22, version 3.x (RFC 8446, 5.1). */
static const uint8_t beginning[] = {22, 3};
#define BEGINNING_LENGTH 3

static void lose(struct records *records, uint8_t direction, uint64_t length)
{
	/* Records that are found only now: while they could not be read, the calls told them. */
	records->muted = records->called[direction];
	decrypt_lose(records->decrypt, side_of(records->conversation, direction), length);
	records->muted = false;
}

static void feed_decrypt(struct records *records, const struct held *item, const uint8_t *bytes)
{
	enum decrypt_side side = side_of(records->conversation, item->direction);
	uint8_t *before = &records->before[item->direction];

	if (!records->decrypt)
		return;
	if (item->is_gap) {
		lose(records, item->direction, item->length);
		return;
	}
	if (*before)
		decrypt_feed(records->decrypt, side, item->time_ns, beginning, *before);
	*before = 0;
	decrypt_feed(records->decrypt, side, item->time_ns, bytes, item->length);
}

/* Plaintext that goes nowhere is not asked for: decrypting is what costs most here. */
static void set_mode(struct records *records, enum records_mode mode)
{
	records->mode = mode;
	if (records->decrypt)
		decrypt_want_data(records->decrypt, mode != RECORDS_GENUINE || records->is_read);
}

static void give_gap(struct records *records, const struct held *item)
{
	if (records->by_calls)
		return; /* what the library's calls moved is whole */
	if (records->called[item->direction] && item->reason == TLSPCAP_LOSS_BYPASS)
		return;
	/* Without keys what follows is as readable as what was before. */
	if (records->decrypt && !records->sealed)
		set_mode(records, RECORDS_PLAIN);
	records->unread[item->direction] = true;
	conversation_give(records->all, records->conversation, true, item->direction, item->time_ns,
			  NULL, item->length, item->reason);
}

/* How many bytes of it are there, `from` of them before these; 0: these are others. */
static uint8_t match_beginning(const uint8_t *bytes, size_t length, uint8_t from)
{
	for (size_t i = 0; i < length && from < BEGINNING_LENGTH; i++, from++) {
		bool same = from < sizeof(beginning) ? bytes[i] == beginning[from] : bytes[i] <= 4;

		if (!same)
			return 0;
	}
	return from;
}

/* It was not the beginning of TLS: as plaintext it goes out now. */
static void give_matched(struct records *records, uint8_t direction, uint64_t time_ns)
{
	const struct held item = {
		.time_ns = time_ns, .length = records->matched[direction], .direction = direction};

	records->matched[direction] = 0;
	if (item.length && records->mode == RECORDS_PLAIN)
		give_records(records, &item, beginning);
}

/*
 * TLS begins at the start of some piece. Pieces can be as short as a byte: who reads a record's
 * header byte by byte makes such.
 */
static void look_for_beginning(struct records *records, const struct held *item,
			       const uint8_t *bytes)
{
	uint8_t *matched = &records->matched[item->direction];
	uint8_t now;

	if (records->begun[item->direction] || item->is_gap || !bytes || !item->length)
		return;
	now = match_beginning(bytes, item->length, *matched);
	if (!now) {
		give_matched(records, item->direction, item->time_ns);
		now = match_beginning(bytes, item->length, 0);
	}
	if (now == BEGINNING_LENGTH) {
		records->begun[item->direction] = true;
		records->before[item->direction] = *matched;
		now = 0;
		list_remove(&records->conversation->looking);
	} else if (!now && records->mode == RECORDS_HELD) {
		records->conversation->info.has_preamble = true;
	}
	*matched = now;
}

/* Plaintext is asked for, and this piece gives none: that is a gap, told once. */
static void check_readable(struct records *records, const struct held *item)
{
	enum decrypt_side side = side_of(records->conversation, item->direction);
	enum decrypt_status status = DECRYPT_BROKEN;
	bool unread, was = records->unread[item->direction];

	if (records->mode != RECORDS_PLAIN || records->by_calls)
		return;
	if (records->decrypt)
		status = decrypt_status(records->decrypt, side);
	unread = status != DECRYPT_OK && status != DECRYPT_WAITING;
	records->unread[item->direction] = unread;
	if (unread && !was)
		conversation_give(records->all, records->conversation, true, item->direction,
				  item->time_ns, NULL, 0, TLSPCAP_LOSS_UNREADABLE);
}

/* A piece whose way is chosen. */
static void give(struct records *records, const struct held *item, const uint8_t *bytes)
{
	bool is_tls = records->begun[item->direction];

	/* What is found before it comes first. */
	if (item->is_gap) {
		if (is_tls)
			feed_decrypt(records, item, NULL);
		give_gap(records, item);
		return;
	}
	if (records->mode == RECORDS_GENUINE || (!is_tls && !records->matched[item->direction]))
		give_records(records, item, bytes);
	if (!is_tls)
		return;
	feed_decrypt(records, item, bytes);
	check_readable(records, item);
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
	set_mode(records, RECORDS_HELD);
}

static void drop_decrypt(struct records *records)
{
	decrypt_free(records->decrypt);
	records->decrypt = NULL;
}

/* For the held pieces once more: nobody took their plaintext the first time. */
static void start_over(struct records *records)
{
	uint8_t random[TLSPCAP_RANDOM_LEN];

	memcpy(random, decrypt_info(records->decrypt)->client_random, sizeof(random));
	drop_decrypt(records);
	records->decrypt = new_decrypt(records);
	secrets_find(&records->all->secrets, random, take_secret, records);
}

/* Something that came cannot be read without a secret. */
static bool needs_secret(const struct records *records)
{
	return records->renegotiating || !records->decrypt ||
	       decrypt_status(records->decrypt, DECRYPT_CLIENT) != DECRYPT_OK ||
	       decrypt_status(records->decrypt, DECRYPT_SERVER) != DECRYPT_OK;
}

static enum conversation_source ask(struct records *records)
{
	struct conversations *all = records->all;
	struct conversation *conversation = records->conversation;
	struct conversation_info *info = &conversation->info;
	enum conversation_source source;

	info->has_records = !records->lost && !records->by_calls;
	info->has_keys = has_keys(records);
	info->nothing_closed = !records->lost && !needs_secret(records);
	if (!info->has_keys && !info->nothing_closed && !records->by_calls)
		all->counts.no_keys++;
	if (!all->sink.choose || !all->sink.records)
		return CONVERSATION_PLAINTEXT;
	source = all->sink.choose(all->sink.ctx, conversation);
	if (source == CONVERSATION_SEALED) {
		records->sealed = true;
		records->by_calls = false;
		return source;
	}
	return info->has_records ? source : CONVERSATION_PLAINTEXT;
}

static void choose(struct records *records)
{
	enum conversation_source source;

	if (records->renegotiating) {
		records->renegotiating = false;
		set_mode(records, RECORDS_GENUINE);
		return;
	}
	source = ask(records);
	records->is_read = source == CONVERSATION_READ && records->decrypt;
	set_mode(records, source == CONVERSATION_PLAINTEXT ? RECORDS_PLAIN : RECORDS_GENUINE);
	if (!records->decrypt)
		return;
	memcpy(records->handshake, decrypt_info(records->decrypt)->latest_client_random,
	       TLSPCAP_RANDOM_LEN);
	/* It would keep what waits for secrets: of a program without any, that is all. */
	if (!records->conversation->info.has_keys || records->sealed)
		drop_decrypt(records);
	else if (records->mode == RECORDS_PLAIN || records->is_read)
		start_over(records);
}

/*
 * Held for a renegotiation, and wanted as plaintext meanwhile: the decrypt stage has had these
 * pieces and keeps none. What is in them is told to be missing.
 */
static void give_unread(struct records *records, const struct held *item)
{
	if (records->unread[item->direction])
		return;
	records->unread[item->direction] = true;
	conversation_give(records->all, records->conversation, true, item->direction, item->time_ns,
			  NULL, 0, TLSPCAP_LOSS_UNREADABLE);
}

void records_settle(struct conversation *conversation)
{
	struct records *records = conversation->records;
	bool again = records->renegotiating, read_again;
	struct held *item, *next;

	if (records->mode != RECORDS_HELD)
		return;
	if (!records->begun[0] && !records->begun[1]) {
		records_free(conversation); /* no TLS: not ours */
		return;
	}
	choose(records);
	records->settling = records->mode == RECORDS_GENUINE;
	read_again = records->mode == RECORDS_PLAIN || (records->is_read && !again);
	if (read_again) {
		memset(records->begun, 0, sizeof(records->begun));
		memset(records->matched, 0, sizeof(records->matched));
	}
	for (item = held_take(records); item; item = next) {
		next = item->next;
		if (records->mode == RECORDS_PLAIN && again) {
			give_unread(records, item);
		} else if (read_again) {
			look_for_beginning(records, item, item->bytes);
			give(records, item, item->bytes);
		} else if (item->is_gap) {
			give_gap(records, item);
		} else {
			give_records(records, item, item->bytes);
		}
		free(item);
	}
	records->settling = false;
}

bool conversation_is_settling(const struct conversation *conversation)
{
	return conversation->records && conversation->records->settling;
}

bool conversation_want_plaintext(struct conversation *conversation,
				 enum tlspcap_direction direction)
{
	struct records *records = conversation->records;

	if (!records || !records->decrypt || records->sealed || !records->begun[direction])
		return false;
	set_mode(records, RECORDS_PLAIN);
	records->unread[0] = records->unread[1] = false;
	if (records->settling)
		give_unread(records, &(struct held){.direction = (uint8_t)direction,
						    .time_ns = records->all->now});
	return true;
}

static void settle_if_ready(struct records *records)
{
	bool ready = records->renegotiating ? has_handshake_secret(records) : has_keys(records);

	if (records->mode == RECORDS_HELD && ready)
		records_settle(records->conversation);
}

/* The ClientHello may say that this is the other end of one that we have: false. */
static bool learn_random(struct records *records)
{
	struct conversation *conversation = records->conversation;
	const struct decrypt_info *info = decrypt_info(records->decrypt);

	if (records->has_random || !info->has_client_random)
		return true;
	records->has_random = true;
	secrets_find(&records->all->secrets, info->client_random, take_secret, records);
	conversation_set_random(records->all, conversation, info->client_random);
	if (!conversation->records)
		return false;
	hints_hello(records->all, conversation);
	return true;
}

static void hold(struct records *records, const struct held *item, const uint8_t *bytes)
{
	struct conversation *conversation = records->conversation;

	records->lost |= item->is_gap;
	if (!held_add(records, item, bytes)) {
		records_settle(conversation);
		if (conversation->records)
			give(records, item, bytes);
		return;
	}
	if (!records->begun[item->direction])
		return;
	if (!records->decrypt)
		records->decrypt = new_decrypt(records);
	feed_decrypt(records, item, bytes);
	if (records->decrypt && !learn_random(records))
		return;
	if (needs_secret(records)) {
		held_wait(records);
		hints_try(records);
	}
	settle_if_ready(records);
}

void records_take(struct records *records, const struct held *item, const uint8_t *bytes)
{
	conversation_touch(records->all, records->conversation, item->time_ns);
	look_for_beginning(records, item, bytes);
	if (records->renegotiating && item->is_gap)
		records_settle(records->conversation);
	if (records->mode == RECORDS_HELD) {
		hold(records, item, bytes);
		return;
	}
	give(records, item, bytes);
	if (records->mode == RECORDS_GENUINE && records->decrypt)
		look_for_renegotiation(records);
}

/* --- what others ask for ------------------------------------------------------------------ */

void records_secret(struct conversation *conversation, const char *label, const uint8_t *secret,
		    size_t length)
{
	take_secret(conversation->records, label, secret, length);
	settle_if_ready(conversation->records);
}

bool records_cover(struct conversation *conversation, uint8_t direction, bool early)
{
	struct records *records = conversation->records;

	if (!records)
		return false;
	/* After a loss the calls may know what the records do not tell any more. */
	if (records->mode == RECORDS_PLAIN) {
		enum decrypt_side side = side_of(conversation, direction);

		if (has_keys(records) && decrypt_status(records->decrypt, side) == DECRYPT_OK)
			return true;
		records->called[direction] = true;
		return false;
	}
	if (early || has_keys(records))
		return true;
	if (records->sealed)
		return true;
	/* Plaintext and no secrets: the calls' word is all that can be read. */
	records->by_calls = true;
	if (records->mode == RECORDS_HELD)
		records_settle(conversation);
	else
		set_mode(records, RECORDS_PLAIN);
	return false;
}

void records_finish(struct conversation *conversation)
{
	struct records *records = conversation->records;

	if (!records || !records->decrypt || records->mode != RECORDS_PLAIN)
		return;
	for (uint8_t i = 0; i < 2; i++)
		if (decrypt_status(records->decrypt, side_of(conversation, i)) == DECRYPT_LOST)
			lose(records, i, 0);
}

bool records_are_settled(const struct conversation *conversation)
{
	return conversation->records && conversation->records->mode != RECORDS_HELD;
}
