/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Secrets that do not say whose they are: tied by a random, by a record, by their object. */
#include <tests/unit/conversation_records.h>

#define OTHER_PID 200

/* What a hint says besides its secret. */
struct telling {
	__u64 tls;
	__u32 pid;
	const __u8 *random; /* the last candidate; NULL: none */
	bool by_tls_name;
};

static const struct exchange_setup setups[] = {
	{.version = TLS1_3_VERSION, .bytes = 20000},
	{.version = TLS1_3_VERSION, .bytes = 3000, .retry = true, .key_update = true},
	{.version = TLS1_3_VERSION, .bytes = 3000, .resume = true, .early = EXCHANGE_EARLY},
	{.version = TLS1_3_VERSION, .bytes = 3000, .suite = "TLS_AES_128_CCM_SHA256"},
	{.version = TLS1_2_VERSION, .bytes = 20000},
	{.version = TLS1_2_VERSION, .bytes = 3000, .resume = true},
	{.version = TLS1_2_VERSION, .bytes = 3000, .suite = "ECDHE-RSA-AES128-SHA"},
	{.version = TLS1_2_VERSION, .bytes = 3000, .client_certificate = true},
};
#define SETUPS (sizeof(setups) / sizeof(setups[0]))

static const char *tls_name(const char *label)
{
	static const char *const names[][2] = {
		{"CLIENT_EARLY_TRAFFIC_SECRET", "c e traffic"},
		{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "c hs traffic"},
		{"SERVER_HANDSHAKE_TRAFFIC_SECRET", "s hs traffic"},
		{"CLIENT_TRAFFIC_SECRET_0", "c ap traffic"},
		{"SERVER_TRAFFIC_SECRET_0", "s ap traffic"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(label, names[i][0]))
			return names[i][1];
	return label;
}

static void hint(struct events *events, const struct exchange_secret *told,
		 const struct telling *how)
{
	struct tlspcap_secret_hint event = {
		.event.pid = how->pid,
		.secret_length = (__u32)told->length,
		.candidates = how->random ? 3 : 0,
	};

	const char *label = how->by_tls_name ? tls_name(told->label) : told->label;

	memcpy(event.label, label, strnlen(label, sizeof(event.label) - 1));
	memcpy(event.secret, told->secret, told->length);
	if (how->random)
		memcpy(event.candidate[2], how->random, TLSPCAP_RANDOM_LEN);
	events_put(events, &event, sizeof(event), TLSPCAP_EVENT_SECRET_HINT, how->tls, 0);
}

/* Exporters, and later generations, which follow from the first. */
static bool opens_nothing(const struct exchange_secret *secret)
{
	return strstr(secret->label, "EXPORTER") || strstr(secret->label, "_SECRET_N");
}

static void play_hints(struct stream_end *end, const struct exchange *exchange, size_t first,
		       size_t last, const struct telling *how)
{
	for (; first < last; first++) {
		const struct exchange_event *event = &exchange->events[first];

		if (event->side >= 0)
			play_some(end, exchange, first, first + 1, 0);
		else if (how->tls || how->random ||
			 !opens_nothing(&exchange->secrets[event->offset]))
			hint(end->events, &exchange->secrets[event->offset], how);
	}
}

static void expect_tied(struct fixture *f, const struct stream_end *end,
			const struct exchange *exchange)
{
	conversations_finish(f->all);
	expect_records(f, end, exchange);
	assert_true(f->chosen.has_keys);
	assert_int_equal(strncmp(f->order, "Scor", 4), 0);
	assert_int_equal(counts(f)->untied_secrets, 0);
	assert_int_equal(counts(f)->no_keys, 0);
}

static void each_way_ties(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange *exchange = exchange_run(&setups[i]);
		const struct telling ways[] = {
			{.random = exchange->secrets[0].random},
			{.by_tls_name = true},
			{.tls = 5},
		};

		for (size_t j = 0; j < 2 * sizeof(ways) / sizeof(ways[0]); j++) {
			struct tlspcap_socket server = stream_socket_server();
			struct stream_end end;
			struct fixture f;

			begin(&f, NULL, CONVERSATION_RECORDS);
			stream_open_end(&end, &f.events, 7, j & 1 ? &server : NULL);
			play_hints(&end, exchange, 0, exchange->event_count, &ways[j / 2]);
			expect_tied(&f, &end, exchange);
			finish(&f);
		}
		exchange_free(exchange);
	}
}

