/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Blocks, byte by byte, and text that does not want to be clean. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <tlspcap/pcapng.h>

#define ROOM ((size_t)1 << 20)

static uint8_t *memory;

static uint32_t le(const uint8_t *at, int size)
{
	uint32_t value = 0;

	while (size--)
		value = value << 8 | at[size];
	return value;
}

/* The frame of a block; returns where the options start, after `fixed` bytes of body. */
static size_t assert_block(ssize_t length, uint32_t type, size_t fixed)
{
	assert_true(length >= 12);
	assert_int_equal(length % 4, 0);
	assert_int_equal(le(memory, 4), type);
	assert_int_equal(le(memory + 4, 4), length);
	assert_int_equal(le(memory + length - 4, 4), length);
	assert_true(8 + fixed + 4 <= (size_t)length);
	return 8 + fixed;
}

/* The option at *at, which moves on. NULL bytes: only its presence. */
static void assert_option(size_t *at, uint16_t code, const void *bytes, size_t length)
{
	size_t padded = (length + 3) & ~(size_t)3;

	assert_int_equal(le(memory + *at, 2), code);
	assert_int_equal(le(memory + *at + 2, 2), length);
	if (length)
		assert_memory_equal(memory + *at + 4, bytes, length);
	for (size_t i = length; i < padded; i++)
		assert_int_equal(memory[*at + 4 + i], 0);
	*at += 4 + padded;
}

static void assert_text(size_t *at, uint16_t code, const char *text)
{
	assert_option(at, code, text, strlen(text));
}

/* After the last option: opt_endofopt and the block's end, nothing else. */
static void assert_end(size_t at, ssize_t length)
{
	assert_option(&at, 0, NULL, 0);
	assert_int_equal(at + 4, length);
}

static void test_section(void **state)
{
	struct pcapng_section section = {"x86_64", "Linux 6.1", "tlspcap 0.1.0", "hello"};
	ssize_t length = pcapng_put_section(memory, ROOM, &section);
	size_t at = assert_block(length, 0x0a0d0d0a, 16);

	(void)state;
	assert_int_equal(le(memory + 8, 4), 0x1a2b3c4d);
	assert_int_equal(le(memory + 12, 4), 1); /* 1.0 */
	assert_int_equal(le(memory + 16, 4), UINT32_MAX);
	assert_int_equal(le(memory + 20, 4), UINT32_MAX);
	assert_text(&at, 2, "x86_64");
	assert_text(&at, 3, "Linux 6.1");
	assert_text(&at, 4, "tlspcap 0.1.0");
	assert_text(&at, 1, "hello");
	assert_end(at, length);
}

static void test_strings_that_are_not_there(void **state)
{
	struct pcapng_section section = {.os = "", .application = "a"};
	struct pcapng_interface interface = {0};
	ssize_t length = pcapng_put_section(memory, ROOM, &section);
	size_t at = assert_block(length, 0x0a0d0d0a, 16);

	(void)state;
	assert_text(&at, 4, "a");
	assert_end(at, length);
	length = pcapng_put_interface(memory, ROOM, &interface);
	at = assert_block(length, 1, 8);
	assert_option(&at, 9, "\x09", 1);
	assert_end(at, length);
}

static void test_interface(void **state)
{
	struct pcapng_interface interface = {"web", "container web", "tcp port 443", "Linux"};
	ssize_t length = pcapng_put_interface(memory, ROOM, &interface);
	size_t at = assert_block(length, 1, 8);

	(void)state;
	assert_int_equal(le(memory + 8, 4), 1); /* Ethernet */
	assert_int_equal(le(memory + 12, 4), 262144);
	assert_text(&at, 2, "web");
	assert_text(&at, 3, "container web");
	assert_option(&at, 9, "\x09", 1);
	assert_option(&at, 11, "\0tcp port 443", 13);
	assert_text(&at, 12, "Linux");
	assert_end(at, length);
}

static void test_secrets(void **state)
{
	static const char lines[] = "# a comment\nA 1 2\n";
	ssize_t length = pcapng_put_secrets(memory, ROOM, lines, sizeof(lines) - 1);

	(void)state;
	assert_block(length, 10, 8);
	assert_int_equal(length, 40);
	assert_int_equal(le(memory + 8, 4), 0x544c534b);
	assert_int_equal(le(memory + 12, 4), 18);
	assert_memory_equal(memory + 16, lines, 18);
	assert_int_equal(le(memory + 34, 2), 0);

	assert_int_equal(pcapng_put_secrets(memory, ROOM, lines, 0), -EINVAL);
	assert_int_equal(pcapng_put_secrets(memory, ROOM, lines, 17), -EINVAL);
	assert_int_equal(pcapng_put_secrets(memory, ROOM, "a\0b\n", 4), -EINVAL);
}

