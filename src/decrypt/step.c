/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What one record does: which keys it is under, and where its content goes. */
#include <errno.h>
#include <string.h>
#include <openssl/crypto.h>
#include <decrypt/internal.h>

/* Keys from a secret that is renewed so many times first. */
static int updated_keys(struct keys *keys, const struct suite *suite, const struct secret *secret,
			unsigned updates)
{
	struct secret next = *secret;
	int err = next.length ? 0 : -EINVAL;

	while (!err && updates-- > 0)
		err = secret_update(&next, suite);
	if (!err)
		err = keys_traffic(keys, suite, &next);
	OPENSSL_cleanse(&next, sizeof(next));
	return err;
}

static const struct secret *secret_13(const struct decrypt *d, const struct side *s, unsigned place)
{
	enum decrypt_side side = side_index(d, s);

	if (place >= PLACE_DATA)
		return &d->data[side];
	if (place == PLACE_HANDSHAKE)
		return &d->handshake[side];
	return side == DECRYPT_CLIENT && d->early != EARLY_REJECTED ? &d->early_secret : NULL;
}

/* Without a ServerHello the suite is one of those with such secrets. */
static int place_keys_13(struct decrypt *d, const struct side *s, unsigned place, unsigned variant,
			 struct keys *keys)
{
	const struct secret *secret = place ? secret_13(d, s, place) : NULL;
	const struct hello *hello = hello_at(d, 1);
	const struct suite *suite;
	unsigned updates = 0;

	if (!secret || !secret->length)
		return -ENOENT;
	if (place >= PLACE_DATA) {
		if (place < d->data_place[side_index(d, s)])
			return -ENOENT;
		updates = place - d->data_place[side_index(d, s)];
	}
	if (d->info.has_server_hello)
		suite = hello && variant == 0 ? hello->suite : NULL;
	else
		suite = suite_guess(secret->length, variant);
	if (!suite)
		return -ENOENT;
	return updated_keys(keys, suite, secret, updates);
}

/* Any of the master secrets may be that of a renegotiated handshake, also one that resumes. */
static int place_keys_12(struct decrypt *d, const struct side *s, unsigned place, unsigned variant,
			 struct keys *keys)
{
	const struct hello *hello = place ? hello_at(d, place) : NULL;
	unsigned masters = d->master_count < MASTERS ? d->master_count : MASTERS;

	if (!hello || !hello->client || !hello->server || !hello->suite || variant >= masters)
		return -ENOENT;
	/* The newest first. */
	return keys_master(keys, hello, side_index(d, s),
			   d->masters[(d->master_count - 1 - variant) % MASTERS]);
}

static bool trial_is(const struct decrypt *d, const struct trial_of *of)
{
	return d->trial_of.knowledge && d->trial_of.knowledge == of->knowledge &&
	       d->trial_of.side == of->side && d->trial_of.place == of->place &&
	       d->trial_of.variant == of->variant;
}

int place_keys(struct decrypt *d, const struct side *s, unsigned place, unsigned variant)
{
	struct trial_of of = {side_index(d, s), place, variant, d->knowledge};
	int err = -ENOENT;

	/* Often the same ones are tried on one record after the other. */
	if (trial_is(d, &of))
		return 0;
	d->trial_of.knowledge = 0;
	if (d->info.version == VERSION_12)
		err = place_keys_12(d, s, place, variant, &d->trial);
	else if (d->info.version == VERSION_13 || !d->info.has_server_hello)
		err = place_keys_13(d, s, place, variant, &d->trial);
	if (!err)
		d->trial_of = of;
	return err;
}

static void learn_suite(struct decrypt *d, const struct suite *suite, uint64_t time_ns)
{
	if (d->info.has_server_hello)
		return;
	d->info.version = VERSION_13;
	d->info.cipher_suite = suite->id;
	d->info.cipher_supported = true;
	d->info.has_server_hello = true;
	d->hellos[1] = (struct hello){.place = 1, .suite = suite};
	news(d);
	if (d->sink.info)
		d->sink.info(d->sink.ctx, time_ns);
}

void place_take(struct decrypt *d, struct side *s, unsigned place, uint64_t time_ns)
{
	enum decrypt_side side = side_index(d, s);

	keys_swap(&s->keys, &d->trial);
	keys_clear(&d->trial); /* an idle connection needs no third cipher */
	d->trial_of.knowledge = 0;
	learn_suite(d, s->keys.suite, time_ns);
	s->place = place;
	s->keyed = true;
	/* The server has gone on, and nobody could read whether it took the early data. */
	if (side == DECRYPT_SERVER && place >= PLACE_DATA && d->early == EARLY_UNKNOWN &&
	    d->info.version == VERSION_13) {
		d->early = EARLY_ACCEPTED;
		news(d);
	}
	if (d->info.version != VERSION_13 || place <= PLACE_DATA)
		return;
	while (d->data_place[side] < place && !secret_update(&d->data[side], s->keys.suite))
		d->data_place[side]++;
}

