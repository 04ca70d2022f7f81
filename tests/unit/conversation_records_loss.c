/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The sockets' own bytes with losses, and beside the library's calls. */
#include <tests/unit/conversation_records.h>

/* --- losses ---------------------------------------------------------------------------- */

/* The last `length` bytes of what was kept are the last ones of these. */
static void expect_tail(const struct fixture *f, enum tlspcap_direction direction,
			const uint8_t *bytes, size_t length, size_t tail)
{
	size_t kept = f->length[DATA][direction];

	assert_true(kept >= tail && kept < length);
	assert_memory_equal(f->bytes[DATA][direction] + kept - tail, bytes + length - tail, tail);
}

static size_t middle_of(const struct exchange *exchange)
{
	size_t i = exchange->event_count / 2;

	while (exchange->events[i].side != 1 || exchange->events[i].length < 2000)
		i++;
	return i;
}

static void play_with_loss(struct stream_end *end, const struct exchange *exchange, size_t at,
			   enum secrets secrets)
{
	const struct exchange_event *event = &exchange->events[at];

	if (secrets == SECRETS_FIRST)
		stream_secrets(end->events, 0, exchange);
	for (size_t i = 0; i < exchange->event_count; i++) {
		if (exchange->events[i].side < 0 && secrets != SECRETS_AS_TOLD)
			continue;
		if (i != at) {
			play_some(end, exchange, i, i + 1, 0);
			continue;
		}
		/* Half a record goes, and what follows on it. */
		stream_bytes(end, stream_direction(end, 1), exchange->wire[1] + event->offset, 700);
		stream_lose(end, stream_direction(end, 1), event->length - 700);
	}
	if (secrets == SECRETS_LAST)
		stream_secrets(end->events, 0, exchange);
}

static const struct exchange_setup long_ones[] = {
	{.version = TLS1_3_VERSION, .bytes = 200000, .write_max = 5000},
	{.version = TLS1_3_VERSION,
	 .suite = "TLS_CHACHA20_POLY1305_SHA256",
	 .bytes = 200000,
	 .write_max = 5000},
	{.version = TLS1_2_VERSION, .bytes = 200000, .write_max = 5000},
	{.version = TLS1_2_VERSION,
	 .suite = "AES128-SHA",
	 .bytes = 200000,
	 .write_max = 5000,
	 .no_etm = true},
};

static void a_gap_in_genuine_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(long_ones) / sizeof(long_ones[0]); i++) {
		struct exchange *exchange = exchange_run(&long_ones[i]);
		size_t at = middle_of(exchange);
		const struct exchange_event *event = &exchange->events[at];
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play_with_loss(&end, exchange, at, SECRETS_AS_TOLD);
		assert_int_equal(strncmp(f.order, "Scorgd", 6), 0);
		assert_int_equal(strlen(f.order), 6);
		assert_int_equal(f.length[RECORDS][TLSPCAP_RECEIVED], event->offset + 700);
		assert_memory_equal(f.bytes[RECORDS][TLSPCAP_RECEIVED], exchange->wire[1],
				    event->offset + 700);
		assert_int_equal(f.gap_bytes, event->length - 700);
		expect_tail(&f, TLSPCAP_SENT, exchange->plain[0], exchange->plain_length[0], 3000);
		expect_tail(&f, TLSPCAP_RECEIVED, exchange->plain[1], exchange->plain_length[1],
			    3000);
		assert_int_equal(counts(&f)->gaps, 1);
		finish(&f);
		exchange_free(exchange);
	}
}

static void a_gap_in_plaintext(void **state)
{
	static const enum secrets orders[] = {SECRETS_AS_TOLD, SECRETS_FIRST, SECRETS_LAST};

	(void)state;
	for (size_t i = 0; i < sizeof(long_ones) / sizeof(long_ones[0]); i++) {
		struct exchange *exchange = exchange_run(&long_ones[i]);
		size_t at = middle_of(exchange);
		const struct exchange_event *event = &exchange->events[at];

		for (size_t j = 0; j < 3; j++) {
			struct stream_end end;
			struct fixture f;

			begin(&f, NULL, CONVERSATION_PLAINTEXT);
			stream_open_end(&end, &f.events, 7, NULL);
			play_with_loss(&end, exchange, at, orders[j]);
			expect_order(&f, "Scodgd");
			/* While they were held, it was known already that some are missing. */
			assert_int_equal(f.chosen.has_records, orders[j] != SECRETS_LAST);
			assert_int_equal(f.gap_bytes, event->length - 700);
			/* The other direction has lost nothing. */
			expect_bytes(&f, DATA, TLSPCAP_SENT, exchange->plain[0],
				     exchange->plain_length[0]);
			expect_tail(&f, TLSPCAP_RECEIVED, exchange->plain[1],
				    exchange->plain_length[1], 3000);
			finish(&f);
		}
		exchange_free(exchange);
	}
}

