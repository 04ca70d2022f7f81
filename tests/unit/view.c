/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>
#include <tlspcap/view.h>

struct collected {
	uint8_t bytes[2][65536];
	size_t length[2];
	size_t n;
	enum tlspcap_direction order[16];
	unsigned int flags;
};

static void collect(void *ctx, const struct view_segment *segment)
{
	struct collected *to = ctx;
	uint8_t *at = to->bytes[segment->direction] + to->length[segment->direction];

	assert_true(segment->head_length <= VIEW_HEAD_MAX);
	assert_true(segment->tail_length <= VIEW_TAIL_MAX);
	assert_true(segment->body_length <= TLSPCAP_CHUNK);
	assert_true(to->n < 16);
	to->order[to->n++] = segment->direction;
	to->flags = segment->flags;
	if (segment->head_length)
		memcpy(at, segment->head, segment->head_length);
	at += segment->head_length;
	if (segment->body_length)
		memcpy(at, segment->body, segment->body_length);
	at += segment->body_length;
	memset(at, 0, segment->tail_length);
	to->length[segment->direction] +=
		segment->head_length + segment->body_length + segment->tail_length;
}

/* Walks the records; returns how many, 0 when they do not add up. */
static size_t count_records(const uint8_t *at, size_t length)
{
	size_t n = 0;

	for (; length >= 5; n++) {
		size_t record = 5 + (size_t)(at[3] << 8 | at[4]);

		if (at[0] < 20 || at[0] > 23 || at[1] != 3 || record > length)
			return 0;
		at += record;
		length -= record;
	}
	return length ? 0 : n;
}

static void names_are_parsed(void **state)
{
	(void)state;
	assert_int_equal(view_parse("auto"), VIEW_AUTO);
	assert_int_equal(view_parse("plain"), VIEW_PLAIN);
	assert_int_equal(view_parse("null-tls"), VIEW_NULL_TLS);
	assert_int_equal(view_parse("tls"), VIEW_TLS);
	assert_int_equal(view_parse(""), -EINVAL);
	assert_int_equal(view_parse("Plain"), -EINVAL);
	for (int i = VIEW_AUTO; i <= VIEW_TLS; i++)
		assert_int_equal(view_parse(view_name((enum view_kind)i)), i);
}

static void plain_is_the_bytes(void **state)
{
	static struct collected got;
	static uint8_t bytes[TLSPCAP_CHUNK * 2 + 1];
	const struct conversation_info info = {.role = TLSPCAP_ROLE_CLIENT};

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memset(&got, 0, sizeof(got));
	view_open(VIEW_PLAIN, &info, collect, &got);
	assert_int_equal(got.n, 0);
	view_data(VIEW_PLAIN, TLSPCAP_RECEIVED, bytes, sizeof(bytes), collect, &got);
	view_data(VIEW_PLAIN, TLSPCAP_SENT, bytes, 0, collect, &got);
	view_close(VIEW_PLAIN, TLSPCAP_SENT, collect, &got);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.length[TLSPCAP_RECEIVED], sizeof(bytes));
	assert_memory_equal(got.bytes[TLSPCAP_RECEIVED], bytes, sizeof(bytes));
	assert_int_equal(got.flags, 0);
}

static void null_tls_is_a_session(void **state)
{
	static const uint8_t hello[] = {0x16, 3, 1, 0, 0x47, 1, 0, 0, 0x43, 3, 3};
	static const uint8_t suite[] = {0, 0, 2, 0, 0x3b, 1, 0, 0, 0x18};
	static const uint8_t extensions[] = {0,	  0,   0, 10, 0, 8, 0, 0, 5, 'a', '.', 'o',
					     'r', 'g', 0, 16, 0, 5, 0, 3, 2, 'h', '2'};
	static const uint8_t done[] = {0x16, 3, 3, 0, 4, 0x0e, 0, 0, 0};
	static const uint8_t finished[] = {0x14, 3, 3,	  0,	1, 1, 0x16, 3,
					   3,	 0, 0x30, 0x14, 0, 0, 0x0c};
	const struct conversation_info info = {
		.role = TLSPCAP_ROLE_SERVER, /* so that the client is the other side */
		.seed = 5,
		.server_name = "a.org",
		.alpn = "h2",
	};
	static struct collected got;
	const uint8_t *client = got.bytes[TLSPCAP_RECEIVED];
	const uint8_t *server = got.bytes[TLSPCAP_SENT];

	(void)state;
	memset(&got, 0, sizeof(got));
	view_open(VIEW_NULL_TLS, &info, collect, &got);
	assert_int_equal(got.flags, VIEW_SEGMENT_FABRICATED);
	assert_int_equal(got.n, 4);
	assert_int_equal(got.order[0], TLSPCAP_RECEIVED);
	assert_int_equal(got.order[1], TLSPCAP_SENT);
	assert_int_equal(got.order[2], TLSPCAP_RECEIVED);
	assert_int_equal(got.order[3], TLSPCAP_SENT);
	assert_int_equal(count_records(client, got.length[TLSPCAP_RECEIVED]), 4);
	assert_int_equal(count_records(server, got.length[TLSPCAP_SENT]), 4);

	assert_int_equal(client[4], 4 + 2 + 32 + sizeof(suite) - 1 + 1 + sizeof(extensions));
	assert_memory_equal(client, hello, 4);
	assert_memory_equal(client + 5, hello + 5, 3);
	assert_int_equal(client[8], client[4] - 4);
	assert_memory_equal(client + 9, hello + 9, 2);
	assert_memory_equal(client + 11 + 32, suite, sizeof(suite) - 1);
	assert_int_equal(client[11 + 32 + sizeof(suite) - 1], sizeof(extensions));
	assert_memory_equal(client + 11 + 32 + sizeof(suite), extensions, sizeof(extensions));

	server += 5 + server[4];
	assert_memory_equal(server, done, sizeof(done));
	server += sizeof(done);
	assert_memory_equal(server, finished, sizeof(finished));
}

