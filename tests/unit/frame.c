/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Frames, taken apart and summed by code that shares nothing with the stage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <tlspcap/frame.h>

#include "frame/checksum.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct parsed {
	const uint8_t *ip, *tcp, *options, *payload;
	size_t ip_length, tcp_length, options_length, payload_length;
	uint32_t seq, ack;
	uint8_t flags;
	bool ipv6;
};

static uint8_t memory[FRAME_MAX];

static uint32_t be(const uint8_t *at, int size)
{
	uint32_t value = 0;

	for (int i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

/* The sum as RFC 1071 defines it: pairs of bytes, big-endian, carries added at the end. */
static uint32_t plain_sum(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

static void assert_checksums(const struct parsed *p)
{
	uint64_t sum = 6 + p->tcp_length + plain_sum(p->tcp, p->tcp_length);

	sum += p->ipv6 ? plain_sum(p->ip + 8, 32) : plain_sum(p->ip + 12, 8);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	if (!p->ipv6)
		assert_int_equal(plain_sum(p->ip, 20), 0xffff);
}

/* Everything that is the same in all frames is asserted here. */
static struct parsed parse(const uint8_t *frame, size_t length)
{
	struct parsed p = {.ip = frame + 14};

	assert_true(length >= 14 + 20 + 20);
	p.ipv6 = be(frame + 12, 2) == 0x86dd;
	p.ip_length = p.ipv6 ? 40 : 20;
	p.tcp = p.ip + p.ip_length;
	p.tcp_length = length - 14 - p.ip_length;
	p.options = p.tcp + 20;
	p.options_length = (size_t)(p.tcp[12] >> 4) * 4 - 20;
	p.payload = p.options + p.options_length;
	p.payload_length = p.tcp_length - 20 - p.options_length;
	p.seq = be(p.tcp + 4, 4);
	p.ack = be(p.tcp + 8, 4);
	p.flags = p.tcp[13];
	if (p.ipv6) {
		assert_int_equal(be(p.ip, 4), 0x60000000);
		assert_int_equal(be(p.ip + 4, 2), p.tcp_length);
		assert_int_equal(p.ip[6], 6);
		assert_int_equal(p.ip[7], 64);
	} else {
		assert_int_equal(be(frame + 12, 2), 0x0800);
		assert_int_equal(be(p.ip, 2), 0x4500);
		assert_int_equal(be(p.ip + 2, 2), p.tcp_length + 20);
		assert_int_equal(be(p.ip + 6, 2), 0x4000);
		assert_int_equal(p.ip[8], 64);
		assert_int_equal(p.ip[9], 6);
	}
	assert_int_equal(be(p.tcp + 14, 2), 65535);
	assert_int_equal(be(p.tcp + 18, 2), 0);
	assert_checksums(&p);
	return p;
}

static struct frame_flow flow_of(uint16_t family)
{
	struct frame_flow flow = {
		.family = family,
		.local = {10, 0, 0, 1, 0x20, 1, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8},
		.remote = {10, 0, 0, 2, 0x20, 1, 0xff, 0xfe, 9, 8, 7, 6, 5, 4, 3, 2},
		.local_port = 40000,
		.remote_port = 443,
		.netns = 0xf0123456,
		.seed = 42,
	};

	return flow;
}

static struct frame_stream *stream_of(uint16_t family)
{
	struct frame_flow flow = flow_of(family);
	struct frame_stream *stream = frame_stream_new(&flow);

	assert_non_null(stream);
	return stream;
}

static struct parsed build(struct frame_stream *stream, enum frame_kind kind,
			   enum tlspcap_direction direction)
{
	size_t length = frame_build(stream, kind, direction, NULL, 0, memory, sizeof(memory));

	assert_true(length > 0);
	return parse(memory, length);
}

static struct parsed build_data(struct frame_stream *stream, enum tlspcap_direction direction,
				const void *bytes, size_t size)
{
	struct frame_piece piece = {bytes, size};
	size_t length =
		frame_build(stream, FRAME_DATA, direction, &piece, 1, memory, sizeof(memory));

	assert_true(length > 0);
	return parse(memory, length);
}

static void assert_nothing(struct frame_stream *stream, enum frame_kind kind,
			   enum tlspcap_direction direction)
{
	assert_int_equal(frame_build(stream, kind, direction, NULL, 0, memory, sizeof(memory)), 0);
}

static void test_checksum_of_every_length(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (int fill = 0; fill < 3; fill++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = fill == 0 ? 0xff : fill == 1 ? (uint8_t)(i * 167 + 13) : 0;
		for (size_t start = 0; start < 9; start++) {
			for (size_t length = 0; length <= sizeof(bytes) - start; length++) {
				uint64_t sum = frame_checksum_add(0, bytes + start, length);
				uint16_t folded = frame_checksum_fold(sum);
				uint8_t stored[2];

				memcpy(stored, &folded, 2);
				assert_int_equal(be(stored, 2),
						 0xffff ^ plain_sum(bytes + start, length));
			}
		}
	}
}

static void test_checksum_survives_every_carry(void **state)
{
	uint16_t folded;

	(void)state;
	/* A sum of all ones in each half is zero; and what 64 bits can hold does not overflow. */
	folded = frame_checksum_fold(UINT64_MAX);
	assert_int_equal(folded, 0);
	folded = frame_checksum_fold(UINT64_C(0xfffffffe00000001));
	assert_int_equal(folded, 0);
	/* A carry out of the last addition but one. */
	folded = frame_checksum_fold(UINT64_C(0x00010000ffffffff));
	assert_int_equal(folded, 0xfffe);
}

/* Odd pieces in every place, zeros among them. */
static void test_pieces_keep_bytes_and_checksum(void **state)
{
	static uint8_t source[8192];
	uint8_t expected[4 * 1024];
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(source); i++)
		source[i] = (uint8_t)((random = random * 1103515245 + 12345) >> 16);
	for (int round = 0; round < 2000; round++) {
		struct frame_stream *stream = stream_of(round % 2 ? 4 : 6);
		struct frame_piece pieces[4];
		size_t total = 0, n = 1 + round % 4, length;
		struct parsed p;

		for (size_t i = 0; i < n; i++) {
			random = random * 1103515245 + 12345;
			pieces[i].length = (random >> 16) % (i == 0 ? 64 : 1024);
			pieces[i].bytes = (random >> 8) % 5 ? source + (random >> 20) % 4096 : NULL;
			if (pieces[i].bytes)
				memcpy(expected + total, pieces[i].bytes, pieces[i].length);
			else
				memset(expected + total, 0, pieces[i].length);
			total += pieces[i].length;
		}
		memset(memory, 0xaa, sizeof(memory));
		length = frame_build(stream, FRAME_DATA, TLSPCAP_SENT, pieces, n, memory,
				     sizeof(memory));
		if (total == 0) {
			assert_int_equal(length, 0);
		} else {
			p = parse(memory, length);
			assert_int_equal(p.payload_length, total);
			assert_memory_equal(p.payload, expected, total);
			assert_int_equal(memory[length], 0xaa);
		}
		frame_stream_free(stream);
	}
}

static void test_headers_name_both_sides(void **state)
{
	static const uint8_t local_mac[] = {2, 0, 0xf0, 0x12, 0x34, 0x56};
	static const uint8_t remote_mac[] = {2, 1, 0xf0, 0x12, 0x34, 0x56};

	(void)state;
	for (uint16_t family = 4; family <= 6; family += 2) {
		struct frame_flow flow = flow_of(family);
		struct frame_stream *stream = frame_stream_new(&flow);
		size_t size = family == 4 ? 4 : 16, at = family == 4 ? 12 : 8;
		struct parsed p = build(stream, FRAME_SYN, TLSPCAP_RECEIVED);

		assert_memory_equal(memory, remote_mac, 6);
		assert_memory_equal(memory + 6, local_mac, 6);
		assert_memory_equal(p.ip + at, flow.local, size);
		assert_memory_equal(p.ip + at + size, flow.remote, size);
		assert_int_equal(be(p.tcp, 2), 40000);
		assert_int_equal(be(p.tcp + 2, 2), 443);

		p = build(stream, FRAME_SYN_ACK, TLSPCAP_SENT);
		assert_memory_equal(memory, local_mac, 6);
		assert_memory_equal(memory + 6, remote_mac, 6);
		assert_memory_equal(p.ip + at, flow.remote, size);
		assert_memory_equal(p.ip + at + size, flow.local, size);
		assert_int_equal(be(p.tcp, 2), 443);
		assert_int_equal(be(p.tcp + 2, 2), 40000);
		frame_stream_free(stream);
	}
}

static void test_the_client_sends_the_syn(void **state)
{
	struct frame_flow flow = flow_of(4);
	struct frame_stream *stream;
	struct parsed p;

	(void)state;
	flow.local_is_server = true;
	flow.local_port = 443;
	flow.remote_port = 40000;
	stream = frame_stream_new(&flow);
	p = build(stream, FRAME_SYN, TLSPCAP_SENT);
	assert_int_equal(be(p.tcp + 2, 2), 443);
	assert_memory_equal(p.ip + 12, flow.remote, 4);
	p = build(stream, FRAME_SYN_ACK, TLSPCAP_SENT);
	assert_int_equal(be(p.tcp, 2), 443);
	frame_stream_free(stream);
}

static void test_syn_options(void **state)
{
	(void)state;
	for (uint16_t family = 4; family <= 6; family += 2) {
		struct frame_stream *stream = stream_of(family);

		for (int i = 0; i < 2; i++) {
			struct parsed p = build(stream, i ? FRAME_SYN_ACK : FRAME_SYN, 0);

			assert_int_equal(p.flags, i ? SYN | ACK : SYN);
			assert_int_equal(p.options_length, 8);
			assert_int_equal(be(p.options, 2), 0x0204);
			assert_int_equal(be(p.options + 2, 2), frame_payload_max(stream));
			assert_int_equal(be(p.options + 4, 4), 0x01030307);
			assert_int_equal(p.payload_length, 0);
		}
		frame_stream_free(stream);
	}
}

/* The whole life of a connection: each number by hand. */
static void test_sequence_numbers(void **state)
{
	struct frame_stream *stream = stream_of(4);
	struct parsed p = build(stream, FRAME_SYN, 0);
	uint32_t c = p.seq, s;

	(void)state;
	assert_int_equal(p.ack, 0);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 1);
	p = build(stream, FRAME_SYN_ACK, 0);
	s = p.seq;
	assert_int_not_equal(s, c);
	assert_int_equal(p.ack, c + 1);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 0);
	p = build(stream, FRAME_ACK, TLSPCAP_SENT);
	assert_int_equal(p.flags, ACK);
	assert_int_equal(p.seq, c + 1);
	assert_int_equal(p.ack, s + 1);
	assert_nothing(stream, FRAME_ACK, TLSPCAP_SENT);
	assert_nothing(stream, FRAME_ACK, TLSPCAP_RECEIVED);

	p = build_data(stream, TLSPCAP_SENT, "hello", 5);
	assert_int_equal(p.flags, PSH | ACK);
	assert_int_equal(p.seq, c + 1);
	assert_int_equal(p.ack, s + 1);
	p = build_data(stream, TLSPCAP_SENT, NULL, 1000);
	assert_int_equal(p.seq, c + 6);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 1005);
	p = build_data(stream, TLSPCAP_RECEIVED, "world!", 6);
	assert_int_equal(p.seq, s + 1);
	assert_int_equal(p.ack, c + 1006);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 0);
	/* The data carried that acknowledgement already. */
	assert_nothing(stream, FRAME_ACK, TLSPCAP_RECEIVED);

	p = build(stream, FRAME_FIN, TLSPCAP_RECEIVED);
	assert_int_equal(p.flags, FIN | ACK);
	assert_int_equal(p.seq, s + 7);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_RECEIVED), 7);
	p = build(stream, FRAME_ACK, TLSPCAP_SENT);
	assert_int_equal(p.seq, c + 1006);
	assert_int_equal(p.ack, s + 8);
	p = build(stream, FRAME_FIN, TLSPCAP_SENT);
	assert_int_equal(p.seq, c + 1006);
	assert_int_equal(p.ack, s + 8);
	p = build(stream, FRAME_ACK, TLSPCAP_RECEIVED);
	assert_int_equal(p.seq, s + 8);
	assert_int_equal(p.ack, c + 1007);
	assert_nothing(stream, FRAME_ACK, TLSPCAP_SENT);
	frame_stream_free(stream);
}

