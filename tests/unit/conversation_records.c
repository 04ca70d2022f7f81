/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The conversation stage with the sockets' own bytes: held, chosen, given out as they are. */
#include <tests/unit/conversation_records.h>

static void genuine_bytes_are_exact(void **state)
{
	static const struct exchange_setup setups[] = {
		{.version = TLS1_3_VERSION, .bytes = 100000},
		{.version = TLS1_3_VERSION, .bytes = 3000, .retry = true, .key_update = true},
		{.version = TLS1_3_VERSION, .bytes = 3000, .resume = true, .early = EXCHANGE_EARLY},
		{.version = TLS1_2_VERSION, .bytes = 100000},
		{.version = TLS1_2_VERSION, .bytes = 3000, .resume = true},
		{.version = TLS1_2_VERSION, .bytes = 3000, .client_certificate = true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		struct exchange *exchange = exchange_run(&setups[i]);
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play(&end, exchange, 0, NULL);
		/* No byte before the secrets that it needs. */
		assert_int_equal(strncmp(f.order, "Scor", 4), 0);
		assert_true(f.chosen.has_records && f.chosen.has_keys);
		assert_false(f.chosen.has_preamble);
		assert_string_equal(f.last.server_name, "example.test");
		if (!setups[i].resume)
			assert_string_equal(f.last.alpn, "h2");
		expect_records(&f, &end, exchange);
		assert_int_equal(f.length[DATA][0] + f.length[DATA][1], 0);
		assert_int_equal(counts(&f)->no_keys, 0);
		assert_int_equal(counts(&f)->record_bytes[TLSPCAP_SENT], exchange->wire_length[0]);
		finish(&f);
		exchange_free(exchange);
	}
}

static void plaintext_is_exact(void **state)
{
	static const struct exchange_setup setups[] = {
		{.version = TLS1_3_VERSION, .bytes = 100000},
		{.version = TLS1_3_VERSION, .bytes = 3000, .key_update = true},
		{.version = TLS1_3_VERSION, .bytes = 3000, .resume = true, .early = EXCHANGE_EARLY},
		{.version = TLS1_2_VERSION, .bytes = 100000},
		{.version = TLS1_2_VERSION, .bytes = 3000, .resume = true},
	};
	static const struct play plays[] = {
		{.secrets = SECRETS_AS_TOLD},
		{.secrets = SECRETS_FIRST},
		{.secrets = SECRETS_LAST},
		{.secrets = SECRETS_AS_TOLD, .chunk = 5},
		/* Who reads a header byte by byte. */
		{.secrets = SECRETS_AS_TOLD, .chunk = 1},
		{.secrets = SECRETS_FIRST, .chunk = 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		struct exchange *exchange = exchange_run(&setups[i]);

		for (size_t j = 0; j < sizeof(plays) / sizeof(plays[0]); j++) {
			struct tlspcap_socket socket = stream_socket_server();
			struct stream_end end;
			struct fixture f;

			begin(&f, NULL, CONVERSATION_PLAINTEXT);
			stream_open_end(&end, &f.events, 7, j & 1 ? &socket : NULL);
			play(&end, exchange, 0, &plays[j]);
			expect_plaintext(&f, &end, exchange);
			assert_int_equal(f.length[RECORDS][0] + f.length[RECORDS][1], 0);
			assert_int_equal(f.length[EARLY][0] + f.length[EARLY][1],
					 exchange->early_length);
			finish(&f);
		}
		exchange_free(exchange);
	}
}

/* Nothing can follow on a closed socket: its end is told with it. Others wait for what may. */
static void a_final_state_ends_at_once(void **state)
{
	(void)state;
	for (int final = 0; final < 2; final++) {
		struct exchange *exchange = exchange_run(&simple);
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play(&end, exchange, 0, NULL);
		assert_int_equal(f.closed_opened, 1);
		events_state(&f.events, 7, ESTABLISHED, FIN_WAIT1);
		events_state_end(&f.events, 7, FIN_WAIT1, CLOSE, final);
		assert_int_equal(f.closed_opened, !final);
		f.events.now += SECOND;
		events_clock(&f.events, 0);
		assert_int_equal(f.closed_opened, 0);
		assert_int_equal(f.end, CONVERSATION_END_LOCAL);
		finish(&f);
		exchange_free(exchange);
	}
}

/* A sink of before: no choose(), no records(). */
static void a_sink_without_records_gets_plaintext(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin_old(&f);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, NULL);
	expect_plaintext(&f, &end, exchange);
	finish(&f);

	begin_old(&f);
	stream_open_end(&end, &f.events, 7, NULL);
	stream_text(&end, TLSPCAP_RECEIVED, "220 ready\r\n");
	stream_text(&end, TLSPCAP_SENT, "STARTTLS\r\n");
	play(&end, exchange, 0, NULL);
	assert_int_equal(f.length[DATA][TLSPCAP_SENT], 10 + exchange->plain_length[0]);
	assert_memory_equal(f.bytes[DATA][TLSPCAP_SENT], "STARTTLS\r\n", 10);
	finish(&f);
	exchange_free(exchange);
}

static void words_before_tls_are_kept(void **state)
{
	struct exchange *exchange = exchange_run(&simple);

	(void)state;
	for (int source = 0; source < 2; source++) {
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, (enum conversation_source)source);
		stream_open_end(&end, &f.events, 7, NULL);
		stream_text(&end, TLSPCAP_RECEIVED, "220 ready\r\n");
		stream_text(&end, TLSPCAP_SENT, "STARTTLS\r\n");
		expect_order(&f, "");
		events_clock(&f.events, 0);
		f.events.now += 60 * SECOND; /* people type slowly */
		events_clock(&f.events, 0);
		expect_order(&f, "");
		stream_text(&end, TLSPCAP_RECEIVED, "220 go\r\n");
		play(&end, exchange, 0, NULL);
		assert_true(f.chosen.has_preamble && f.chosen.has_records && f.chosen.has_keys);
		assert_memory_equal(f.bytes[RECORDS][TLSPCAP_SENT], "STARTTLS\r\n", 10);
		assert_memory_equal(f.bytes[RECORDS][TLSPCAP_RECEIVED], "220 ready\r\n220 go\r\n",
				    19);
		f.skip[RECORDS][TLSPCAP_SENT] = 10;
		f.skip[RECORDS][TLSPCAP_RECEIVED] = 19;
		if (source == CONVERSATION_RECORDS) {
			expect_order(&f, "Scor");
			expect_records(&f, &end, exchange);
		} else {
			expect_order(&f, "Scord");
			expect_plaintext(&f, &end, exchange);
			assert_int_equal(f.length[RECORDS][TLSPCAP_SENT], 10);
			assert_int_equal(f.length[RECORDS][TLSPCAP_RECEIVED], 19);
		}
		finish(&f);
	}
	exchange_free(exchange);
}