/* A renegotiation has a secret of its own, which no hello in the open names. */
static void a_renegotiation_ties(void **state)
{
	const struct exchange_setup setup = {
		.version = TLS1_2_VERSION, .bytes = 3000, .renegotiate = 2};
	const struct telling ways[] = {{0}, {.tls = 5}};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct exchange *exchange = exchange_run(&setup);
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play_hints(&end, exchange, 0, exchange->event_count, &ways[i]);
		expect_tied(&f, &end, exchange);
		assert_int_equal(counts(&f)->secrets, 3);
		finish(&f);
		exchange_free(exchange);
	}
}

static struct tlspcap_socket port(__u16 local_port)
{
	struct tlspcap_socket socket = events_socket_default();

	socket.local_port = local_port;
	return socket;
}

#define MANY 20

/* Handshakes of one process and thread at the same time, step by step in turn. */
static void many_at_once_are_told_apart(void **state)
{
	static const struct exchange_setup setup = {.version = TLS1_3_VERSION, .bytes = 1000};
	struct exchange *exchanges[MANY];
	struct stream_end ends[MANY];
	size_t most = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		exchanges[i] = exchange_run(&setup);
		most = most > exchanges[i]->event_count ? most : exchanges[i]->event_count;
	}
	for (int with_object = 0; with_object < 2; with_object++) {
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		for (int i = 0; i < MANY; i++) {
			struct tlspcap_socket socket = port((__u16)(51000 + i));

			stream_open_end(&ends[i], &f.events, 100 + i, &socket);
		}
		for (size_t step = 0; step < most; step++) {
			for (int i = 0; i < MANY; i++) {
				const struct telling how = {.tls = with_object ? 500 + i : 0};

				if (step < exchanges[i]->event_count)
					play_hints(&ends[i], exchanges[i], step, step + 1, &how);
			}
			events_clock(&f.events, 0);
		}
		conversations_finish(f.all);
		assert_int_equal(counts(&f)->conversations, MANY);
		assert_int_equal(counts(&f)->no_keys, 0);
		assert_int_equal(counts(&f)->untied_secrets, 0);
		assert_int_equal(counts(&f)->data_bytes[0] + counts(&f)->data_bytes[1], 0);
		finish(&f);
	}
	for (int i = 0; i < MANY; i++)
		exchange_free(exchanges[i]);
}

/* The same secret for two connections: each needs it under its own random. */
static void a_resumed_session_has_the_same_secret(void **state)
{
	const struct exchange_setup setup = {.version = TLS1_2_VERSION, .bytes = 100};
	struct exchange *exchange = exchange_run(&setup);
	const struct telling twice[] = {{.tls = 5}, {.tls = 6}, {0}};

	(void)state;
	for (size_t i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
		struct tlspcap_socket other = port(51001);
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play_hints(&end, exchange, 0, exchange->event_count, &twice[0]);
		events_close(&f.events, 5);
		events_state(&f.events, 7, ESTABLISHED, CLOSE);
		/* The same bytes again stand for another connection with that secret. */
		stream_open_end(&end, &f.events, 8, &other);
		play_hints(&end, exchange, 0, exchange->event_count, &twice[i]);
		conversations_finish(f.all);
		assert_int_equal(counts(&f)->no_keys, 0);
		assert_int_equal(counts(&f)->untied_secrets, 0);
		finish(&f);
	}
	exchange_free(exchange);
}

/* An object's address and number may serve another connection, and nothing tells so. */
static void an_object_is_used_again(void **state)
{
	const struct telling how = {.tls = 5};
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	for (int i = 0; i < 3; i++) {
		struct exchange *exchange = exchange_run(&setups[i & 1 ? 4 : 0]);
		struct tlspcap_socket socket = port((__u16)(51000 + i));

		stream_open_end(&end, &f.events, 7 + i, &socket);
		play_hints(&end, exchange, 0, exchange->event_count, &how);
		exchange_free(exchange);
	}
	conversations_finish(f.all);
	assert_int_equal(counts(&f)->conversations, 3);
	assert_int_equal(counts(&f)->no_keys, 0);
	assert_int_equal(counts(&f)->untied_secrets, 0);
	finish(&f);
}

/* Only the client's end is written; only the server's library tells secrets. */
static void secrets_of_the_other_end(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	const struct telling ways[] = {
		{.pid = OTHER_PID},
		{.pid = OTHER_PID, .tls = 5},
		{.pid = OTHER_PID, .random = exchange->secrets[0].random},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct tlspcap_socket socket = stream_socket_server();
		struct tlspcap_open open = {.event.pid = OTHER_PID};
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		events_put(&f.events, &open, sizeof(open), TLSPCAP_EVENT_OPEN, 0, 8);
		socket.event.pid = OTHER_PID;
		events_put(&f.events, &socket, sizeof(socket), TLSPCAP_EVENT_SOCKET, 0, 8);
		play_hints(&end, exchange, 0, exchange->event_count, &ways[i]);
		expect_tied(&f, &end, exchange);
		assert_int_equal(counts(&f)->both_ends, 1);
		finish(&f);
	}
	exchange_free(exchange);
}