static bool place_try(struct decrypt *d, struct side *s, const struct wire *wire, unsigned place)
{
	struct plain plain;
	int err = 0;

	for (unsigned variant = 0; err != -ENOENT; variant++) {
		err = place_keys(d, s, place, variant);
		if (err || protect_open(&d->trial, wire, 0, d->output, &plain))
			continue;
		place_take(d, s, place, wire->time_ns);
		return true;
	}
	return false;
}

bool place_try_later(struct decrypt *d, struct side *s, const struct wire *wire)
{
	unsigned last = PLACE_DATA;

	if (d->info.version != VERSION_13 || wire->header[0] != CONTENT_DATA)
		return false;
	/* Early data that may yet turn out to be taken. */
	if (s->place == PLACE_EARLY && d->early == EARLY_UNKNOWN)
		return false;
	if (s->place >= PLACE_DATA)
		last = s->messages.lost ? s->place + PLACES_AHEAD : s->place;
	for (unsigned place = s->place + 1; place <= last; place++) {
		if (place_try(d, s, wire, place)) {
			messages_reset(&s->messages, false);
			return true;
		}
	}
	return false;
}

static enum step step_alert(struct decrypt *d, struct side *s, const struct plain *plain,
			    uint64_t time_ns)
{
	if (plain->length != 2)
		return STEP_BROKEN;
	if (d->sink.alert)
		d->sink.alert(d->sink.ctx, side_index(d, s), time_ns, plain->bytes[0],
			      plain->bytes[1]);
	return STEP_DONE;
}

static enum step step_messages(struct decrypt *d, struct side *s, const struct plain *plain,
			       uint64_t time_ns)
{
	int err = messages_feed(d, s, time_ns, plain->bytes, plain->length);

	return err ? STEP_BROKEN : STEP_DONE;
}

/* RFC 5246, 7.1: what follows is under the keys of the handshake that this ends. */
static enum step step_ccs(struct decrypt *d, struct side *s, const struct plain *plain)
{
	if (plain->length != 1 || plain->bytes[0] != 1)
		return STEP_BROKEN;
	if (s->place == 0 && side_index(d, s) == DECRYPT_SERVER)
		d->info.resumed = !s->hello_done && !s->messages.lost;
	s->place++;
	s->keyed = false;
	/* A message does not go on over a ChangeCipherSpec. */
	messages_reset(&s->messages, false);
	return STEP_DONE;
}

static enum step deliver(struct decrypt *d, struct side *s, const struct plain *plain,
			 uint64_t time_ns, uint64_t number)
{
	bool is_13 = d->info.version == VERSION_13;
	bool early = is_13 && s->place == PLACE_EARLY;

	switch (plain->type) {
	case CONTENT_DATA:
		if (is_13 && s->place == PLACE_HANDSHAKE)
			return STEP_BROKEN;
		if (d->sink.data && plain->length)
			d->sink.data(d->sink.ctx, side_index(d, s), time_ns, plain->bytes,
				     plain->length, number, early);
		return STEP_DONE;
	case CONTENT_ALERT:
		return step_alert(d, s, plain, time_ns);
	case CONTENT_HANDSHAKE:
		return step_messages(d, s, plain, time_ns);
	case CONTENT_CCS:
		return is_13 ? STEP_BROKEN : step_ccs(d, s, plain);
	case CONTENT_HEARTBEAT:
		return STEP_DONE;
	default:
		return STEP_BROKEN;
	}
}

/*
 * A KeyUpdate is 22 bytes with the longest tag, an alert less, and both may be padded; what is
 * longer is data, or a message after the handshake that changes nothing here. A KeyUpdate that
 * is missed costs a search for the next keys, once data is wanted. TLS 1.2 tells data from all
 * else.
 */
#define DATA_ABOVE 32

static bool is_unwanted(const struct decrypt *d, const struct side *s, const struct wire *wire)
{
	if (!d->unwanted || wire->header[0] != CONTENT_DATA)
		return false;
	if (d->info.version == VERSION_12)
		return true;
	return s->place >= PLACE_DATA && wire->length > DATA_ABOVE;
}

static enum step open_and_deliver(struct decrypt *d, struct side *s, const struct wire *wire)
{
	struct plain plain;

	if (is_unwanted(d, s, wire)) {
		protect_pass(&s->keys, wire);
		return STEP_DONE;
	}
	if (protect_open(&s->keys, wire, s->keys.number, d->output, &plain))
		return STEP_BROKEN;
	return deliver(d, s, &plain, wire->time_ns, s->keys.number++);
}

