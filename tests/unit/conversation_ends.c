/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The conversation stage: how it ends, who is who, both ends captured. */
#include <tests/support/log.h>

static void how_it_ends(void **state)
{
	static const struct {
		uint8_t states[6];
		const char *end;
	} ways[] = {
		{{ESTABLISHED, FIN_WAIT1, 5, CLOSE}, "local"},
		{{ESTABLISHED, CLOSE_WAIT, 9, CLOSE}, "remote"},
		{{ESTABLISHED, FIN_WAIT1, 11, 6, CLOSE}, "local"},
		{{ESTABLISHED, CLOSE}, "reset"},
		{{ESTABLISHED, CLOSE_WAIT, CLOSE}, "remote"},
		{{9, CLOSE}, "remote"}, /* what was before was not seen */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const uint8_t *at = ways[i].states;
		char text[32];
		struct fixture f;

		begin(&f, NULL);
		connect_object(&f, 1, 7);
		events_data(&f.events, 1, TLSPCAP_SENT, "a");
		events_close(&f.events, 1);
		for (; at[1]; at++)
			events_state(&f.events, 7, at[0], at[1]);
		snprintf(text, sizeof(text), "open1 >1:a close1:%s ", ways[i].end);
		expect(&f, text);
		end(&f);
	}
}

/* The capture ends first: a FIN that was seen is told, and no other. */
static void half_an_end(void **state)
{
	static const struct {
		uint8_t state;
		const char *text;
	} ways[] = {
		{FIN_WAIT1, "open1 >1:a close1:local-half "},
		{CLOSE_WAIT, "open1 >1:a close1:remote-half "},
		{ESTABLISHED, "open1 >1:a close1:none "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct fixture f;

		begin(&f, NULL);
		connect_object(&f, 1, 7);
		events_data(&f.events, 1, TLSPCAP_SENT, "a");
		events_state(&f.events, 7, ESTABLISHED, ways[i].state);
		conversations_finish(f.all);
		expect(&f, ways[i].text);
		end(&f);
	}
}

static void one_end_waits_for_the_other(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	/* TCP first; what the library still holds comes after it. */
	connect_object(&f, 1, 7);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	events_state(&f.events, 7, ESTABLISHED, CLOSE_WAIT);
	events_data(&f.events, 1, TLSPCAP_RECEIVED, "b");
	events_state(&f.events, 7, CLOSE_WAIT, CLOSE);
	events_data(&f.events, 1, TLSPCAP_RECEIVED, "c");
	expect(&f, "open1 >1:a <1:b <1:c ");
	events_close(&f.events, 1);
	expect(&f, "close1:remote ");
	/* TCP only. */
	connect_object(&f, 2, 8);
	events_data(&f.events, 2, TLSPCAP_SENT, "a");
	events_state(&f.events, 8, ESTABLISHED, FIN_WAIT1);
	events_state(&f.events, 8, FIN_WAIT1, CLOSE);
	f.events.now += SECOND;
	events_clock(&f.events, 0);
	expect(&f, "open2 >2:a close2:local ");
	/* It goes on after all. */
	events_data(&f.events, 2, TLSPCAP_SENT, "b");
	expect(&f, "open3 >3:b ");
	assert_true(f.log.last.addresses_known);
	/* TLS only: its FIN seen, and not. */
	connect_object(&f, 3, 9);
	events_data(&f.events, 3, TLSPCAP_SENT, "a");
	events_close(&f.events, 3);
	events_state(&f.events, 9, ESTABLISHED, FIN_WAIT1);
	connect_object(&f, 4, 10);
	events_data(&f.events, 4, TLSPCAP_SENT, "a");
	events_exit(&f.events, 100);
	expect(&f, "open4 >4:a close4:local open5 >5:a "); /* on the same addresses */
	f.events.now += SECOND;
	events_clock(&f.events, 0);
	expect(&f, "close3:unseen close5:unseen ");
	end(&f);
}

static void parent_and_child_share_a_conversation(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	events_open(&f.events, 2, 200, "child");
	events_socket(&f.events, 2, 7, NULL);
	events_data(&f.events, 2, TLSPCAP_SENT, "b");
	events_exit(&f.events, 100);
	f.events.now += 5 * SECOND;
	events_clock(&f.events, 0);
	events_data(&f.events, 2, TLSPCAP_SENT, "c");
	expect(&f, "open1 >1:a >1:b >1:c ");
	events_state(&f.events, 7, ESTABLISHED, CLOSE);
	events_exit(&f.events, 200);
	expect(&f, "close1:reset ");
	end(&f);
}

static void an_object_used_again(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_info(&f.events, 1, TLSPCAP_INFO_SERVER_NAME, "example.org");
	events_info(&f.events, 1, TLSPCAP_INFO_ALPN, "h2");
	events_secret(&f.events, 1, "A", 1, 1);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "secret:A open1 >1:a ");
	events_state(&f.events, 7, ESTABLISHED, CLOSE);
	events_socket(&f.events, 1, 8, NULL);
	expect(&f, "close1:reset ");
	events_data(&f.events, 1, TLSPCAP_SENT, "b");
	expect(&f, "open2 >2:b ");
	assert_string_equal(f.log.last.server_name, "example.org");
	assert_string_equal(f.log.last.alpn, "");
	assert_false(f.log.last.has_random);
	end(&f);
}

static void mirror(struct tlspcap_socket *socket)
{
	struct tlspcap_socket other = *socket;

	memcpy(socket->local, other.remote, 16);
	memcpy(socket->remote, other.local, 16);
	socket->local_port = other.remote_port;
	socket->remote_port = other.local_port;
	socket->role = TLSPCAP_ROLE_SERVER;
}