static void test_secrets_up_to_the_largest_block(void **state)
{
	size_t most = PCAPNG_BLOCK_MAX - 20, room = PCAPNG_BLOCK_MAX + 64;
	uint8_t *out = malloc(room);
	char *lines = malloc(most + 1);

	(void)state;
	assert_non_null(out);
	assert_non_null(lines);
	memset(lines, '\n', most + 1);
	assert_int_equal(pcapng_put_secrets(out, room, lines, most), PCAPNG_BLOCK_MAX);
	assert_int_equal(pcapng_put_secrets(out, room, lines, most + 1), -EINVAL);
	free(lines);
	free(out);
}

static void test_process(void **state)
{
	ssize_t length = pcapng_put_process(memory, ROOM, 123, "curl");
	size_t at = assert_block(length, 0x80000001, 4);

	(void)state;
	assert_int_equal(le(memory + 8, 4), 123);
	assert_text(&at, 2, "curl");
	assert_end(at, length);
	length = pcapng_put_process(memory, ROOM, 123, NULL);
	assert_end(assert_block(length, 0x80000001, 4), length);
}

static void test_packet(void **state)
{
	struct pcapng_packet packet = {
		.interface = 3,
		.time_ns = 0x1122334455667788,
		.direction = TLSPCAP_SENT,
		.comment = "pid=1;x",
		.comment_length = 6,
		.dropped = 0x123456789a,
		.process = 2,
	};
	size_t at;
	ssize_t length;

	(void)state;
	for (size_t caplen = 60; caplen < 64; caplen++) {
		memset(memory, 0xaa, 512);
		memset(memory + PCAPNG_PACKET_HEADER, 'p', caplen);
		length = pcapng_finish_packet(memory, ROOM, &packet, caplen);
		at = assert_block(length, 6, 20 + ((caplen + 3) & ~(size_t)3));
		assert_int_equal(le(memory + 8, 4), 3);
		assert_int_equal(le(memory + 12, 4), 0x11223344);
		assert_int_equal(le(memory + 16, 4), 0x55667788);
		assert_int_equal(le(memory + 20, 4), caplen);
		assert_int_equal(le(memory + 24, 4), caplen);
		for (size_t i = 28; i < at; i++)
			assert_int_equal(memory[i], i < 28 + caplen ? 'p' : 0);
		assert_option(&at, 2, "\x02\0\0\0", 4);
		assert_option(&at, 4, "\x9a\x78\x56\x34\x12\0\0\0", 8);
		assert_option(&at, 32769, "\x02\0\0\0", 4);
		assert_option(&at, 1, "pid=1;", 6);
		assert_end(at, length);
		assert_true((size_t)length <= PCAPNG_PACKET_ROOM(caplen, 6));
	}
}

static void test_packet_without_extras(void **state)
{
	struct pcapng_packet packet = {
		.direction = TLSPCAP_RECEIVED, .original_length = 2000, .process = -1};
	ssize_t length = pcapng_finish_packet(memory, ROOM, &packet, 54);
	size_t at = assert_block(length, 6, 20 + 56);

	(void)state;
	assert_int_equal(le(memory + 20, 4), 54);
	assert_int_equal(le(memory + 24, 4), 2000);
	assert_option(&at, 2, "\x01\0\0\0", 4);
	assert_end(at, length);
}

static void test_packets_that_cannot_be(void **state)
{
	struct pcapng_packet packet = {.process = -1, .original_length = 53};
	static char comment[65536];

	(void)state;
	assert_int_equal(pcapng_finish_packet(memory, ROOM, &packet, 54), -EINVAL);
	packet.original_length = 0;
	assert_true(pcapng_finish_packet(memory, ROOM, &packet, PCAPNG_SNAPLEN) > 0);
	assert_int_equal(pcapng_finish_packet(memory, ROOM, &packet, PCAPNG_SNAPLEN + 1), -EINVAL);
	memset(comment, 'c', sizeof(comment));
	packet.comment = comment;
	packet.comment_length = 65535;
	assert_true(pcapng_finish_packet(memory, ROOM, &packet, 54) > 65535);
	packet.comment_length = 65536;
	assert_int_equal(pcapng_finish_packet(memory, ROOM, &packet, 54), -EINVAL);
	packet.comment = NULL;
	assert_true(pcapng_finish_packet(memory, ROOM, &packet, 54) > 0);
}

