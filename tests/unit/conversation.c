/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The conversation stage: bytes, losses, sockets that come late, secrets. */
#include <tests/support/log.h>

static void a_whole_conversation(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_clock(&f.events, 1700000000 * SECOND);
	connect_object(&f, 1, 7);
	expect(&f, "");
	events_data(&f.events, 1, TLSPCAP_SENT, "hi");
	events_data(&f.events, 1, TLSPCAP_RECEIVED, "ho");
	events_data(&f.events, 1, TLSPCAP_SENT, "hu");
	expect(&f, "open1 >1:hi <1:ho >1:hu ");
	events_close(&f.events, 1);
	events_state(&f.events, 7, ESTABLISHED, FIN_WAIT1);
	expect(&f, "");
	events_state(&f.events, 7, FIN_WAIT1, CLOSE);
	expect(&f, "close1:local ");
	assert_int_equal(counts(&f)->conversations, 1);
	assert_int_equal(counts(&f)->data_bytes[TLSPCAP_SENT], 4);
	assert_int_equal(counts(&f)->data_bytes[TLSPCAP_RECEIVED], 2);
	assert_int_equal(counts(&f)->malformed, 0);
	conversations_finish(f.all);
	expect(&f, "");
	end(&f);
}

static void times_are_wall_clock(void **state)
{
	struct fixture f;
	struct tlspcap_socket socket = events_socket_default();

	(void)state;
	begin(&f, NULL);
	f.events.now = 5 * SECOND;
	events_clock(&f.events, 1700000005 * SECOND);
	socket.syn_ns = 3 * SECOND;
	socket.established_ns = 4 * SECOND;
	events_open(&f.events, 1, 100, "curl");
	events_socket(&f.events, 1, 7, &socket);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	assert_true(f.log.last.syn_ns == 1700000003 * SECOND);
	assert_true(f.log.last.established_ns == 1700000004 * SECOND);
	end(&f);
}

static void the_info_is_what_the_events_said(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_open(&f.events, 1, 100, "curl");
	events_info(&f.events, 1, TLSPCAP_INFO_SERVER_NAME, "example.org");
	events_secret(&f.events, 1, "CLIENT_RANDOM", 5, 6);
	events_socket(&f.events, 1, 7, NULL);
	events_info(&f.events, 1, TLSPCAP_INFO_ALPN, "h2");
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "secret:CLIENT_RANDOM open1 >1:a ");
	assert_int_equal(f.log.last.pid, 100);
	assert_int_equal(f.log.last.uid, 1000);
	assert_int_equal(f.log.last.mntns, EVENTS_MNTNS);
	assert_string_equal(f.log.last.comm, "curl");
	assert_string_equal(f.log.last.server_name, "example.org");
	assert_string_equal(f.log.last.alpn, "h2");
	assert_true(f.log.last.has_random);
	assert_int_equal(f.log.last.client_random[0], 5);
	assert_true(f.log.last.addresses_known);
	assert_int_equal(f.log.last.family, 4);
	assert_int_equal(f.log.last.protocol, IPPROTO_TCP);
	assert_int_equal(f.log.last.remote_port, 443);
	assert_int_equal(f.log.last.role, TLSPCAP_ROLE_CLIENT);
	assert_false(f.log.last.role_assumed);
	end(&f);
}

static void an_object_whose_open_was_lost(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_socket(&f.events, 1, 7, NULL);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "open1 >1:a ");
	assert_string_equal(f.log.last.comm, "");
	assert_int_equal(f.log.last.pid, EVENTS_PID);
	end(&f);
}

static void a_jump_is_a_loss(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_data_at(&f.events, 1, TLSPCAP_SENT, 0, "a");
	events_data_at(&f.events, 1, TLSPCAP_SENT, 11, "b");
	expect(&f, "open1 >1:a gap>1:10/1 >1:b ");
	/* Explained by an event: told once, with its reason. */
	events_gap(&f.events, 1, TLSPCAP_SENT, 12, 8, TLSPCAP_LOSS_FAULT);
	events_data_at(&f.events, 1, TLSPCAP_SENT, 20, "c");
	expect(&f, "gap>1:8/2 >1:c ");
	/* The event itself after a jump. */
	events_gap(&f.events, 1, TLSPCAP_SENT, 30, 5, TLSPCAP_LOSS_FAULT);
	expect(&f, "gap>1:9/1 gap>1:5/2 ");
	/* Explained too late: not counted again; an overlap only by what is new. */
	events_gap(&f.events, 1, TLSPCAP_SENT, 30, 5, TLSPCAP_LOSS_FAULT);
	events_gap(&f.events, 1, TLSPCAP_SENT, 30, 7, TLSPCAP_LOSS_FAULT);
	expect(&f, "gap>1:2/2 ");
	/* The other direction has offsets of its own. */
	events_data_at(&f.events, 1, TLSPCAP_RECEIVED, 0, "d");
	/* A loss of unknown size moves nothing. */
	events_gap(&f.events, 1, TLSPCAP_RECEIVED, 1, 0, TLSPCAP_LOSS_BYPASS);
	events_data_at(&f.events, 1, TLSPCAP_RECEIVED, 1, "e");
	expect(&f, "<1:d gap<1:0/9 <1:e ");
	assert_int_equal(counts(&f)->gaps, 6);
	assert_int_equal(counts(&f)->gap_bytes, 10 + 8 + 9 + 5 + 2);
	assert_int_equal(counts(&f)->malformed, 0);
	/* Backwards and overlapping. */
	events_data_at(&f.events, 1, TLSPCAP_RECEIVED, 0, "f");
	events_data_at(&f.events, 1, TLSPCAP_RECEIVED, 1, "gh");
	expect(&f, "");
	assert_int_equal(counts(&f)->malformed, 2);
	end(&f);
}

