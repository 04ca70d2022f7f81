/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A conversation table whose sink keeps the bytes that it is given, and the order of words. */
#ifndef TLSPCAP_TESTS_CONVERSATION_RECORDS_H
#define TLSPCAP_TESTS_CONVERSATION_RECORDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tests/support/stream.h>
#include <tlspcap/conversation.h>

#define SECOND	    1000000000ull
#define ESTABLISHED 1
#define FIN_WAIT1   4
#define CLOSE	    7
#define CLOSE_WAIT  8

enum kept {
	RECORDS,
	DATA,
	EARLY, /* the part of DATA that was early data; counted only */
	KEPT_KINDS,
};

struct fixture {
	struct conversations *all;
	struct events events;
	enum conversation_source choice;
	struct conversation_info chosen, last; /* as choose() and open() found it */
	enum conversation_end end;
	uint8_t *bytes[KEPT_KINDS][2];
	size_t length[KEPT_KINDS][2], skip[KEPT_KINDS][2];
	uint64_t gap_bytes;
	size_t closed_opened; /* conversations that are open */
	char order[512];      /* one letter a word, repeats left out */
};

static const struct exchange_setup simple = {.version = TLS1_3_VERSION, .bytes = 20000};

static inline void note(struct fixture *f, char letter)
{
	size_t n = strlen(f->order);

	if (n && f->order[n - 1] == letter)
		return;
	assert_true(n + 1 < sizeof(f->order));
	f->order[n] = letter;
}

static inline void keep(struct fixture *f, enum kept kind, enum tlspcap_direction direction,
			const uint8_t *bytes, size_t length)
{
	uint8_t **at = &f->bytes[kind][direction];

	*at = realloc(*at, f->length[kind][direction] + length);
	assert_non_null(*at);
	memcpy(*at + f->length[kind][direction], bytes, length);
	f->length[kind][direction] += length;
}

static inline void on_open(void *ctx, struct conversation *conversation, uint64_t time_ns)
{
	struct fixture *f = ctx;

	(void)time_ns;
	f->last = *conversation_info(conversation);
	assert_null(conversation_user(conversation));
	conversation_set_user(conversation, f);
	f->closed_opened++;
	note(f, 'o');
}

static inline void on_data(void *ctx, struct conversation *conversation,
			   enum tlspcap_direction direction, uint64_t time_ns, const uint8_t *bytes,
			   size_t length, unsigned int flags)
{
	(void)time_ns;
	assert_ptr_equal(conversation_user(conversation), ctx);
	note(ctx, 'd');
	keep(ctx, DATA, direction, bytes, length);
	if (flags & TLSPCAP_DATA_EARLY)
		keep(ctx, EARLY, direction, bytes, length);
}

static inline enum conversation_source on_choose(void *ctx, const struct conversation *conversation)
{
	struct fixture *f = ctx;

	assert_null(conversation_user(conversation));
	f->chosen = *conversation_info(conversation);
	note(f, 'c');
	return f->chosen.has_records ? f->choice : CONVERSATION_PLAINTEXT;
}

static inline void on_records(void *ctx, struct conversation *conversation,
			      enum tlspcap_direction direction, uint64_t time_ns,
			      const uint8_t *bytes, size_t length)
{
	(void)time_ns;
	assert_ptr_equal(conversation_user(conversation), ctx);
	note(ctx, 'r');
	keep(ctx, RECORDS, direction, bytes, length);
}

static inline void on_gap(void *ctx, struct conversation *conversation,
			  enum tlspcap_direction direction, uint64_t time_ns, uint64_t length,
			  enum tlspcap_loss reason)
{
	struct fixture *f = ctx;

	(void)direction, (void)time_ns, (void)reason;
	assert_ptr_equal(conversation_user(conversation), ctx);
	f->gap_bytes += length;
	note(f, 'g');
}

static inline void on_close(void *ctx, struct conversation *conversation, enum conversation_end end,
			    uint64_t time_ns)
{
	struct fixture *f = ctx;

	(void)time_ns;
	assert_ptr_equal(conversation_user(conversation), ctx);
	f->end = end;
	f->closed_opened--;
	note(f, 'x');
}

static inline void on_secret(void *ctx, const struct tlspcap_secret *secret, uint64_t time_ns)
{
	(void)secret, (void)time_ns;
	note(ctx, 'S');
}

static inline void on_name_space(void *ctx, const struct tlspcap_namespace *name_space)
{
	(void)ctx, (void)name_space;
}

/* From memory of its own size, so that a sanitizer sees a byte read too far. */
static inline void take(void *ctx, const struct tlspcap_event *event)
{
	struct tlspcap_event *copy = malloc(event->size);

	assert_non_null(copy);
	memcpy(copy, event, event->size);
	conversations_feed(((struct fixture *)ctx)->all, copy);
	free(copy);
}

