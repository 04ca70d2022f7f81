/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The sockets' own bytes with losses, beside the library's calls, and from hostile hands. */
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

/* --- hostile hands --------------------------------------------------------------------- */

/* The server speaks first, secrets were there before: nothing may be read twice. */
static void bytes_in_any_order(void **state)
{
	static const struct exchange_setup setups[] = {
		{.version = TLS1_3_VERSION, .bytes = 5000},
		{.version = TLS1_2_VERSION, .bytes = 5000},
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct exchange *exchange = exchange_run(&setups[i / 2]);
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, i & 1 ? CONVERSATION_PLAINTEXT : CONVERSATION_RECORDS);
		for (size_t n = exchange->secret_count; n > 0; n--)
			stream_secret(&f.events, 0, &exchange->secrets[n - 1]);
		stream_open_end(&end, &f.events, 7, NULL);
		for (int side = 1; side >= 0; side--)
			stream_bytes(&end, stream_direction(&end, side), exchange->wire[side],
				     exchange->wire_length[side]);
		if (i & 1)
			expect_plaintext(&f, &end, exchange);
		else
			expect_records(&f, &end, exchange);
		finish(&f);
		exchange_free(exchange);
	}
}

static void the_same_word_again(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	stream_announce(&end, NULL);
	play_some(&end, exchange, 0, 4, 0);
	stream_announce(&end, NULL);
	play_some(&end, exchange, 4, exchange->event_count, 0);
	stream_announce(&end, NULL);
	expect_records(&f, &end, exchange);
	stream_secrets(&f.events, 0, exchange);
	stream_stop(&end);
	stream_stop(&end);
	expect_order(&f, "Scor");
	finish(&f);
	exchange_free(exchange);
}

/* Not TCP, as no kernel says it of a stream. */
static void a_socket_that_is_none(void **state)
{
	struct tlspcap_socket socket = events_socket_default();
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	socket.protocol = IPPROTO_UDP;
	stream_open_end(&end, &f.events, 7, &socket);
	assert_int_equal(counts(&f)->malformed, 1);
	play(&end, exchange, 0, NULL);
	expect_order(&f, "S");
	conversations_finish(f.all);
	expect_order(&f, "S");
	conversations_free(f.all);
	f.all = NULL;
	finish(&f);
	exchange_free(exchange);
}

union stream_event {
	struct tlspcap_event event;
	struct tlspcap_data data;
	struct tlspcap_gap gap;
	uint8_t room[sizeof(struct tlspcap_data) + 16];
};

static void malformed_streams_are_counted(void **state)
{
	const union stream_event good = {
		.data = {.event = {.size = sizeof(good),
				   .type = TLSPCAP_EVENT_STREAM,
				   .sock_id = 7},
			 .length = 16},
	};
	const union stream_event good_gap = {
		.gap = {.event = {.size = sizeof(struct tlspcap_gap),
				  .type = TLSPCAP_EVENT_STREAM_GAP,
				  .sock_id = 7},
			.length = 16,
			.reason = TLSPCAP_LOSS_BYPASS},
	};
	union stream_event bad[13];
	struct stream_end end;
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < 13; i++)
		bad[i] = i < 8 ? good : good_gap;
	bad[0].event.sock_id = 0;
	bad[1].data.direction = 2;
	bad[2].data.length = 0;
	bad[3].data.length = 17;
	bad[4].data.length = UINT32_MAX;
	bad[5].data.offset = UINT64_MAX - 8;
	bad[6].event.size = sizeof(struct tlspcap_data) - 1;
	bad[7].data.offset = 3; /* known already */
	bad[8].event.sock_id = 0;
	bad[9].gap.direction = 2;
	bad[10].gap.reason = TLSPCAP_LOSS_MAX;
	bad[11].gap.offset = UINT64_MAX - 8;
	bad[12].event.size = sizeof(struct tlspcap_event);
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	stream_text(&end, TLSPCAP_SENT, "0123456789");
	for (size_t i = 0; i < 13; i++) {
		conversations_feed(f.all, &bad[i].event);
		assert_int_equal(counts(&f)->malformed, i + 1);
	}
	/* A gap that is known already is no fault: its event came late. */
	conversations_feed(f.all, &good_gap.event);
	conversations_feed(f.all, &good_gap.event);
	assert_int_equal(counts(&f)->malformed, 13);
	conversations_finish(f.all);
	expect_order(&f, "");
	conversations_free(f.all);
	f.all = NULL;
	finish(&f);
}

