/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * http2 with any bytes of both sides, in pieces. Who begins with what it tells a later reader must
 * tell a still later one the same; and no memory is lost on the way.
 */
#include <stdlib.h>
#include <string.h>
#include <http2/internal.h>
#include <tests/support/require.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t begin[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct said {
	uint8_t bytes[(size_t)1 << 20];
	size_t length[2];
	struct http2 *reader; /* hears it, too; may be NULL */
};

static void hear(void *ctx, enum http2_side side, const uint8_t *bytes, size_t length)
{
	struct said *said = ctx;
	size_t half = sizeof(said->bytes) / 2;

	require(length <= half - said->length[side]);
	memcpy(said->bytes + side * half + said->length[side], bytes, length);
	said->length[side] += length;
	if (said->reader)
		http2_feed(said->reader, side, bytes, length);
}

static bool is_lost(const struct http2 *http2)
{
	return http2->sides[0].lost || http2->sides[1].lost || !http2_is_whole(http2);
}

static void compare(const struct http2 *http2)
{
	static struct said first, second;
	struct http2_memory memory = {.left = (size_t)1 << 30};

	memset(first.length, 0, sizeof(first.length));
	memset(second.length, 0, sizeof(second.length));
	first.reader = http2_new(&memory);
	require(first.reader && http2_resume(http2, hear, &first));
	if (!is_lost(http2)) {
		require(!is_lost(first.reader) && http2_resume(first.reader, hear, &second));
		for (size_t side = 0; side < 2; side++) {
			size_t at = side * sizeof(first.bytes) / 2;

			require(first.length[side] == second.length[side]);
			require(!memcmp(first.bytes + at, second.bytes + at, first.length[side]));
		}
	}
	http2_free(first.reader);
	require(memory.left == (size_t)1 << 30);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http2_memory memory = {.left = (size_t)1 << 20};
	struct http2 *http2 = http2_new(&memory);

	require(http2);
	if (size && (data[0] & 2))
		http2_feed(http2, HTTP2_CLIENT, begin, sizeof(begin) - 1);
	while (size > 1) {
		size_t length = data[0] >> 2 < size - 1 ? data[0] >> 2 : size - 1;

		http2_feed(http2, data[0] & 1, data + 1, length);
		data += 1 + length;
		size -= 1 + length;
	}
	compare(http2);
	http2_free(http2);
	require(memory.left == (size_t)1 << 20);
	return 0;
}