static void test_reset_uses_no_sequence_number(void **state)
{
	struct frame_stream *stream = stream_of(6);
	uint32_t seq;
	struct parsed p;

	(void)state;
	build_data(stream, TLSPCAP_SENT, "x", 1);
	seq = build_data(stream, TLSPCAP_SENT, "y", 1).seq;
	p = build(stream, FRAME_RST, TLSPCAP_SENT);
	assert_int_equal(p.flags, RST | ACK);
	assert_int_equal(p.seq, seq + 1);
	p = build(stream, FRAME_RST, TLSPCAP_SENT);
	assert_int_equal(p.seq, seq + 1);
	frame_stream_free(stream);
}

/* A stream that begins in the middle: numbers as if the SYNs had been there. */
static void test_without_handshake(void **state)
{
	struct frame_stream *stream = stream_of(4);
	uint32_t c, s;
	struct parsed p;

	(void)state;
	assert_nothing(stream, FRAME_ACK, TLSPCAP_SENT);
	p = build_data(stream, TLSPCAP_SENT, "a", 1);
	c = p.seq;
	s = p.ack;
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 1);
	p = build_data(stream, TLSPCAP_RECEIVED, "b", 1);
	assert_int_equal(p.seq, s);
	assert_int_equal(p.ack, c + 1);
	assert_nothing(stream, FRAME_SYN, 0);
	assert_nothing(stream, FRAME_SYN_ACK, 0);
	frame_stream_free(stream);
}

