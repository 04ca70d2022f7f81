/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The sockets' own bytes from hostile hands, and under its neighbours' pressure. */
#include <tests/unit/conversation_records.h>

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