/* Many connections of one process that can call anything with anything. */
static void secrets_of_one_random(void **state)
{
	const struct conversation_limits limits = {.secrets = 1024};
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, &limits, CONVERSATION_RECORDS);
	for (uint32_t i = 0; i < 5000; i++) {
		struct exchange_secret secret = {.label = "CLIENT_RANDOM", .length = 48};

		memcpy(secret.secret, &i, sizeof(i));
		stream_secret(&f.events, 1, &secret);
	}
	assert_int_equal(counts(&f)->secrets, 5000);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 2, NULL);
	expect_records(&f, &end, exchange);
	assert_true(f.last.has_keys);
	finish(&f);
	exchange_free(exchange);
}

/* Evicting the library's object does not end a connection whose bytes come from elsewhere. */
static void an_evicted_object(void **state)
{
	const struct conversation_limits limits = {.objects = 2};
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, &limits, CONVERSATION_RECORDS);
	events_open(&f.events, 1, 100, "curl");
	stream_open_end(&end, &f.events, 7, NULL);
	events_socket(&f.events, 1, 7, NULL);
	play_some(&end, exchange, 0, exchange->event_count - 2, 1);
	events_open(&f.events, 2, 100, "curl");
	events_open(&f.events, 3, 100, "curl");
	events_open(&f.events, 4, 100, "curl");
	play_some(&end, exchange, exchange->event_count - 2, exchange->event_count, 0);
	expect_order(&f, "Scor");
	expect_records(&f, &end, exchange);
	finish(&f);
	exchange_free(exchange);
}

/* A neighbour's plain connections do not take the place of TLS that idles. */
static void a_flood_of_plain_connections(void **state)
{
	const struct conversation_limits limits = {.objects = 10};
	struct tlspcap_socket socket = events_socket_default();
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end, other;
	struct fixture f;

	(void)state;
	begin(&f, &limits, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play_some(&end, exchange, 0, exchange->event_count / 2, 1);
	for (uint16_t i = 1; i < 1000; i++) {
		socket.local_port = i;
		stream_open_end(&other, &f.events, 1000u + i, &socket);
		stream_text(&other, TLSPCAP_SENT, "GET / HTTP/1.1\r\n\r\n");
		if (i & 1)
			stream_stop(&other);
	}
	play_some(&end, exchange, exchange->event_count / 2, exchange->event_count, 1);
	expect_order(&f, "Scor");
	expect_records(&f, &end, exchange);
	finish(&f);
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
		cmocka_unit_test(records_that_cannot_be_read),
		cmocka_unit_test(calls_are_ignored_where_records_tell),
		cmocka_unit_test(calls_without_secrets),
		cmocka_unit_test(calls_after_a_loss),
		cmocka_unit_test(memory_bio),
		cmocka_unit_test(renegotiation),
		cmocka_unit_test(renegotiation_without_its_secret),
		cmocka_unit_test(bytes_in_any_order),
		cmocka_unit_test(the_same_word_again),
		cmocka_unit_test(a_socket_that_is_none),
		cmocka_unit_test(malformed_streams_are_counted),
		cmocka_unit_test(secrets_of_one_random),
		cmocka_unit_test(an_evicted_object),
		cmocka_unit_test(a_flood_of_plain_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