static void test_sequence_numbers_wrap(void **state)
{
	struct frame_flow flow = flow_of(4);
	struct frame_stream *stream = NULL;
	uint32_t c = 0, seq;
	struct parsed p;

	(void)state;
	/* Any seed whose first number is less than 128 KiB from the end. */
	for (flow.seed = 0; c < UINT32_MAX - 131072; flow.seed++) {
		frame_stream_free(stream);
		stream = frame_stream_new(&flow);
		c = build(stream, FRAME_SYN, 0).seq;
	}
	build(stream, FRAME_SYN_ACK, 0);
	seq = c + 1;
	for (int i = 0; i < 4; i++) {
		p = build_data(stream, TLSPCAP_SENT, NULL, FRAME_PAYLOAD_MAX_V4);
		assert_int_equal(p.seq, seq);
		seq += FRAME_PAYLOAD_MAX_V4;
	}
	assert_true(seq < c); /* it did wrap */
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 4 * FRAME_PAYLOAD_MAX_V4);
	p = build(stream, FRAME_ACK, TLSPCAP_RECEIVED);
	assert_int_equal(p.ack, seq);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 0);
	assert_nothing(stream, FRAME_ACK, TLSPCAP_RECEIVED);
	frame_stream_free(stream);
}

static void test_restart_takes_new_numbers(void **state)
{
	struct frame_stream *stream = stream_of(4), *twin = stream_of(4);
	uint32_t c = build(stream, FRAME_SYN, 0).seq, s = build(stream, FRAME_SYN_ACK, 0).seq;
	struct parsed p;

	(void)state;
	/* The same seed gives the same numbers. */
	assert_int_equal(build(twin, FRAME_SYN, 0).seq, c);
	assert_int_equal(build(twin, FRAME_SYN_ACK, 0).seq, s);
	build_data(stream, TLSPCAP_SENT, "abc", 3);
	frame_stream_restart(stream);
	frame_stream_restart(twin);
	assert_int_equal(frame_unacknowledged(stream, TLSPCAP_SENT), 0);
	p = build(stream, FRAME_SYN, 0);
	assert_int_not_equal(p.seq, c);
	assert_int_equal(build(twin, FRAME_SYN, 0).seq, p.seq);
	p = build(stream, FRAME_SYN_ACK, 0);
	assert_int_not_equal(p.seq, s);
	assert_int_equal(build(twin, FRAME_SYN_ACK, 0).seq, p.seq);
	frame_stream_restart(stream);
	p = build(stream, FRAME_SYN, 0);
	assert_int_not_equal(p.seq, c); /* nor those of before */
	frame_stream_free(stream);
	frame_stream_free(twin);
}