/* The first protected record of a side says where it is (RFC 8446, 2). */
static void leave_plain_13(const struct decrypt *d, struct side *s)
{
	bool client = side_index(d, s) == DECRYPT_CLIENT;

	s->place = client && d->offered_early ? PLACE_EARLY : PLACE_HANDSHAKE;
	messages_reset(&s->messages, false);
}

/* Early data that the server does not take, and nobody reads (RFC 8446, 4.2.10). */
static enum step step_rejected(struct decrypt *d, struct side *s, const struct wire *wire)
{
	if (place_try_later(d, s, wire))
		return open_and_deliver(d, s, wire);
	return d->handshake[DECRYPT_CLIENT].length ? STEP_DONE : STEP_WAIT;
}

static enum step step_protected_13(struct decrypt *d, struct side *s, const struct wire *wire)
{
	bool client = side_index(d, s) == DECRYPT_CLIENT;

	if (s->place == PLACE_PLAIN) {
		if (client && d->retry && !s->greeted_again)
			return STEP_DONE; /* early data before the second ClientHello */
		leave_plain_13(d, s);
	}
	if (s->place == PLACE_EARLY && d->early == EARLY_UNKNOWN)
		return STEP_WAIT;
	if (s->place == PLACE_EARLY && d->early == EARLY_REJECTED)
		return step_rejected(d, s, wire);
	if (!s->keyed) {
		if (place_keys(d, s, s->place, 0))
			return STEP_WAIT;
		place_take(d, s, s->place, wire->time_ns);
	}
	if (open_and_deliver(d, s, wire) == STEP_DONE)
		return STEP_DONE;
	if (!place_try_later(d, s, wire))
		return STEP_BROKEN;
	return open_and_deliver(d, s, wire);
}

static enum step step_13(struct decrypt *d, struct side *s, const struct wire *wire)
{
	struct plain plain = {wire->header[0], wire->fragment, wire->length};
	const struct hello *hello = hello_at(d, 1);

	switch (plain.type) {
	case CONTENT_CCS: /* for middleboxes (RFC 8446, D.4) */
		return plain.length == 1 ? STEP_DONE : STEP_BROKEN;
	case CONTENT_ALERT:
		return step_alert(d, s, &plain, wire->time_ns);
	case CONTENT_HANDSHAKE:
		return s->place == PLACE_PLAIN ? step_messages(d, s, &plain, wire->time_ns)
					       : STEP_BROKEN;
	case CONTENT_DATA:
		if (!d->info.has_server_hello)
			return d->retry && side_index(d, s) == DECRYPT_CLIENT && !s->greeted_again
				       ? STEP_DONE
				       : STEP_WAIT;
		if (!hello || !hello->suite)
			return STEP_UNSUPPORTED;
		return step_protected_13(d, s, wire);
	default:
		return STEP_BROKEN;
	}
}

static enum step step_12(struct decrypt *d, struct side *s, const struct wire *wire)
{
	struct plain plain = {wire->header[0], wire->fragment, wire->length};
	const struct hello *hello;

	if (s->place == PLACE_PLAIN)
		return plain.type == CONTENT_DATA ? STEP_LOST
						  : deliver(d, s, &plain, wire->time_ns, 0);
	if (!s->keyed) {
		hello = hello_at(d, s->place);
		if (hello && hello->server && !hello->suite)
			return STEP_UNSUPPORTED;
		if (!place_try(d, s, wire, s->place))
			return STEP_WAIT;
	}
	return open_and_deliver(d, s, wire);
}

/* Before the ServerHello: what does not depend on the version. */
static enum step step_unknown(struct decrypt *d, struct side *s, const struct wire *wire)
{
	struct plain plain = {wire->header[0], wire->fragment, wire->length};

	switch (plain.type) {
	case CONTENT_HANDSHAKE:
		return step_messages(d, s, &plain, wire->time_ns);
	case CONTENT_ALERT:
		return s->greeted || d->info.is_tls ? step_alert(d, s, &plain, wire->time_ns)
						    : STEP_BROKEN;
	case CONTENT_CCS:
	case CONTENT_DATA:
		/* The bytes begin somewhere in the connection. */
		return s->greeted ? STEP_WAIT : STEP_LOST;
	default:
		return STEP_BROKEN;
	}
}

enum step record_step(struct decrypt *d, struct side *s, const struct wire *wire)
{
	switch (d->info.version) {
	case 0:
		return step_unknown(d, s, wire);
	case VERSION_12:
		return step_12(d, s, wire);
	case VERSION_13:
		return step_13(d, s, wire);
	default:
		return wire->header[0] == CONTENT_HANDSHAKE || wire->header[0] == CONTENT_ALERT
			       ? step_unknown(d, s, wire)
			       : STEP_UNSUPPORTED;
	}
}