static void both_ends_by_address(void **state)
{
	struct tlspcap_socket server = events_socket_default();
	struct fixture f;

	(void)state;
	mirror(&server);
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_open(&f.events, 2, 200, "nginx");
	events_socket(&f.events, 2, 8, &server);
	events_data(&f.events, 2, TLSPCAP_RECEIVED, "a"); /* before the first one opened */
	events_secret(&f.events, 2, "A", 1, 1);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	events_data(&f.events, 2, TLSPCAP_SENT, "b");
	events_data(&f.events, 1, TLSPCAP_RECEIVED, "b");
	expect(&f, "secret:A open1 >1:a <1:b ");
	assert_int_equal(counts(&f)->both_ends, 1);
	/* The first ends, the second goes on: it stays silent. */
	events_close(&f.events, 1);
	events_state(&f.events, 7, ESTABLISHED, CLOSE);
	events_data(&f.events, 2, TLSPCAP_SENT, "c");
	events_close(&f.events, 2);
	events_state(&f.events, 8, ESTABLISHED, CLOSE);
	expect(&f, "close1:reset ");
	/* The 4-tuple again, later: a new one, seen from the other end now. */
	events_open(&f.events, 3, 200, "nginx");
	events_socket(&f.events, 3, 9, &server);
	events_data(&f.events, 3, TLSPCAP_SENT, "d");
	expect(&f, "open2 >2:d ");
	assert_int_equal(counts(&f)->data_bytes[TLSPCAP_SENT], 2);
	end(&f);
}

static void other_namespaces_are_other_ends(void **state)
{
	struct tlspcap_socket server = events_socket_default();
	struct fixture f;

	(void)state;
	mirror(&server);
	server.netns = 1;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_open(&f.events, 2, 200, "nginx");
	events_socket(&f.events, 2, 8, &server);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	events_data(&f.events, 2, TLSPCAP_SENT, "b");
	expect(&f, "open1 >1:a open2 >2:b ");
	end(&f);
}

static void both_ends_by_random(void **state)
{
	struct tlspcap_socket server = events_socket_default();
	struct fixture f;

	(void)state;
	mirror(&server);
	server.netns = 1;
	server.remote_port = 1234; /* translated on the way */
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	events_open(&f.events, 2, 200, "nginx");
	events_socket(&f.events, 2, 8, &server);
	events_secret(&f.events, 1, "A", 1, 1);
	events_secret(&f.events, 2, "A", 1, 1);
	events_data(&f.events, 2, TLSPCAP_RECEIVED, "a");
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "secret:A open1 >1:a ");
	assert_int_equal(counts(&f)->both_ends, 1);
	/* Somebody with the same role who uses the same random is somebody else. */
	connect_object(&f, 3, 9);
	events_secret(&f.events, 3, "B", 1, 1);
	events_data(&f.events, 3, TLSPCAP_SENT, "c");
	expect(&f, "secret:B open2 >2:c ");
	end(&f);
}

static void roles(void **state)
{
	static const struct {
		uint8_t role, tls_role;
		uint16_t local, remote;
		uint8_t expected;
		bool assumed;
	} cases[] = {
		{1, 2, 80, 5000, TLSPCAP_ROLE_CLIENT, false},
		{2, 0, 5000, 80, TLSPCAP_ROLE_SERVER, false},
		{0, 2, 5000, 80, TLSPCAP_ROLE_SERVER, false},
		{0, 0, 443, 50000, TLSPCAP_ROLE_SERVER, true},
		{0, 0, 50000, 443, TLSPCAP_ROLE_CLIENT, true},
		{0, 0, 443, 443, TLSPCAP_ROLE_CLIENT, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tlspcap_socket socket = events_socket_default();
		struct fixture f;

		socket.role = cases[i].role;
		socket.tls_role = cases[i].tls_role;
		socket.local_port = cases[i].local;
		socket.remote_port = cases[i].remote;
		begin(&f, NULL);
		events_socket(&f.events, 1, 7, &socket);
		events_data(&f.events, 1, TLSPCAP_SENT, "a");
		assert_int_equal(f.log.last.role, cases[i].expected);
		assert_int_equal(f.log.last.role_assumed, cases[i].assumed);
		end(&f);
	}
}

static void mapped_addresses_become_ipv4(void **state)
{
	static const uint8_t local[16] = {[10] = 255, [11] = 255, 10, 0, 0, 2};
	static const uint8_t remote[16] = {[10] = 255, [11] = 255, 192, 0, 2, 1};
	struct tlspcap_socket socket = events_socket_default();
	struct fixture f;

	(void)state;
	socket.family = AF_INET6;
	memcpy(socket.local, local, 16);
	memcpy(socket.remote, remote, 16);
	begin(&f, NULL);
	events_socket(&f.events, 1, 7, &socket);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	assert_int_equal(f.log.last.family, 4);
	assert_memory_equal(f.log.last.remote, remote + 12, 4);
	/* One side only: it stays IPv6. */
	socket.remote[0] = 0x20;
	events_socket(&f.events, 2, 8, &socket);
	events_data(&f.events, 2, TLSPCAP_SENT, "a");
	assert_int_equal(f.log.last.family, 6);
	assert_memory_equal(f.log.last.local, local, 16);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_it_ends),
		cmocka_unit_test(half_an_end),
		cmocka_unit_test(one_end_waits_for_the_other),
		cmocka_unit_test(parent_and_child_share_a_conversation),
		cmocka_unit_test(an_object_used_again),
		cmocka_unit_test(both_ends_by_address),
		cmocka_unit_test(other_namespaces_are_other_ends),
		cmocka_unit_test(both_ends_by_random),
		cmocka_unit_test(roles),
		cmocka_unit_test(mapped_addresses_become_ipv4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