static void test_statistics(void **state)
{
	struct pcapng_statistics stats = {
		.interface = 1,
		.time_ns = 0x100000002,
		.start_ns = 0x300000004,
		.end_ns = 0x500000006,
		.received = 7,
		.dropped = 8,
	};
	ssize_t length = pcapng_put_statistics(memory, ROOM, &stats);
	size_t at = assert_block(length, 5, 12);

	(void)state;
	assert_int_equal(le(memory + 8, 4), 1);
	assert_int_equal(le(memory + 12, 4), 1);
	assert_int_equal(le(memory + 16, 4), 2);
	assert_option(&at, 2, "\3\0\0\0\4\0\0\0", 8);
	assert_option(&at, 3, "\5\0\0\0\6\0\0\0", 8);
	assert_option(&at, 4, "\7\0\0\0\0\0\0\0", 8);
	assert_option(&at, 5, "\x8\0\0\0\0\0\0\0", 8);
	assert_end(at, length);
}

/* --- every block in too little room: refused, and not one byte written past it --- */

static ssize_t put_one(int which, uint8_t *out, size_t room)
{
	struct pcapng_section section = {"hardware", "os", "application", "comment"};
	struct pcapng_interface interface = {"name", "description", "filter", "os"};
	struct pcapng_packet packet = {
		.comment = "comment", .comment_length = 7, .dropped = 1, .process = 1};
	struct pcapng_statistics stats = {0};

	switch (which) {
	case 0:
		return pcapng_put_section(out, room, &section);
	case 1:
		return pcapng_put_interface(out, room, &interface);
	case 2:
		return pcapng_put_secrets(out, room, "# one line\n", 11);
	case 3:
		return pcapng_put_process(out, room, 1, "name");
	case 4:
		return pcapng_finish_packet(out, room, &packet, 61);
	default:
		return pcapng_put_statistics(out, room, &stats);
	}
}

static void test_no_room(void **state)
{
	(void)state;
	for (int which = 0; which < 6; which++) {
		ssize_t length = put_one(which, memory, ROOM);

		assert_true(length > 0);
		for (size_t room = 0; room <= (size_t)length; room++) {
			/* Of that size exactly: a sanitizer sees a byte too many. */
			uint8_t *out = malloc(room ? room : 1);
			ssize_t result;

			assert_non_null(out);
			memset(out, 0, room ? room : 1);
			result = put_one(which, out, room);
			assert_int_equal(result, room < (size_t)length ? -ENOBUFS : length);
			free(out);
		}
	}
}

/* --- text --- */

#define FFFD "\xef\xbf\xbd"

static void test_cleaning(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *clean;
	} cases[] = {
		{"curl", 4, "curl"},
		{"", 0, ""},
		{"a;b=c\"d", 7, "a_b_c_d"},
		{"a\0b", 3, "a_b"},
		{"a\nb\tc\x1b[31m\x7f", 11, "a_b_c_[31m_"},
		{"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
		{"\xe2\x82\xac \xf0\x9f\x98\x80", 8, "\xe2\x82\xac \xf0\x9f\x98\x80"},
		{"\x80\xff", 2, FFFD FFFD},
		{"\xc3", 1, FFFD},
		{"\xe2\x82", 2, FFFD FFFD},
		{"\xc3;", 2, FFFD "_"},
		{"\xc0\xaf", 2, FFFD FFFD},		      /* overlong '/' */
		{"\xe0\x80\xaf", 3, FFFD FFFD FFFD},	      /* longer yet */
		{"\xed\xa0\x80", 3, FFFD FFFD FFFD},	      /* surrogate */
		{"\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD}, /* past U+10FFFF */
		{"\xf8\x88\x80\x80\x80", 5, FFFD FFFD FFFD FFFD FFFD},
		{"\xc2\x9b"
		 "31m",
		 5, "_31m"}, /* CSI in one character */
		{"\xe2\x80\xae"
		 "txt",
		 6, "_txt"}, /* right-to-left override */
		{"\xe2\x80\xa8"
		 "x",
		 4, "_x"}, /* line separator */
		{"\xe2\x81\xa6"
		 "x",
		 4, "_x"}, /* isolate */
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = pcapng_clean_text(out, sizeof(out), cases[i].text, cases[i].length);

		assert_string_equal(out, cases[i].clean);
		assert_int_equal(length, strlen(cases[i].clean));
	}
}

static void test_cleaning_cuts_between_characters(void **state)
{
	static const size_t lengths[] = {0, 0, 1, 1, 1, 4, 4, 4, 4, 8, 8};
	static const char text[] = "a\xe2\x82\xac\xf0\x9f\x98\x80";
	char *out;

	(void)state;
	for (size_t size = 0; size < sizeof(lengths) / sizeof(lengths[0]); size++) {
		out = malloc(size ? size : 1);
		assert_non_null(out);
		assert_int_equal(pcapng_clean_text(out, size, text, sizeof(text) - 1),
				 lengths[size]);
		if (size)
			assert_int_equal(out[lengths[size]], 0);
		free(out);
	}
}

static void test_hostile_option_text(void **state)
{
	struct pcapng_section section = {.comment = "two\nlines; a=b\x1b[0m\xff"};
	ssize_t length = pcapng_put_section(memory, ROOM, &section);
	size_t at = assert_block(length, 0x0a0d0d0a, 16);

	(void)state;
	assert_text(&at, 1, "two lines; a=b [0m" FFFD);
	assert_end(at, length);
}

/* Longer than an option's length field can say: cut, and never inside a character. */
static void test_long_option_text(void **state)
{
	struct pcapng_interface interface = {0};
	char *text = malloc(200000);
	ssize_t length;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i + 2 < 199999; i += 2)
		memcpy(text + i, "\xc3\xbc", 3);
	interface.name = text;
	length = pcapng_put_interface(memory, ROOM, &interface);
	assert_block(length, 1, 8);
	assert_int_equal(le(memory + 16, 2), 2);
	assert_int_equal(le(memory + 18, 2), 65534);
	interface.name = NULL;
	interface.filter = text; /* a zero byte comes first */
	length = pcapng_put_interface(memory, ROOM, &interface);
	assert_block(length, 1, 8);
	assert_int_equal(le(memory + 24, 2), 11);
	assert_int_equal(le(memory + 26, 2), 65535);
	memset(text, 'a', 70000);
	length = pcapng_put_interface(memory, ROOM, &interface);
	assert_block(length, 1, 8);
	assert_int_equal(le(memory + 26, 2), 65535);
	assert_int_equal(memory[28 + 65534], 'a');
	assert_int_equal(memory[28 + 65535], 0); /* padding */
	free(text);
}