static void a_gap_alone_opens(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_gap(&f.events, 1, TLSPCAP_SENT, 0, 8, TLSPCAP_LOSS_FAULT);
	expect(&f, "open1 gap>1:8/2 ");
	end(&f);
}

static void bytes_wait_for_their_socket(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_open(&f.events, 1, 100, "curl");
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	events_gap(&f.events, 1, TLSPCAP_SENT, 1, 3, TLSPCAP_LOSS_FAULT);
	events_data_at(&f.events, 1, TLSPCAP_SENT, 4, "b");
	expect(&f, "");
	events_socket(&f.events, 1, 7, NULL);
	expect(&f, "open1 >1:a gap>1:3/2 >1:b ");
	assert_true(f.log.last.addresses_known);
	assert_int_equal(counts(&f)->unknown_address, 0);
	end(&f);
}

static void they_wait_for_a_time(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_open(&f.events, 1, 100, "curl");
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	f.events.now += SECOND;
	events_clock(&f.events, 0);
	expect(&f, "");
	f.events.now += SECOND;
	events_clock(&f.events, 0);
	expect(&f, "open1 >1:a ");
	assert_false(f.log.last.addresses_known);
	assert_int_equal(f.log.last.role, TLSPCAP_ROLE_CLIENT);
	assert_true(f.log.last.role_assumed);
	assert_int_equal(counts(&f)->unknown_address, 1);
	/* The socket comes too late for its address, but it ends the conversation. */
	events_socket(&f.events, 1, 7, NULL);
	events_data(&f.events, 1, TLSPCAP_SENT, "b");
	events_state(&f.events, 7, ESTABLISHED, CLOSE_WAIT);
	events_close(&f.events, 1);
	events_state(&f.events, 7, CLOSE_WAIT, CLOSE);
	expect(&f, ">1:b close1:remote ");
	end(&f);
}

static void they_wait_within_bounds(void **state)
{
	const struct conversation_limits limits = {.pending_bytes_each = 400, .pending_bytes = 600};
	char text[201] = "";
	struct fixture f;

	(void)state;
	memset(text, 'x', 200);
	begin(&f, &limits);
	events_data(&f.events, 1, TLSPCAP_SENT, text);
	expect(&f, "");
	events_data(&f.events, 1, TLSPCAP_SENT, text);
	assert_non_null(strstr(f.log.text, "open1 >1:xxx"));
	f.log.text[f.log.length = 0] = '\0';
	/* All together: those go that waited longest. */
	events_data(&f.events, 2, TLSPCAP_SENT, text);
	events_data(&f.events, 3, TLSPCAP_SENT, text);
	expect(&f, "");
	events_data(&f.events, 4, TLSPCAP_SENT, text);
	assert_non_null(strstr(f.log.text, "open2 >2:xxx"));
	assert_int_equal(counts(&f)->unknown_address, 2);
	end(&f);
}

static void they_are_given_out_at_the_end(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	events_close(&f.events, 1);
	expect(&f, "open1 >1:a ");
	f.events.now += SECOND;
	events_clock(&f.events, 0);
	expect(&f, "close1:unseen ");
	events_data(&f.events, 2, TLSPCAP_SENT, "b");
	conversations_finish(f.all);
	expect(&f, "open2 >2:b close2:none ");
	end(&f);
}

static void each_secret_once(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_secret(&f.events, 1, "CLIENT_RANDOM", 1, 1);
	events_secret(&f.events, 2, "CLIENT_RANDOM", 1, 1);
	expect(&f, "secret:CLIENT_RANDOM ");
	events_secret(&f.events, 1, "CLIENT_RANDOM", 2, 1);
	events_secret(&f.events, 1, "CLIENT_RANDOM", 1, 2);
	events_secret(&f.events, 1, "EXPORTER_SECRET", 1, 1);
	expect(&f, "secret:CLIENT_RANDOM secret:CLIENT_RANDOM secret:EXPORTER_SECRET ");
	assert_int_equal(counts(&f)->secrets, 4);
	end(&f);
}

static void the_oldest_secret_is_forgotten(void **state)
{
	const struct conversation_limits limits = {.secrets = 2};
	struct fixture f;

	(void)state;
	begin(&f, &limits);
	for (uint8_t i = 1; i <= 3; i++)
		events_secret(&f.events, 1, "A", i, 1);
	expect(&f, "secret:A secret:A secret:A ");
	events_secret(&f.events, 1, "A", 3, 1);
	events_secret(&f.events, 1, "A", 2, 1);
	expect(&f, "");
	events_secret(&f.events, 1, "A", 1, 1);
	expect(&f, "secret:A ");
	end(&f);
}

static void a_handshake_without_data(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_secret(&f.events, 1, "CLIENT_RANDOM", 1, 1);
	connect_object(&f, 2, 8); /* without secret: nothing to show */
	conversations_finish(f.all);
	expect(&f, "secret:CLIENT_RANDOM open1 close1:none ");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_conversation),
		cmocka_unit_test(times_are_wall_clock),
		cmocka_unit_test(the_info_is_what_the_events_said),
		cmocka_unit_test(an_object_whose_open_was_lost),
		cmocka_unit_test(a_jump_is_a_loss),
		cmocka_unit_test(a_gap_alone_opens),
		cmocka_unit_test(bytes_wait_for_their_socket),
		cmocka_unit_test(they_wait_for_a_time),
		cmocka_unit_test(they_wait_within_bounds),
		cmocka_unit_test(they_are_given_out_at_the_end),
		cmocka_unit_test(each_secret_once),
		cmocka_unit_test(the_oldest_secret_is_forgotten),
		cmocka_unit_test(a_handshake_without_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
