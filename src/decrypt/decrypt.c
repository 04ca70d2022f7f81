/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Bytes to records, records that wait, and the secrets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <decrypt/internal.h>

#define PENDING_BYTES  (256 * 1024)
#define RESYNC_RECORDS 4096
#define RESYNC_MOST    (1 << 20)

bool header_plausible(const uint8_t *header)
{
	size_t length = (size_t)header[3] << 8 | header[4];

	return header[0] >= CONTENT_CCS && header[0] <= CONTENT_HEARTBEAT && header[1] == 3 &&
	       header[2] <= 4 && length <= FRAGMENT_MAX;
}

struct decrypt *decrypt_new(const struct decrypt_limits *limits, const struct decrypt_sink *sink)
{
	struct decrypt *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->sink = *sink;
	if (limits)
		d->limits = *limits;
	if (!d->limits.pending_bytes)
		d->limits.pending_bytes = PENDING_BYTES;
	if (!d->limits.resync_records)
		d->limits.resync_records = RESYNC_RECORDS;
	if (d->limits.resync_records > RESYNC_MOST)
		d->limits.resync_records = RESYNC_MOST;
	d->data_place[0] = d->data_place[1] = PLACE_DATA;
	d->output = d->limits.scratch ? d->limits.scratch : malloc(FRAGMENT_MAX);
	if (d->output)
		return d;
	free(d);
	return NULL;
}

static void partial_free(struct side *s)
{
	free(s->partial);
	s->partial = NULL;
	s->partial_length = 0;
	s->partial_size = 0;
}

static void queue_free(struct side *s)
{
	free(s->queue);
	s->queue = NULL;
	s->queue_head = 0;
	s->queue_tail = 0;
	s->queue_size = 0;
	s->tried = 0;
}

void decrypt_free(struct decrypt *d)
{
	if (!d)
		return;
	for (int i = 0; i < 2; i++) {
		struct side *s = &d->sides[i];

		keys_clear(&s->keys);
		messages_reset(&s->messages, false);
		queue_free(s);
		partial_free(s);
		free(s->scan);
	}
	keys_clear(&d->trial);
	if (!d->limits.scratch) {
		OPENSSL_cleanse(d->output, FRAGMENT_MAX);
		free(d->output);
	}
	OPENSSL_cleanse(d, sizeof(*d));
	free(d);
}

static bool queue_empty(const struct side *s)
{
	return s->queue_head == s->queue_tail;
}

static bool queue_grow(struct side *s, size_t need, size_t most)
{
	size_t used = s->queue_tail - s->queue_head;
	size_t size = s->queue_size ? s->queue_size : RECORD_MAX;
	uint8_t *grown;

	if (used + need > most)
		return false;
	if (s->queue_head) {
		memmove(s->queue, s->queue + s->queue_head, used);
		s->queue_head = 0;
		s->queue_tail = used;
	}
	while (size < used + need)
		size *= 2;
	if (size == s->queue_size)
		return true;
	grown = realloc(s->queue, size);
	if (!grown)
		return false;
	s->queue = grown;
	s->queue_size = size;
	return true;
}

static bool queue_add(struct side *s, const struct wire *wire, size_t most)
{
	size_t need = entry_size(wire);

	if (s->queue_size - s->queue_tail < need && !queue_grow(s, need, most))
		return false;
	if (s->queue_tail - s->queue_head + need > most)
		return false;
	memcpy(s->queue + s->queue_tail, &wire->time_ns, STAMP_LEN);
	memcpy(s->queue + s->queue_tail + STAMP_LEN, wire->header, HEADER_LEN + wire->length);
	s->queue_tail += need;
	return true;
}

static void queue_drop(struct side *s, size_t bytes)
{
	s->queue_head += bytes;
	s->tried = s->tried > bytes ? s->tried - bytes : 0;
}

static void side_end(struct side *s, enum decrypt_status status)
{
	s->status = status;
	s->gap = false;
	queue_free(s);
}

/* More than may be kept: what waits is lost, and how much that is, is known. */
static void side_overflow(struct decrypt *d, struct side *s, const struct wire *wire)
{
	size_t offset = s->queue_head;

	s->lost_bytes = HEADER_LEN + wire->length;
	while (offset < s->queue_tail) {
		struct wire waiting = queue_at(s, offset);

		s->lost_bytes += HEADER_LEN + waiting.length;
		offset += entry_size(&waiting);
	}
	queue_free(s);
	s->lost_unknown = false;
	resync_begin(d, s);
}

/* The side's own record was read, or cannot be. */
static void side_after(struct decrypt *d, struct side *s, enum step step)
{
	static const enum decrypt_status ends[] = {
		[STEP_BROKEN] = DECRYPT_BROKEN,
		[STEP_UNSUPPORTED] = DECRYPT_UNSUPPORTED,
	};

	if (step == STEP_DONE) {
		if (s->gap)
			return;
		s->lost_bytes = 0;
		s->lost_unknown = false;
	} else if (step == STEP_LOST) {
		queue_free(s);
		s->lost_unknown = true;
		resync_begin(d, s);
	} else {
		side_end(s, ends[step]);
	}
}