static inline void begin_with(struct fixture *f, const struct conversation_limits *limits,
			      const struct conversation_sink *sink)
{
	f->all = conversations_new(limits, sink);
	assert_non_null(f->all);
	events_init(&f->events, take, f);
}

static inline void begin(struct fixture *f, const struct conversation_limits *limits,
			 enum conversation_source choice)
{
	const struct conversation_sink sink = {
		.ctx = f,
		.open = on_open,
		.data = on_data,
		.choose = on_choose,
		.records = on_records,
		.gap = on_gap,
		.close = on_close,
		.secret = on_secret,
		.name_space = on_name_space,
	};

	memset(f, 0, sizeof(*f));
	f->choice = choice;
	begin_with(f, limits, &sink);
}

static inline void begin_old(struct fixture *f)
{
	const struct conversation_sink sink = {
		.ctx = f,
		.open = on_open,
		.data = on_data,
		.gap = on_gap,
		.close = on_close,
		.secret = on_secret,
		.name_space = on_name_space,
	};

	memset(f, 0, sizeof(*f));
	begin_with(f, NULL, &sink);
}

static inline const struct conversation_counts *counts(const struct fixture *f)
{
	return conversations_counts(f->all);
}

static inline void finish(struct fixture *f)
{
	if (f->all) {
		conversations_finish(f->all);
		assert_int_equal(f->closed_opened, 0);
		assert_int_equal(counts(f)->malformed, 0);
		conversations_free(f->all);
	}
	for (int kind = 0; kind < KEPT_KINDS; kind++)
		for (int direction = 0; direction < 2; direction++)
			free(f->bytes[kind][direction]);
}

static inline void expect_order(const struct fixture *f, const char *order)
{
	assert_string_equal(f->order, order);
}

static inline void expect_bytes(const struct fixture *f, enum kept kind,
				enum tlspcap_direction direction, const uint8_t *bytes,
				size_t length)
{
	size_t skip = f->skip[kind][direction];

	assert_int_equal(f->length[kind][direction] - skip, length);
	if (length)
		assert_memory_equal(f->bytes[kind][direction] + skip, bytes, length);
}

static inline void expect_records(const struct fixture *f, const struct stream_end *end,
				  const struct exchange *exchange)
{
	for (int side = 0; side < 2; side++)
		expect_bytes(f, RECORDS, stream_direction(end, side), exchange->wire[side],
			     exchange->wire_length[side]);
}

static inline void expect_plaintext(const struct fixture *f, const struct stream_end *end,
				    const struct exchange *exchange)
{
	for (int side = 0; side < 2; side++)
		expect_bytes(f, DATA, stream_direction(end, side), exchange->plain[side],
			     exchange->plain_length[side]);
}

/* --- an exchange as events ------------------------------------------------------------- */

enum secrets {
	SECRETS_AS_TOLD,
	SECRETS_FIRST,
	SECRETS_LAST,
	SECRETS_NEVER,
};

struct play {
	enum secrets secrets;
	size_t chunk; /* the bytes in pieces of so many; 0: as they were sent */
};

static inline void play_bytes(struct stream_end *end, enum tlspcap_direction direction,
			      const uint8_t *bytes, size_t length, size_t chunk)
{
	while (length) {
		size_t n = chunk && chunk < length ? chunk : length;

		stream_bytes(end, direction, bytes, n);
		bytes += n;
		length -= n;
	}
}

/* Events first … last - 1 of the exchange, secrets among them; where it stopped. */
static inline size_t play_some(struct stream_end *end, const struct exchange *exchange,
			       size_t first, size_t last, __u64 tls)
{
	for (; first < last; first++) {
		const struct exchange_event *event = &exchange->events[first];

		if (event->side < 0)
			stream_secret(end->events, tls, &exchange->secrets[event->offset]);
		else
			play_bytes(end, stream_direction(end, event->side),
				   exchange->wire[event->side] + event->offset, event->length, 0);
	}
	return first;
}

static inline void play(struct stream_end *end, const struct exchange *exchange, __u64 tls,
			const struct play *how)
{
	const struct play as_told = {0};

	how = how ? how : &as_told;
	if (how->secrets == SECRETS_FIRST)
		stream_secrets(end->events, tls, exchange);
	for (size_t i = 0; i < exchange->event_count; i++) {
		const struct exchange_event *event = &exchange->events[i];

		if (event->side >= 0)
			play_bytes(end, stream_direction(end, event->side),
				   exchange->wire[event->side] + event->offset, event->length,
				   how->chunk);
		else if (how->secrets == SECRETS_AS_TOLD)
			play_some(end, exchange, i, i + 1, tls);
	}
	if (how->secrets == SECRETS_LAST)
		stream_secrets(end->events, tls, exchange);
}

#endif