/* The kernel had no room in the ring: only the next offset tells. */
static void a_jump_is_a_gap(void **state)
{
	struct exchange *exchange = exchange_run(&long_ones[0]);
	size_t at = middle_of(exchange);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play_some(&end, exchange, 0, at, 0);
	end.offset[stream_direction(&end, 1)] += exchange->events[at].length;
	play_some(&end, exchange, at + 1, exchange->event_count, 0);
	expect_order(&f, "Scorgd");
	assert_int_equal(f.gap_bytes, exchange->events[at].length);
	finish(&f);
	exchange_free(exchange);
}

static void a_gap_before_tls(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	stream_text(&end, TLSPCAP_RECEIVED, "220 rea");
	stream_lose(&end, TLSPCAP_RECEIVED, 5);
	stream_text(&end, TLSPCAP_SENT, "STARTTLS\r\n");
	stream_text(&end, TLSPCAP_RECEIVED, "220 go\r\n");
	play(&end, exchange, 0, NULL);
	expect_order(&f, "Scorgrd");
	assert_false(f.chosen.has_records);
	assert_true(f.chosen.has_keys);
	expect_plaintext(&f, &end, exchange);
	assert_int_equal(f.gap_bytes, 5);
	assert_int_equal(counts(&f)->gaps, 1);
	finish(&f);
	exchange_free(exchange);
}

/* Without keys what follows on a gap is as good as what was before. */
static void a_gap_without_secrets(void **state)
{
	struct exchange *exchange = exchange_run(&long_ones[0]);
	size_t at = middle_of(exchange);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	for (size_t i = 0; i < at; i++)
		if (exchange->events[i].side >= 0)
			play_some(&end, exchange, i, i + 1, 0);
	f.events.now += 4 * SECOND;
	events_clock(&f.events, 0);
	expect_order(&f, "cor");
	stream_lose(&end, TLSPCAP_RECEIVED, 1000);
	stream_text(&end, TLSPCAP_RECEIVED, "after it");
	expect_order(&f, "corgr");
	assert_int_equal(counts(&f)->no_keys, 1);
	finish(&f);
	exchange_free(exchange);
}

/* After a gap stands what looks like a record that ends behind the next gap, or the stream's end:
 * those in it are told, and before that gap; but not what the calls have told meanwhile. */
static void play_noise(bool at_end, const char *called)
{
	static const uint8_t header[] = {23, 3, 3, 0x40, 0};
	struct exchange *exchange = exchange_run(&long_ones[0]);
	size_t at = middle_of(exchange), fed = 0, before;
	struct stream_end end;
	struct fixture f;
	int gaps = 0;

	begin(&f, NULL, CONVERSATION_RECORDS);
	events_open(&f.events, 1, 100, "curl");
	stream_open_end(&end, &f.events, 7, NULL);
	events_socket(&f.events, 1, 7, NULL);
	play_some(&end, exchange, 0, at, 1);
	before = f.length[DATA][TLSPCAP_RECEIVED];
	for (; gaps < 2; at++) {
		const struct exchange_event *event = &exchange->events[at];
		uint64_t rest = event->length - sizeof(header);

		if (event->side != 1)
			continue;
		if (!gaps) {
			stream_lose(&end, TLSPCAP_RECEIVED, rest);
			stream_bytes(&end, TLSPCAP_RECEIVED, header, sizeof(header));
			gaps++;
		} else if (fed + event->length < 12000) {
			play_some(&end, exchange, at, at + 1, 1);
			fed += event->length;
		} else {
			assert_int_equal(f.length[DATA][TLSPCAP_RECEIVED], before);
			if (called)
				events_data(&f.events, 1, TLSPCAP_RECEIVED, called);
			if (!at_end)
				stream_lose(&end, TLSPCAP_RECEIVED, event->length);
			gaps++;
		}
	}
	assert_true(fed > 2000);
	if (at_end) {
		events_close(&f.events, 1);
		events_exit(&f.events, 100);
		events_state(&f.events, 7, ESTABLISHED, CLOSE);
		f.events.now += 2 * SECOND;
		events_clock(&f.events, 0);
	}
	/* The calls told what passed by. */
	expect_order(&f, at_end ? "Scorgdx" : called ? "Scorgd" : "Scorgdg");
	if (called) {
		assert_int_equal(f.length[DATA][TLSPCAP_RECEIVED] - before, strlen(called));
	} else {
		assert_true(f.length[DATA][TLSPCAP_RECEIVED] - before > fed - 200);
		assert_non_null(memmem(exchange->plain[1], exchange->plain_length[1],
				       f.bytes[DATA][TLSPCAP_RECEIVED],
				       f.length[DATA][TLSPCAP_RECEIVED]));
	}
	finish(&f);
	exchange_free(exchange);
}