/* Does one of the records that wait begin later keys? What is before it cannot be read. */
static bool skip_ahead(struct decrypt *d, struct side *s)
{
	size_t offset = s->queue_head + s->tried;

	while (offset < s->queue_tail) {
		struct wire wire = queue_at(s, offset);

		if (place_try_later(d, s, &wire)) {
			queue_drop(s, offset - s->queue_head);
			return true;
		}
		offset += entry_size(&wire);
	}
	s->tried = s->queue_tail - s->queue_head;
	return false;
}

static void side_replay(struct decrypt *d, struct side *s)
{
	while (!queue_empty(s) && !d->news) {
		struct wire wire = queue_at(s, s->queue_head);
		enum step step = record_step(d, s, &wire);

		if (step == STEP_WAIT) {
			if (!skip_ahead(d, s))
				return;
			continue;
		}
		if (step == STEP_DONE)
			queue_drop(s, entry_size(&wire));
		side_after(d, s, step);
	}
	if (!queue_empty(s) || s->status != DECRYPT_WAITING)
		return;
	queue_free(s);
	s->status = DECRYPT_OK;
	if (s->gap) {
		s->gap = false;
		resync_begin(d, s);
	}
}

/* What one side said may be what the other one waits for. */
static void wake(struct decrypt *d)
{
	while (d->news) {
		d->news = false;
		for (int i = 0; i < 2; i++) {
			d->sides[i].tried = 0;
			if (d->sides[i].status == DECRYPT_WAITING)
				side_replay(d, &d->sides[i]);
		}
	}
}

static void side_feed(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		      size_t length);

static void take_record(struct decrypt *d, struct side *s, const struct wire *wire)
{
	if (s->status == DECRYPT_OK) {
		enum step step = record_step(d, s, wire);

		if (step != STEP_WAIT) {
			side_after(d, s, step);
			/* It may be one that can be read, in the midst of a connection. */
			if (step == STEP_LOST)
				side_feed(d, s, wire->time_ns, wire->header,
					  HEADER_LEN + wire->length);
			wake(d);
			return;
		}
		s->status = DECRYPT_WAITING;
	}
	if (!queue_add(s, wire, d->limits.pending_bytes))
		side_overflow(d, s, wire);
	else if (skip_ahead(d, s))
		d->news = true;
	wake(d);
}

/* Idle connections are many: no more is kept than what came. False without memory. */
static bool partial_add(struct side *s, const uint8_t **bytes, size_t *length, size_t upto)
{
	size_t n = upto > s->partial_length ? upto - s->partial_length : 0;
	size_t size;
	void *grown;

	n = n < *length ? n : *length;
	if (s->partial_length + n > s->partial_size) {
		size = s->partial_size ? 2 * s->partial_size : 64;
		size = size > s->partial_length + n ? size : s->partial_length + n;
		grown = realloc(s->partial, size);
		if (!grown)
			return false;
		s->partial = grown;
		s->partial_size = size;
	}
	memcpy(s->partial + s->partial_length, *bytes, n);
	s->partial_length += n;
	*bytes += n;
	*length -= n;
	return true;
}

/* A whole record in the partial one's memory, which is free for the next one at once. */
static void take_partial(struct decrypt *d, struct side *s, uint64_t time_ns)
{
	uint8_t *record = s->partial;
	struct wire wire = wire_at(record, time_ns);

	s->partial = NULL;
	partial_free(s);
	take_record(d, s, &wire);
	free(record);
}

/* Up to one record; copied only if it comes in parts. How many bytes were taken. */
static size_t assemble(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		       size_t length)
{
	size_t left = length;
	struct wire wire;

	if (s->partial_length == 0 && length >= HEADER_LEN && header_plausible(bytes)) {
		wire = wire_at(bytes, time_ns);
		if (length >= HEADER_LEN + wire.length) {
			take_record(d, s, &wire);
			return HEADER_LEN + wire.length;
		}
	}
	if (!partial_add(s, &bytes, &left, HEADER_LEN))
		goto out;
	if (s->partial_length < HEADER_LEN)
		return length;
	if (!header_plausible(s->partial))
		goto out;
	wire = wire_at(s->partial, time_ns);
	if (!partial_add(s, &bytes, &left, HEADER_LEN + wire.length))
		goto out;
	if (s->partial_length == HEADER_LEN + wire.length)
		take_partial(d, s, time_ns);
	return length - left;
out:
	side_end(s, DECRYPT_BROKEN);
	return length;
}

/* Out of the loss: the record that was found, and what was kept after it. */
static void side_found(struct decrypt *d, struct side *s, uint64_t time_ns)
{
	uint8_t *scan = s->scan;

	s->scan = NULL;
	s->status = DECRYPT_OK;
	s->lost_bytes = 0;
	s->lost_unknown = false;
	/* Messages do not go on over a change of keys (RFC 8446, 5.1). */
	if (s->keys.number == 0)
		messages_reset(&s->messages, false);
	side_feed(d, s, time_ns, scan + s->scan_head, s->scan_tail - s->scan_head);
	free(scan);
}