static void test_ipv4_identification_increases(void **state)
{
	struct frame_stream *stream = stream_of(4);
	uint32_t id[2] = {0, 0};

	(void)state;
	for (int i = 0; i < 70000; i++) {
		int direction = i % 3 == 0;
		uint32_t now = be(build_data(stream, direction, "x", 1).ip + 4, 2);

		if (i >= 3)
			assert_int_equal(now, (id[direction] + 1) & 0xffff);
		id[direction] = now;
	}
	frame_stream_free(stream);
}

/* What is refused leaves no trace: the stream goes on like one that was never asked. */
static void test_refusal_changes_nothing(void **state)
{
	static const uint8_t big[FRAME_PAYLOAD_MAX_V6 + 1];

	(void)state;
	for (uint16_t family = 4; family <= 6; family += 2) {
		struct frame_stream *stream = stream_of(family), *twin = stream_of(family);
		size_t max = frame_payload_max(stream), length;
		struct frame_piece whole = {big, max}, over = {big, max + 1}, none = {big, 0};
		struct frame_piece wraps[] = {{big, 2}, {big, SIZE_MAX}};
		static uint8_t expected[FRAME_MAX];

		assert_int_equal(max, family == 4 ? 65495 : 65515);
		length = frame_build(twin, FRAME_DATA, 0, &whole, 1, expected, sizeof(expected));
		assert_int_equal(length, max + 34 + (family == 4 ? 20 : 40));
		assert_int_equal(frame_build(stream, FRAME_DATA, 0, &over, 1, memory, SIZE_MAX), 0);
		assert_int_equal(frame_build(stream, FRAME_DATA, 0, wraps, 2, memory, SIZE_MAX), 0);
		assert_int_equal(frame_build(stream, FRAME_DATA, 0, &none, 1, memory, FRAME_MAX),
				 0);
		assert_int_equal(frame_build(stream, FRAME_DATA, 0, NULL, 0, memory, FRAME_MAX), 0);
		assert_int_equal(frame_build(stream, FRAME_DATA, 0, &whole, 1, memory, length - 1),
				 0);
		assert_int_equal(frame_build(stream, FRAME_SYN, 0, NULL, 0, memory, 60), 0);
		assert_int_equal(frame_build(stream, FRAME_DATA, 0, &whole, 1, memory, length),
				 length);
		assert_memory_equal(memory, expected, length);
		frame_stream_free(stream);
		frame_stream_free(twin);
	}
}

static void test_unknown_family(void **state)
{
	struct frame_flow flow = flow_of(10);

	(void)state;
	assert_null(frame_stream_new(&flow));
	frame_stream_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum_of_every_length),
		cmocka_unit_test(test_checksum_survives_every_carry),
		cmocka_unit_test(test_pieces_keep_bytes_and_checksum),
		cmocka_unit_test(test_headers_name_both_sides),
		cmocka_unit_test(test_the_client_sends_the_syn),
		cmocka_unit_test(test_syn_options),
		cmocka_unit_test(test_sequence_numbers),
		cmocka_unit_test(test_reset_uses_no_sequence_number),
		cmocka_unit_test(test_without_handshake),
		cmocka_unit_test(test_sequence_numbers_wrap),
		cmocka_unit_test(test_restart_takes_new_numbers),
		cmocka_unit_test(test_ipv4_identification_increases),
		cmocka_unit_test(test_refusal_changes_nothing),
		cmocka_unit_test(test_unknown_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