static void without_secrets_they_wait_and_go(void **state)
{
	const struct play never = {.secrets = SECRETS_NEVER};
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, &never);
	events_clock(&f.events, 0);
	expect_order(&f, "");
	f.events.now += 3 * SECOND;
	events_clock(&f.events, 0);
	expect_order(&f, "cor");
	assert_true(f.chosen.has_records);
	assert_false(f.chosen.has_keys);
	expect_records(&f, &end, exchange);
	assert_int_equal(counts(&f)->no_keys, 1);
	/* Later they are told, for other readers, and change nothing. */
	stream_secrets(&f.events, 1, exchange);
	stream_bytes(&end, TLSPCAP_SENT, "more", 4);
	assert_int_equal(f.length[RECORDS][TLSPCAP_SENT], exchange->wire_length[0] + 4);
	finish(&f);
	exchange_free(exchange);
}

/* Nothing that was sent needs a secret: the server thinks. */
static void a_slow_server_is_waited_for(void **state)
{
	static const struct exchange_setup setups[] = {
		{.version = TLS1_3_VERSION, .bytes = 3000},
		{.version = TLS1_2_VERSION, .bytes = 3000},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct exchange *exchange = exchange_run(&setups[i]);
		struct stream_end end;
		struct fixture f;
		size_t at;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		at = play_some(&end, exchange, 0, 1, 0);
		for (int seconds = 0; seconds < 60; seconds++) {
			f.events.now += SECOND;
			events_clock(&f.events, 0);
		}
		expect_order(&f, "");
		play_some(&end, exchange, at, exchange->event_count, 0);
		expect_order(&f, "Scor");
		assert_true(f.chosen.has_keys);
		expect_records(&f, &end, exchange);
		finish(&f);
		exchange_free(exchange);
	}
}