static void side_feed(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		      size_t length)
{
	size_t used;

	while (length > 0) {
		if (s->status == DECRYPT_BROKEN || s->status == DECRYPT_UNSUPPORTED)
			return;
		if (s->gap) {
			s->lost_bytes += length;
			return;
		}
		if (s->status != DECRYPT_LOST)
			used = assemble(d, s, time_ns, bytes, length);
		else if (resync_feed(d, s, time_ns, bytes, length, &used))
			side_found(d, s, time_ns);
		bytes += used;
		length -= used;
	}
}

int decrypt_feed(struct decrypt *d, enum decrypt_side side, uint64_t time_ns, const uint8_t *bytes,
		 size_t length)
{
	struct side *s = &d->sides[side];

	side_feed(d, s, time_ns, bytes, length);
	wake(d);
	return s->status == DECRYPT_BROKEN ? -EBADMSG : 0;
}

/* Noise that looks like the header of a long record has no right to the records in it. */
static void side_finish(struct decrypt *d, struct side *s)
{
	while (s->status == DECRYPT_LOST && resync_finish(d, s)) {
		side_found(d, s, s->scan_ns);
		wake(d);
	}
}

void decrypt_lose(struct decrypt *d, enum decrypt_side side, uint64_t length)
{
	struct side *s = &d->sides[side];

	side_finish(d, s);
	if (s->status == DECRYPT_UNSUPPORTED)
		return;
	if (s->status == DECRYPT_BROKEN || length == 0)
		s->lost_unknown = true;
	s->lost_bytes += length;
	/* Whole records that wait were not lost. */
	if (s->status == DECRYPT_WAITING) {
		s->lost_bytes += s->partial_length;
		s->partial_length = 0;
		s->gap = true;
		return;
	}
	if (s->status == DECRYPT_LOST)
		s->lost_bytes += s->scan_tail - s->scan_head;
	resync_begin(d, s);
}

void decrypt_want_data(struct decrypt *d, bool wanted)
{
	bool again = d->unwanted && wanted;

	d->unwanted = !wanted;
	for (int side = 0; side < 2 && again; side++)
		if (d->sides[side].status == DECRYPT_BROKEN)
			decrypt_lose(d, (enum decrypt_side)side, 0);
}

static struct secret *secret_slot(struct decrypt *d, const char *label)
{
	const struct {
		const char *label;
		struct secret *secret;
	} slots[] = {
		{"CLIENT_EARLY_TRAFFIC_SECRET", &d->early_secret},
		{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", &d->handshake[DECRYPT_CLIENT]},
		{"SERVER_HANDSHAKE_TRAFFIC_SECRET", &d->handshake[DECRYPT_SERVER]},
		{"CLIENT_TRAFFIC_SECRET_0", &d->data[DECRYPT_CLIENT]},
		{"SERVER_TRAFFIC_SECRET_0", &d->data[DECRYPT_SERVER]},
	};

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		if (strcmp(label, slots[i].label) == 0)
			return slots[i].secret;
	}
	return NULL;
}

/* Known, and not needed: exporters, and later generations, which follow from the first. */
static bool label_ignored(const char *label)
{
	static const char *const prefixes[] = {
		"EXPORTER_SECRET",
		"EARLY_EXPORTER_",
		"CLIENT_TRAFFIC_SECRET_",
		"SERVER_TRAFFIC_SECRET_",
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(label, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* Several: a renegotiation has its own. The oldest ones go. */
static int add_master(struct decrypt *d, const uint8_t *secret, size_t length)
{
	unsigned count = d->master_count < MASTERS ? d->master_count : MASTERS;

	if (length != MASTER_LEN)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		if (memcmp(d->masters[i], secret, MASTER_LEN) == 0)
			return 0;
	}
	memcpy(d->masters[d->master_count++ % MASTERS], secret, MASTER_LEN);
	news(d);
	return 0;
}

int decrypt_secret(struct decrypt *d, const char *label, const uint8_t *secret, size_t length)
{
	struct secret *slot = secret_slot(d, label);
	int err = 0;

	if (strcmp(label, "CLIENT_RANDOM") == 0) {
		err = add_master(d, secret, length);
	} else if (slot) {
		if (length != hash_sha256.length && length != hash_sha384.length)
			return -EINVAL;
		/* The first one stays: the side may have gone on from it. */
		if (slot->length)
			return 0;
		memcpy(slot->bytes, secret, length);
		slot->length = (uint8_t)length;
		news(d);
	} else if (!label_ignored(label)) {
		return -EINVAL;
	}
	wake(d);
	return err;
}

const struct decrypt_info *decrypt_info(const struct decrypt *d)
{
	return &d->info;
}

enum decrypt_status decrypt_status(const struct decrypt *d, enum decrypt_side side)
{
	return d->sides[side].status;
}