static void another_process_cannot_tell(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	const struct telling ways[] = {
		{.pid = OTHER_PID},
		{.pid = OTHER_PID, .random = exchange->secrets[0].random},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct stream_end end;
		struct fixture f;

		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		play_hints(&end, exchange, 0, exchange->event_count, &ways[i]);
		assert_int_equal(counts(&f)->secrets, 0);
		assert_int_equal(counts(&f)->untied_secrets, 0);
		for (int wait = 0; wait < 2; wait++) {
			events_clock(&f.events, 0);
			f.events.now += 11 * SECOND;
		}
		assert_int_equal(counts(&f)->no_keys, 1);
		assert_true(counts(&f)->untied_secrets >= 4);
		finish(&f);
	}
	exchange_free(exchange);
}

/* The library of one end says it all, that of the other one only hints. */
static void what_is_told_already_is_no_riddle(void **state)
{
	struct exchange *exchange = exchange_run(&simple);
	const struct telling how = {.pid = OTHER_PID};
	struct stream_end end;
	struct fixture f;

	(void)state;
	for (int hints_first = 0; hints_first < 2; hints_first++) {
		begin(&f, NULL, CONVERSATION_RECORDS);
		stream_open_end(&end, &f.events, 7, NULL);
		for (size_t i = 0; i < exchange->secret_count && hints_first; i++)
			hint(&f.events, &exchange->secrets[i], &how);
		play(&end, exchange, 0, NULL);
		for (size_t i = 0; i < exchange->secret_count && !hints_first; i++)
			hint(&f.events, &exchange->secrets[i], &how);
		expect_tied(&f, &end, exchange);
		assert_int_equal(counts(&f)->secrets, exchange->secret_count);
		finish(&f);
	}
	exchange_free(exchange);
}

/* Memory still shows the random of an earlier connection that goes on. */
static void an_old_random_does_not_mislead(void **state)
{
	struct exchange *first = exchange_run(&simple), *second = exchange_run(&simple);
	const struct telling right = {.random = first->secrets[0].random};
	const struct telling stale = {.random = first->secrets[0].random, .by_tls_name = true};
	struct tlspcap_socket socket = port(51001);
	struct stream_end ends[2];
	struct fixture f;

	(void)state;
	begin(&f, NULL, CONVERSATION_RECORDS);
	stream_open_end(&ends[0], &f.events, 7, NULL);
	play_hints(&ends[0], first, 0, first->event_count, &right);
	stream_open_end(&ends[1], &f.events, 8, &socket);
	for (size_t i = 0; i < second->event_count; i++) {
		const struct exchange_event *event = &second->events[i];

		if (event->side >= 0 || !opens_nothing(&second->secrets[event->offset]))
			play_hints(&ends[1], second, i, i + 1, &stale);
	}
	conversations_finish(f.all);
	assert_int_equal(counts(&f)->no_keys, 0);
	assert_int_equal(counts(&f)->untied_secrets, 0);
	finish(&f);
	exchange_free(first);
	exchange_free(second);
}

static void they_are_bounded(void **state)
{
	const struct conversation_limits limits = {.hints = 20, .hints_each = 8};
	struct exchange *exchange = exchange_run(&simple);
	struct exchange_secret secret = exchange->secrets[0];
	struct stream_end end;
	struct fixture f;

	(void)state;
	begin(&f, &limits, CONVERSATION_RECORDS);
	stream_open_end(&end, &f.events, 7, NULL);
	for (int i = 0; i < 100; i++) {
		const struct telling how = {.pid = 300 + (i & 3), .random = secret.random};

		secret.secret[0] = (__u8)i;
		hint(&f.events, &secret, &how);
	}
	assert_int_equal(counts(&f)->untied_secrets, 100 - 20);
	play_hints(&end, exchange, 0, exchange->event_count, &(struct telling){.tls = 5});
	conversations_finish(f.all);
	expect_records(&f, &end, exchange);
	assert_int_equal(counts(&f)->no_keys, 0);
	finish(&f);
	exchange_free(exchange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_ties),
		cmocka_unit_test(a_renegotiation_ties),
		cmocka_unit_test(many_at_once_are_told_apart),
		cmocka_unit_test(a_resumed_session_has_the_same_secret),
		cmocka_unit_test(an_object_is_used_again),
		cmocka_unit_test(secrets_of_the_other_end),
		cmocka_unit_test(another_process_cannot_tell),
		cmocka_unit_test(what_is_told_already_is_no_riddle),
		cmocka_unit_test(an_old_random_does_not_mislead),
		cmocka_unit_test(they_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