static void what_is_not_tls_is_not_ours(void **state)
{
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	stream_text(&end, TLSPCAP_SENT, "GET / HTTP/1.1\r\n\r\n");
	stream_text(&end, TLSPCAP_RECEIVED, "HTTP/1.1 200 OK\r\n\r\n");
	f.events.now += 10 * SECOND;
	events_clock(&f.events, 0);
	stream_stop(&end);
	stream_text(&end, TLSPCAP_SENT, "GET / HTTP/1.1\r\n\r\n");
	events_state(&f.events, 7, ESTABLISHED, CLOSE);
	expect_order(&f, "");
	finish(&f);
	expect_order(&f, "");

	/* It looks like TLS for three bytes. */
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	stream_text(&end, TLSPCAP_SENT, "\x16\x03\x01 is not a record's length");
	stream_text(&end, TLSPCAP_RECEIVED, "what?");
	conversations_finish(f.all);
	expect_order(&f, "corx");
	assert_false(f.chosen.has_keys);
	finish(&f);
}

static void the_kernel_stops_in_the_midst(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play_some(&end, exchange, 0, 2, 0);
	stream_lose(&end, TLSPCAP_RECEIVED, 0);
	stream_stop(&end);
	/* Without a whole handshake there is nothing to decrypt. */
	expect_order(&f, "cog");
	assert_false(f.chosen.has_records);
	stream_text(&end, TLSPCAP_SENT, "is not looked at");
	expect_order(&f, "cog");
	finish(&f);
	exchange_free(exchange);
}

static void too_much_for_one(void **state)
{
	const struct conversation_limits limits = {.held_bytes_each = 1000};
	const struct play never = {.secrets = SECRETS_LAST};
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, &limits, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, &never);
	expect_order(&f, "corS");
	assert_false(f.chosen.has_keys);
	expect_records(&f, &end, exchange);
	finish(&f);
	exchange_free(exchange);
}

/* Who waited longest goes first; the newest one still has hope. */
static void too_much_for_all(void **state)
{
	const struct conversation_limits limits = {.held_bytes = 8000};
	struct exchange *exchange = exchange_run(&simple);
	struct tlspcap_socket socket = events_socket_default();
	struct stream_end first[100], end;
	struct fixture f;

	(void)state;
	begin(&f, &limits, CONVERSATION_RECORDS);
	for (size_t i = 0; i < 100; i++) {
		static const uint8_t hello[400] = {22, 3, 1, 15};

		socket.local_port = (uint16_t)(1000 + i);
		stream_open_end(&first[i], &f.events, 100 + i, &socket);
		stream_bytes(&first[i], TLSPCAP_SENT, hello, sizeof(hello));
	}
	assert_in_range(f.length[RECORDS][TLSPCAP_SENT], 80 * 400, 90 * 400);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, NULL);
	assert_true(f.last.has_keys);
	assert_memory_equal(f.last.client_random, exchange->secrets[0].random, 32);
	conversations_finish(f.all);
	assert_int_equal(counts(&f)->conversations, 101);
	assert_int_equal(f.length[RECORDS][TLSPCAP_SENT], exchange->wire_length[0] + 100 * 400);
	assert_int_equal(f.length[RECORDS][TLSPCAP_RECEIVED], exchange->wire_length[1]);
	finish(&f);
	exchange_free(exchange);
}

static void both_ends_by_address(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct tlspcap_socket socket = stream_socket_server();
	struct stream_end client, server;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&client, &f.events, 7, NULL);
	stream_open_end(&server, &f.events, 8, &socket);
	for (size_t i = 0; i < exchange->event_count; i++) {
		play_some(&client, exchange, i, i + 1, 1);
		play_some(&server, exchange, i, i + 1, 2);
	}
	expect_records(&f, &client, exchange);
	assert_int_equal(counts(&f)->both_ends, 1);
	assert_int_equal(counts(&f)->secrets, exchange->secret_count);
	events_state(&f.events, 7, ESTABLISHED, FIN_WAIT1);
	events_state(&f.events, 8, ESTABLISHED, CLOSE_WAIT);
	events_state(&f.events, 7, FIN_WAIT1, CLOSE);
	events_state(&f.events, 8, CLOSE_WAIT, CLOSE);
	f.events.now += 2 * SECOND;
	events_clock(&f.events, 0);
	expect_order(&f, "Scorx");
	assert_int_equal(f.end, CONVERSATION_END_LOCAL);
	assert_int_equal(counts(&f)->conversations, 1);
	finish(&f);
	exchange_free(exchange);
}