static void records_in_noise(void **state)
{
	(void)state;
	for (int at_end = 0; at_end < 2; at_end++) {
		play_noise(at_end, NULL);
		play_noise(at_end, "told by a call");
	}
}

/* A peer that does not keep to TLS: the plaintext ends, and it is told. */
static void records_that_cannot_be_read(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	static const uint8_t garbage[100] = {23, 3, 3, 0, 95};
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_PLAINTEXT);
	stream_open_end(&end, &f.events, 7, NULL);
	play_some(&end, exchange, 0, exchange->event_count - 2, 0);
	for (int i = 0; i < 5; i++)
		stream_bytes(&end, TLSPCAP_RECEIVED, garbage, sizeof(garbage));
	expect_order(&f, "Scodg");
	assert_int_equal(counts(&f)->gaps, 1);
	finish(&f);
	exchange_free(exchange);
}

/* --- beside the library's calls -------------------------------------------------------- */

static void calls_are_ignored_where_records_tell(void **state)
{
	static const enum conversation_source sources[] = {CONVERSATION_RECORDS,
							   CONVERSATION_PLAINTEXT};
	struct exchange *exchange = exchange_run(&simple);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, sources[i]);
		events_open(&f.events, 1, 100, "curl");
		stream_open_end(&end, &f.events, 7, NULL);
		events_socket(&f.events, 1, 7, NULL);
		play(&end, exchange, 1, NULL);
		events_data(&f.events, 1, TLSPCAP_SENT, "the same again");
		if (i == 0)
			expect_records(&f, &end, exchange);
		else
			expect_plaintext(&f, &end, exchange);
		events_close(&f.events, 1);
		events_exit(&f.events, 100);
		events_state(&f.events, 7, ESTABLISHED, CLOSE);
		f.events.now += 2 * SECOND;
		events_clock(&f.events, 0);
		expect_order(&f, i ? "Scodx" : "Scorx");
		finish(&f);
	}
	exchange_free(exchange);
}

/* A library that tells no secrets: its calls are the only source. */
static void calls_without_secrets(void **state)
{
	const struct play never = {.secrets = SECRETS_NEVER};
	struct exchange *exchange = exchange_run(&simple);

	(void)state;
	for (int late = 0; late < 2; late++) {
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		events_open(&f.events, 1, 100, "curl");
		stream_open_end(&end, &f.events, 7, NULL);
		events_socket(&f.events, 1, 7, NULL);
		play(&end, exchange, 1, &never);
		if (late) {
			f.events.now += 4 * SECOND;
			events_clock(&f.events, 0);
		}
		events_data(&f.events, 1, TLSPCAP_SENT, "hello");
		stream_text(&end, TLSPCAP_SENT, "what it looks like");
		stream_lose(&end, TLSPCAP_RECEIVED, 10);
		events_data(&f.events, 1, TLSPCAP_RECEIVED, "world");
		expect_order(&f, late ? "cord" : "cod");
		expect_bytes(&f, DATA, TLSPCAP_SENT, (const uint8_t *)"hello", 5);
		expect_bytes(&f, DATA, TLSPCAP_RECEIVED, (const uint8_t *)"world", 5);
		assert_int_equal(f.chosen.has_records, late);
		events_close(&f.events, 1);
		finish(&f);
	}
	exchange_free(exchange);
}