static void null_tls_wraps_and_closes(void **state)
{
	static const uint8_t data[] = {0x17, 3, 3, 0, 34, 'h', 'i'};
	static const uint8_t alert[] = {0x15, 3, 3, 0, 34, 1, 0};
	static const uint8_t zeros[32];
	static uint8_t bytes[TLSPCAP_CHUNK + 1];
	static struct collected got;
	const uint8_t *at = got.bytes[TLSPCAP_SENT];

	(void)state;
	memset(&got, 0, sizeof(got));
	view_data(VIEW_NULL_TLS, TLSPCAP_SENT, (const uint8_t *)"hi", 2, collect, &got);
	assert_int_equal(got.flags, 0);
	view_close(VIEW_NULL_TLS, TLSPCAP_SENT, collect, &got);
	assert_memory_equal(at, data, sizeof(data));
	assert_memory_equal(at + sizeof(data), zeros, sizeof(zeros));
	at += sizeof(data) + sizeof(zeros);
	assert_memory_equal(at, alert, sizeof(alert));
	view_data(VIEW_NULL_TLS, TLSPCAP_RECEIVED, bytes, sizeof(bytes), collect, &got);
	assert_int_equal(count_records(got.bytes[TLSPCAP_RECEIVED], got.length[TLSPCAP_RECEIVED]),
			 2);
	assert_int_equal(got.length[TLSPCAP_RECEIVED], sizeof(bytes) + 2 * (5 + 32));
}

static void the_longest_names_fit(void **state)
{
	struct conversation_info info = {.role = TLSPCAP_ROLE_CLIENT};
	static struct collected got;

	(void)state;
	memset(info.server_name, 'n', TLSPCAP_INFO_LEN - 1);
	memset(info.alpn, 'a', TLSPCAP_INFO_LEN - 1);
	memset(&got, 0, sizeof(got));
	view_open(VIEW_NULL_TLS, &info, collect, &got);
	assert_int_equal(count_records(got.bytes[0], got.length[0]), 4);
	assert_int_equal(count_records(got.bytes[1], got.length[1]), 4);
}

static void the_random_is_never_a_real_one(void **state)
{
	struct conversation_info info = {.role = TLSPCAP_ROLE_CLIENT, .seed = 9};
	static struct collected first, second;

	(void)state;
	memset(&first, 0, sizeof(first));
	view_open(VIEW_NULL_TLS, &info, collect, &first);
	info.has_random = true;
	memcpy(info.client_random, first.bytes[TLSPCAP_SENT] + 11, TLSPCAP_RANDOM_LEN);
	memset(&second, 0, sizeof(second));
	view_open(VIEW_NULL_TLS, &info, collect, &second);
	assert_memory_not_equal(second.bytes[TLSPCAP_SENT] + 11, info.client_random,
				TLSPCAP_RANDOM_LEN);
}

static void the_server_port_chooses(void **state)
{
	static const struct {
		uint16_t local, remote;
		enum tlspcap_role role;
		bool assumed, known;
		enum view_kind expected;
	} cases[] = {
		{50000, 443, TLSPCAP_ROLE_CLIENT, false, true, VIEW_NULL_TLS},
		{50000, 80, TLSPCAP_ROLE_CLIENT, false, true, VIEW_PLAIN},
		{8080, 50000, TLSPCAP_ROLE_SERVER, false, true, VIEW_PLAIN},
		{8080, 443, TLSPCAP_ROLE_CLIENT, false, true, VIEW_NULL_TLS},
		{8080, 443, TLSPCAP_ROLE_CLIENT, true, true, VIEW_PLAIN},
		{50000, 6379, TLSPCAP_ROLE_CLIENT, false, true, VIEW_PLAIN},
		{50000, 80, TLSPCAP_ROLE_CLIENT, false, false, VIEW_NULL_TLS},
		/* The table's ends, and a range's. */
		{50000, 7, TLSPCAP_ROLE_CLIENT, false, true, VIEW_PLAIN},
		{50000, 57000, TLSPCAP_ROLE_CLIENT, false, true, VIEW_PLAIN},
		{50000, 6000, TLSPCAP_ROLE_CLIENT, false, true, VIEW_PLAIN},
		{50000, 6063, TLSPCAP_ROLE_CLIENT, false, true, VIEW_PLAIN},
		{50000, 5999, TLSPCAP_ROLE_CLIENT, false, true, VIEW_NULL_TLS},
		{50000, 6064, TLSPCAP_ROLE_CLIENT, false, true, VIEW_NULL_TLS},
		{50000, 1, TLSPCAP_ROLE_CLIENT, false, true, VIEW_NULL_TLS},
		{50000, 65535, TLSPCAP_ROLE_CLIENT, false, true, VIEW_NULL_TLS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct conversation_info info = {
			.local_port = cases[i].local,
			.remote_port = cases[i].remote,
			.role = cases[i].role,
			.role_assumed = cases[i].assumed,
			.addresses_known = cases[i].known,
		};

		assert_int_equal(view_choose(&info), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_parsed),
		cmocka_unit_test(plain_is_the_bytes),
		cmocka_unit_test(null_tls_is_a_session),
		cmocka_unit_test(null_tls_wraps_and_closes),
		cmocka_unit_test(the_longest_names_fit),
		cmocka_unit_test(the_random_is_never_a_real_one),
		cmocka_unit_test(the_server_port_chooses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