static struct tlspcap_secret secret_of(const char *label, uint32_t length)
{
	struct tlspcap_secret secret = {.secret_length = length};

	/* The NUL too, where there is room for it. */
	memcpy(secret.label, label, strnlen(label, sizeof(secret.label) - 1) + 1);
	for (int i = 0; i < TLSPCAP_RANDOM_LEN; i++)
		secret.client_random[i] = (uint8_t)i;
	memset(secret.secret, 0xab, sizeof(secret.secret));
	return secret;
}

static void test_secret_line(void **state)
{
	static const char expected[] =
		"SERVER_HANDSHAKE_TRAFFIC_SECRET "
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "
		"abababababababababababababababababababababababababababababababab\n";
	struct tlspcap_secret secret = secret_of("SERVER_HANDSHAKE_TRAFFIC_SECRET", 32);
	char line[PCAPNG_SECRET_LINE_MAX];
	ssize_t length = pcapng_secret_line(line, sizeof(line), &secret);

	(void)state;
	assert_string_equal(line, expected);
	assert_int_equal(length, sizeof(expected) - 1);
	for (size_t room = 0; room < sizeof(expected); room++)
		assert_int_equal(pcapng_secret_line(line, room, &secret), -ENOBUFS);
	secret = secret_of("A23456789012345678901234567890123456789", 64);
	assert_true(pcapng_secret_line(line, sizeof(line), &secret) > 0);
}

static void test_secrets_that_are_none(void **state)
{
	static const struct {
		const char *label;
		uint32_t length;
	} cases[] = {
		{"", 48},
		{"CLIENT RANDOM", 48},
		{"CLIENT_RANDOM\n", 48},
		{"client_random", 48},
		{"CLIENT_RANDOM\xff", 48},
		{"1234567890123456789012345678901234567890", 48}, /* no NUL */
		{"CLIENT_RANDOM", 47},
		{"CLIENT_RANDOM", 0},
		{"EXPORTER_SECRET", 31},
		{"EXPORTER_SECRET", 65},
		{"EXPORTER_SECRET", UINT32_MAX},
	};
	char line[PCAPNG_SECRET_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tlspcap_secret secret = secret_of(cases[i].label, cases[i].length);

		assert_int_equal(pcapng_secret_line(line, sizeof(line), &secret), -EINVAL);
	}
}

static int make_memory(void **state)
{
	(void)state;
	memory = malloc(ROOM);
	return memory ? 0 : -1;
}

static int free_memory(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section),
		cmocka_unit_test(test_strings_that_are_not_there),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_secrets_up_to_the_largest_block),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_packet_without_extras),
		cmocka_unit_test(test_packets_that_cannot_be),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_cleaning),
		cmocka_unit_test(test_cleaning_cuts_between_characters),
		cmocka_unit_test(test_hostile_option_text),
		cmocka_unit_test(test_long_option_text),
		cmocka_unit_test(test_secret_line),
		cmocka_unit_test(test_secrets_that_are_none),
	};

	return cmocka_run_group_tests(tests, make_memory, free_memory);
}