/* Too much was lost to know the keys; the calls know. */
static void calls_after_a_loss(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	events_open(&f.events, 1, 100, "curl");
	stream_open_end(&end, &f.events, 7, NULL);
	events_socket(&f.events, 1, 7, NULL);
	stream_lose(&end, TLSPCAP_SENT, 517);
	stream_secrets(&f.events, 1, exchange);
	events_data(&f.events, 1, TLSPCAP_SENT, "hello");
	expect_order(&f, "Sod");
	finish(&f);
	exchange_free(exchange);
}

/* asyncio, Node: the object never uses a socket; its secrets say which connection it is. */
static void memory_bio(void **state)
{
	struct exchange *exchange = exchange_run(&simple);

	(void)state;
	for (int order = 0; order < 2; order++) {
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_PLAINTEXT);
		events_open(&f.events, 1, 100, "node");
		stream_open_end(&end, &f.events, 7, NULL);
		if (order == 0) {
			/* The object is known before the connection's ClientHello. */
			stream_secrets(&f.events, 1, exchange);
			play(&end, exchange, 0, NULL);
		} else {
			play(&end, exchange, 1, NULL);
		}
		events_data(&f.events, 1, TLSPCAP_SENT, "the same again");
		f.events.now += 10 * SECOND;
		events_clock(&f.events, 0);
		expect_plaintext(&f, &end, exchange);
		assert_int_equal(counts(&f)->conversations, 1);
		assert_int_equal(counts(&f)->unknown_address, 0);
		events_close(&f.events, 1);
		finish(&f);
	}
	exchange_free(exchange);
}

static void renegotiation(void **state)
{
	const struct exchange_setup setup = {
		.version = TLS1_2_VERSION, .bytes = 5000, .renegotiate = 2};
	static const enum conversation_source sources[] = {CONVERSATION_RECORDS,
							   CONVERSATION_PLAINTEXT};
	struct exchange *exchange = exchange_run(&setup);

	(void)state;
	assert_int_equal(exchange->secret_count, 3);
	for (size_t i = 0; i < 2; i++) {
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, sources[i]);
		events_open(&f.events, 1, 100, "curl");
		stream_open_end(&end, &f.events, 7, NULL);
		events_socket(&f.events, 1, 7, NULL);
		play(&end, exchange, 1, NULL);
		if (i == 0)
			expect_records(&f, &end, exchange);
		else
			expect_plaintext(&f, &end, exchange);
		expect_order(&f, i ? "ScodSdSd" : "ScorSrSr");
		finish(&f);
	}
	exchange_free(exchange);
}

static size_t event_of_secret(const struct exchange *exchange, size_t nth)
{
	for (size_t i = 0; i < exchange->event_count; i++)
		if (exchange->events[i].side < 0 && exchange->events[i].offset == nth)
			return i;
	return 0;
}

/* Its secret never comes, or bytes are lost while it is awaited. */
static void renegotiation_without_its_secret(void **state)
{
	const struct exchange_setup setup = {
		.version = TLS1_2_VERSION, .bytes = 5000, .renegotiate = 1};
	struct exchange *exchange = exchange_run(&setup);
	size_t second = event_of_secret(exchange, 1);

	(void)state;
	for (int lossy = 0; lossy < 2; lossy++) {
		struct stream_end end;
		struct fixture f;
		size_t held;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play_some(&end, exchange, 0, second, 0);
		held = f.length[RECORDS][0] + f.length[RECORDS][1];
		play_some(&end, exchange, second + 1, exchange->event_count, 0);
		assert_int_equal(f.length[RECORDS][0] + f.length[RECORDS][1], held);
		if (lossy) {
			stream_lose(&end, TLSPCAP_SENT, 1);
			expect_order(&f, "Scorg");
		} else {
			f.events.now += 4 * SECOND;
			events_clock(&f.events, 0);
			expect_order(&f, "Scor");
		}
		expect_records(&f, &end, exchange);
		finish(&f);
	}
	exchange_free(exchange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gap_in_genuine_records),
		cmocka_unit_test(a_gap_in_plaintext),
		cmocka_unit_test(a_jump_is_a_gap),
		cmocka_unit_test(a_gap_before_tls),
		cmocka_unit_test(a_gap_without_secrets),
		cmocka_unit_test(records_in_noise),
		cmocka_unit_test(records_that_cannot_be_read),
		cmocka_unit_test(calls_are_ignored_where_records_tell),
		cmocka_unit_test(calls_without_secrets),
		cmocka_unit_test(calls_after_a_loss),
		cmocka_unit_test(memory_bio),
		cmocka_unit_test(renegotiation),
		cmocka_unit_test(renegotiation_without_its_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