/* Behind a NAT the addresses of the two ends differ; the ClientHello is the same. */
static void both_ends_by_random(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct tlspcap_socket socket = stream_socket_server();
	struct stream_end client, server;
	struct fixture f;

	(void)state;
	socket.remote[3] = 99;
	socket.netns++;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&client, &f.events, 7, NULL);
	stream_open_end(&server, &f.events, 8, &socket);
	for (size_t i = 0; i < exchange->event_count; i++) {
		play_some(&client, exchange, i, i + 1, 1);
		play_some(&server, exchange, i, i + 1, 2);
	}
	expect_records(&f, &client, exchange);
	assert_int_equal(counts(&f)->both_ends, 1);
	assert_int_equal(counts(&f)->conversations, 1);
	finish(&f);
	exchange_free(exchange);
}

static void the_end_of_tcp(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, NULL);
	events_state(&f.events, 7, ESTABLISHED, CLOSE_WAIT);
	events_state(&f.events, 7, CLOSE_WAIT, CLOSE);
	events_clock(&f.events, 0);
	expect_order(&f, "Scor"); /* what was read before may come by yet */
	stream_text(&end, TLSPCAP_RECEIVED, "late");
	assert_int_equal(f.length[RECORDS][TLSPCAP_RECEIVED], exchange->wire_length[1] + 4);
	f.events.now += 2 * SECOND;
	events_clock(&f.events, 0);
	expect_order(&f, "Scorx");
	assert_int_equal(f.end, CONVERSATION_END_REMOTE);
	stream_text(&end, TLSPCAP_RECEIVED, "never");
	expect_order(&f, "Scorx");
	finish(&f);
	exchange_free(exchange);
}

/* A handshake that failed, and one that the capture's end cuts off. */
static void the_end_while_they_are_held(void **state)
{
	const struct exchange_setup setup = {.version = TLS1_3_VERSION, .refused = true};
	struct exchange *exchange = exchange_run(&setup);
	const struct play never = {.secrets = SECRETS_NEVER};
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, &never);
	events_state(&f.events, 7, ESTABLISHED, CLOSE);
	f.events.now += 2 * SECOND;
	events_clock(&f.events, 0);
	expect_order(&f, "corx");
	assert_int_equal(f.end, CONVERSATION_END_RESET);
	expect_records(&f, &end, exchange);
	finish(&f);

	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, &never);
	conversations_finish(f.all);
	expect_order(&f, "corx");
	assert_int_equal(f.end, CONVERSATION_END_NONE);
	expect_records(&f, &end, exchange);
	finish(&f);

	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	play(&end, exchange, 0, &never);
	conversations_free(f.all); /* tells nobody, leaks nothing */
	expect_order(&f, "");
	f.all = NULL;
	finish(&f);
	exchange_free(exchange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(genuine_bytes_are_exact),
		cmocka_unit_test(plaintext_is_exact),
		cmocka_unit_test(a_final_state_ends_at_once),
		cmocka_unit_test(a_sink_without_records_gets_plaintext),
		cmocka_unit_test(words_before_tls_are_kept),
		cmocka_unit_test(without_secrets_they_wait_and_go),
		cmocka_unit_test(a_slow_server_is_waited_for),
		cmocka_unit_test(what_is_not_tls_is_not_ours),
		cmocka_unit_test(the_kernel_stops_in_the_midst),
		cmocka_unit_test(too_much_for_one),
		cmocka_unit_test(too_much_for_all),
		cmocka_unit_test(both_ends_by_address),
		cmocka_unit_test(both_ends_by_random),
		cmocka_unit_test(the_end_of_tcp),
		cmocka_unit_test(the_end_while_they_are_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
