/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* http2 against nghttp2's own compression: whoever begins late reads every header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <http2/internal.h>

#define MEMORY ((size_t)4 << 20)

/* What was sent, in its order. */
struct fixture {
	struct http2_memory memory;
	struct http2 *http2;
	nghttp2_hd_deflater *deflaters[2];
	uint8_t bytes[1 << 20], sides[1 << 20];
	size_t length;
};

static void add(struct fixture *f, int side, const void *bytes, size_t length)
{
	assert_true(f->length + length <= sizeof(f->bytes));
	if (length)
		memcpy(f->bytes + f->length, bytes, length);
	memset(f->sides + f->length, side, length);
	f->length += length;
}

static void add_frame(struct fixture *f, int side, uint8_t type, uint8_t flags, uint8_t stream,
		      const void *payload, size_t length)
{
	const uint8_t header[FRAME_HEADER] = {(uint8_t)(length >> 16),
					      (uint8_t)(length >> 8),
					      (uint8_t)length,
					      type,
					      flags,
					      0,
					      0,
					      0,
					      stream};

	add(f, side, header, sizeof(header));
	add(f, side, payload, length);
}

static void add_settings(struct fixture *f, int side, uint32_t table)
{
	const uint8_t payload[] = {0,
				   3,
				   0,
				   0,
				   0,
				   100,
				   0,
				   1,
				   (uint8_t)(table >> 24),
				   (uint8_t)(table >> 16),
				   (uint8_t)(table >> 8),
				   (uint8_t)table};

	add_frame(f, side, FRAME_SETTINGS, 0, 0, payload, sizeof(payload));
	add_frame(f, !side, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
	assert_int_equal(nghttp2_hd_deflate_change_table_size(f->deflaters[!side], table), 0);
}

/* A message's headers, some of them new, in as many frames as that makes. */
static void add_headers(struct fixture *f, int side, unsigned int number, size_t frame)
{
	char path[64], value[600];
	nghttp2_nv fields[] = {
		{(uint8_t *)":path", (uint8_t *)path, 5, 0, 0},
		{(uint8_t *)"x-token", (uint8_t *)"always the same", 7, 15, 0},
		{(uint8_t *)"x-value", (uint8_t *)value, 7, 0, 0},
	};
	uint8_t block[2048], payload[2100] = {3};
	ssize_t length;
	size_t at;

	snprintf(path, sizeof(path), "/%u", number % 9);
	snprintf(value, sizeof(value), "%0*u", (int)(number * 7 % 500 + 1), number);
	fields[0].valuelen = strlen(path);
	fields[2].valuelen = strlen(value);
	length = nghttp2_hd_deflate_hd(f->deflaters[side], block, sizeof(block), fields, 3);
	assert_true(length > 0);
	/* The first with padding and priority. */
	at = (size_t)length < frame ? (size_t)length : frame;
	memcpy(payload + 6, block, at);
	add_frame(f, side, FRAME_HEADERS,
		  FLAG_PADDED | FLAG_PRIORITY | (at == (size_t)length ? FLAG_END_HEADERS : 0), 1,
		  payload, 6 + at + 3);
	while (at < (size_t)length) {
		size_t n = (size_t)length - at < frame ? (size_t)length - at : frame;

		add_frame(f, side, FRAME_CONTINUATION,
			  at + n == (size_t)length ? FLAG_END_HEADERS : 0, 1, block + at, n);
		at += n;
	}
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->memory.left = MEMORY;
	f->http2 = http2_new(&f->memory);
	for (int side = 0; side < 2; side++)
		assert_int_equal(nghttp2_hd_deflate_new(&f->deflaters[side], 65536), 0);
	add(f, HTTP2_CLIENT, http2_preface, PREFACE_LENGTH);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http2_free(f->http2);
	assert_int_equal(f->memory.left, MEMORY);
	for (int side = 0; side < 2; side++)
		nghttp2_hd_deflate_del(f->deflaters[side]);
	free(f);
	return 0;
}

/* From one place to another, in pieces of this size at most. */
static void feed(const struct fixture *f, struct http2 *http2, size_t from, size_t to, size_t piece)
{
	while (from < to) {
		size_t n = 1;

		while (n < piece && from + n < to && f->sides[from + n] == f->sides[from])
			n++;
		http2_feed(http2, f->sides[from], f->bytes + from, n);
		from += n;
	}
}

static void hear(void *ctx, enum http2_side side, const uint8_t *bytes, size_t length)
{
	http2_feed(ctx, side, bytes, length);
}

static void same_tables(const struct http2 *one, const struct http2 *other)
{
	assert_true(http2_is_whole(one));
	assert_true(http2_is_whole(other));
	for (int side = 0; side < 2; side++) {
		nghttp2_hd_inflater *a = one->sides[side].inflater;
		nghttp2_hd_inflater *b = other->sides[side].inflater;
		size_t n = nghttp2_hd_inflate_get_num_table_entries(a);

		assert_int_equal(n, nghttp2_hd_inflate_get_num_table_entries(b));
		for (size_t i = 62; i <= n; i++) {
			const nghttp2_nv *x = nghttp2_hd_inflate_get_table_entry(a, i);
			const nghttp2_nv *y = nghttp2_hd_inflate_get_table_entry(b, i);

			assert_int_equal(x->namelen, y->namelen);
			assert_int_equal(x->valuelen, y->valuelen);
			assert_memory_equal(x->name, y->name, x->namelen);
			assert_memory_equal(x->value, y->value, x->valuelen);
		}
	}
}

static void talk(struct fixture *f)
{
	uint8_t body[3000] = {7};

	for (unsigned int i = 0; i < 40; i++) {
		add_headers(f, HTTP2_CLIENT, i, i % 3 ? 2000 : 100);
		add_headers(f, HTTP2_SERVER, 2 * i, 2000);
		add_frame(f, HTTP2_SERVER, FRAME_DATA, FLAG_PADDED | FLAG_END_STREAM, 1, body,
			  sizeof(body));
		add_frame(f, HTTP2_CLIENT, 8, 0, 0, "\0\1\0\0", 4); /* WINDOW_UPDATE */
		if (i == 10)
			add_settings(f, HTTP2_CLIENT, 300);
		if (i == 20)
			add_settings(f, HTTP2_SERVER, 20000);
		if (i == 25)
			add_settings(f, HTTP2_CLIENT, 4096);
	}
}

/* Wherever a reader begins, he has the same tables in the end. */
static void begins_anywhere(void **state)
{
	struct fixture *f = *state;

	talk(f);
	for (size_t cut = 0; cut < f->length; cut += 97) {
		struct http2_memory memory = {.left = MEMORY};
		struct http2 *before = http2_new(&memory), *after = http2_new(&memory);

		feed(f, before, 0, cut, 700);
		assert_true(http2_resume(before, hear, after));
		same_tables(before, after);
		feed(f, before, cut, f->length, 100);
		feed(f, after, cut, f->length, 5000);
		same_tables(before, after);
		if (!cut)
			assert_true(nghttp2_hd_inflate_get_num_table_entries(
					    before->sides[0].inflater) > 80);
		http2_free(before);
		http2_free(after);
		assert_int_equal(memory.left, MEMORY);
	}
}

static void what_is_no_http2_is_lost(void **state)
{
	struct fixture *f = *state;

	http2_feed(f->http2, HTTP2_CLIENT, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18);
	assert_true(f->http2->sides[HTTP2_CLIENT].lost);
	assert_false(http2_is_whole(f->http2));
}

static void a_gap_loses_one_side(void **state)
{
	struct fixture *f = *state;
	struct http2_memory memory = {.left = MEMORY};
	struct http2 *after = http2_new(&memory);

	talk(f);
	feed(f, f->http2, 0, f->length, 1000);
	http2_lose(f->http2, HTTP2_CLIENT);
	assert_false(http2_is_whole(f->http2));
	assert_true(http2_resume(f->http2, hear, after));
	assert_true(nghttp2_hd_inflate_get_num_table_entries(after->sides[1].inflater) > 62);
	assert_int_equal(nghttp2_hd_inflate_get_num_table_entries(after->sides[0].inflater), 61);
	http2_free(after);
}

static void memory_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct http2 *many[500];
	size_t n = 0, whole = 0;

	talk(f);
	for (; n < 500; n++) {
		many[n] = http2_new(&f->memory);
		if (!many[n])
			break;
		feed(f, many[n], 0, f->length, 5000);
		whole += http2_is_whole(many[n]);
	}
	assert_in_range(whole, 50, 499);
	while (n > 0)
		http2_free(many[--n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(begins_anywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_http2_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_gap_loses_one_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
