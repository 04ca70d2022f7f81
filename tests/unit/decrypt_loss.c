/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* decrypt when bytes are missing, changed or begin in the midst: nothing wrong ever comes out,
 * and all that can be read does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tests/tls/replay.h>

/* A record's plaintext, and where the record is on the wire. */
struct piece {
	size_t from, to;
	size_t length;
	uint64_t record;
	uint8_t *bytes;
};

struct pieces {
	struct piece *piece[2];
	size_t count[2];
	size_t at[2]; /* where the next byte to be fed is */
	size_t begin; /* of the record that is fed */
};

static void on_data(void *ctx, enum decrypt_side side, uint64_t time_ns, const uint8_t *bytes,
		    size_t length, uint64_t record, bool early)
{
	struct pieces *pieces = ctx;
	size_t n = pieces->count[side]++;
	struct piece *piece;

	(void)time_ns, (void)early;
	pieces->piece[side] = realloc(pieces->piece[side], (n + 1) * sizeof(*piece));
	assert_non_null(pieces->piece[side]);
	piece = &pieces->piece[side][n];
	*piece = (struct piece){pieces->begin, pieces->at[side], length, record, malloc(length)};
	assert_non_null(piece->bytes);
	memcpy(piece->bytes, bytes, length);
}

static void pieces_free(struct pieces *pieces)
{
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < pieces->count[side]; i++)
			free(pieces->piece[side][i].bytes);
		free(pieces->piece[side]);
	}
}

static struct decrypt *start(struct pieces *pieces, const struct exchange *exchange)
{
	struct decrypt_sink sink = {.ctx = pieces, .data = on_data};
	struct decrypt *decrypt = decrypt_new(NULL, &sink);

	assert_non_null(decrypt);
	*pieces = (struct pieces){0};
	for (size_t i = 0; i < exchange->secret_count; i++) {
		const struct exchange_secret *secret = &exchange->secrets[i];

		decrypt_secret(decrypt, secret->label, secret->secret, secret->length);
	}
	return decrypt;
}

/* What nothing is lost of, a record at a time. */
static void read_all(struct pieces *pieces, const struct exchange *exchange)
{
	struct decrypt *decrypt = start(pieces, exchange);

	for (size_t i = 0; i < exchange->event_count; i++) {
		int side = exchange->events[i].side;
		size_t end;

		if (side < 0)
			continue;
		end = exchange->events[i].offset + exchange->events[i].length;
		while (pieces->at[side] + 5 <= end) {
			const uint8_t *record = exchange->wire[side] + pieces->at[side];
			size_t length = 5 + (size_t)(record[3] << 8 | record[4]);

			if (pieces->at[side] + length > end)
				break;
			pieces->begin = pieces->at[side];
			pieces->at[side] += length;
			decrypt_feed(decrypt, (enum decrypt_side)side, 1, record, length);
		}
	}
	decrypt_free(decrypt);
}

struct gap {
	size_t from, to;
};

struct gaps {
	struct gap gap[2][4]; /* of a side, in order */
	size_t count[2];
	bool unknown; /* how much was lost is not said */
};

static bool gap_at(const struct gaps *gaps, int side, size_t at, struct gap *out, size_t *next)
{
	*next = SIZE_MAX;
	for (size_t i = 0; i < gaps->count[side]; i++) {
		const struct gap *gap = &gaps->gap[side][i];

		if (at >= gap->from && at < gap->to) {
			*out = *gap;
			return true;
		}
		if (gap->from > at && gap->from < *next)
			*next = gap->from;
	}
	return false;
}

static void read_with_gaps(struct pieces *pieces, const struct exchange *exchange,
			   const struct gaps *gaps, size_t chunk_max)
{
	struct decrypt *decrypt = start(pieces, exchange);

	for (size_t i = 0; i < exchange->event_count; i++) {
		int side = exchange->events[i].side;
		size_t end = exchange->events[i].offset + exchange->events[i].length;

		while (side >= 0 && pieces->at[side] < end) {
			size_t n = 1 + exchange_random() % chunk_max, next;
			size_t at = pieces->at[side];
			struct gap gap;

			if (gap_at(gaps, side, at, &gap, &next)) {
				decrypt_lose(decrypt, (enum decrypt_side)side,
					     gaps->unknown ? 0 : gap.to - gap.from);
				pieces->at[side] = gap.to;
				continue;
			}
			n = n < end - at ? n : end - at;
			n = n < next - at ? n : next - at;
			pieces->at[side] += n;
			decrypt_feed(decrypt, (enum decrypt_side)side, 1, exchange->wire[side] + at,
				     n);
		}
	}
	for (int side = 0; side < 2; side++)
		decrypt_lose(decrypt, (enum decrypt_side)side, 0);
	decrypt_free(decrypt);
}

static bool piece_equal(const struct piece *a, const struct piece *b)
{
	return a->length == b->length && a->record == b->record &&
	       memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool in_gap(const struct gaps *gaps, int side, const struct piece *piece)
{
	for (size_t i = 0; i < gaps->count[side]; i++) {
		if (piece->from < gaps->gap[side][i].to && gaps->gap[side][i].from < piece->to)
			return true;
	}
	return false;
}

/* All pieces got are pieces of the whole, in order; those of which nothing is missing are there. */
static void compare(const struct pieces *whole, const struct pieces *got, const struct gaps *gaps,
		    bool complete, const char *what)
{
	for (int side = 0; side < 2; side++) {
		size_t n = 0;

		for (size_t i = 0; i < whole->count[side]; i++) {
			const struct piece *piece = &whole->piece[side][i];

			if (n < got->count[side] && piece_equal(piece, &got->piece[side][n])) {
				n++;
			} else if (complete && !in_gap(gaps, side, piece)) {
				fail_msg("%s: side %d: record %zu at %zu is missing (gap %zu-%zu)",
					 what, side, i, piece->from, gaps->gap[side][0].from,
					 gaps->gap[side][0].to);
			}
		}
		if (n != got->count[side])
			fail_msg("%s: side %d: wrong plaintext", what, side);
	}
}

static const struct exchange_setup setups[] = {
	{.version = TLS1_3_VERSION, .suite = "TLS_AES_128_GCM_SHA256", .key_update = true},
	{.version = TLS1_3_VERSION, .suite = "TLS_AES_256_GCM_SHA384", .client_certificate = true},
	{.version = TLS1_3_VERSION, .suite = "TLS_CHACHA20_POLY1305_SHA256", .key_update = true},
	{.version = TLS1_3_VERSION, .suite = "TLS_AES_128_CCM_8_SHA256", .padding = 200},
	{.version = TLS1_2_VERSION, .suite = "ECDHE-RSA-AES128-GCM-SHA256"},
	{.version = TLS1_2_VERSION, .suite = "ECDHE-RSA-CHACHA20-POLY1305"},
	{.version = TLS1_2_VERSION, .suite = "AES256-CCM8"},
	{.version = TLS1_2_VERSION, .suite = "ECDHE-RSA-AES128-SHA256"},
	{.version = TLS1_2_VERSION, .suite = "ECDHE-RSA-AES256-SHA384", .no_etm = true},
	{.version = TLS1_2_VERSION, .suite = "NULL-SHA256"},
};

#define SETUPS (sizeof(setups) / sizeof(setups[0]))

/* The end of the first record: after it both hellos were seen. */
static size_t first_record(const uint8_t *wire)
{
	return 5 + (size_t)(wire[3] << 8 | wire[4]);
}

static void random_gaps(const struct exchange *exchange, struct gaps *gaps, bool keep_hello)
{
	*gaps = (struct gaps){.unknown = exchange_random() & 1};
	for (int side = 0; side < 2; side++) {
		size_t length = exchange->wire_length[side];
		size_t at = keep_hello ? first_record(exchange->wire[side]) : 0;

		gaps->count[side] = exchange_random() % 4;
		for (size_t i = 0; i < gaps->count[side]; i++) {
			struct gap *gap = &gaps->gap[side][i];
			size_t most = exchange_random() & 1 ? 100 : length / 4;

			gap->from = at + exchange_random() % (length / 3);
			gap->to = gap->from + 1 + exchange_random() % most;
			at = gap->to + 1;
		}
	}
}

/* A key update that is lost together with all that follows, up to a second gap, may make three. */
static void test_gaps(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange_setup setup = setups[i];
		struct exchange *exchange;
		struct pieces whole, got;

		setup.bytes = 60000;
		setup.write_max = 3000;
		exchange = exchange_run(&setup);
		read_all(&whole, exchange);
		for (int round = 0; round < 200; round++) {
			bool keep_hello = round & 1;
			struct gaps gaps;

			random_gaps(exchange, &gaps, keep_hello);
			read_with_gaps(&got, exchange, &gaps, round & 2 ? 100 : 30000);
			/* NULL records begin with anything; the others with noise. */
			compare(&whole, &got, &gaps, keep_hello && !setup.key_update, setup.suite);
			pieces_free(&got);
		}
		pieces_free(&whole);
		exchange_free(exchange);
	}
}

/* One gap, so at most a few key updates in it. */
static void test_gap_key_update(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange_setup setup = setups[i];
		struct exchange *exchange;
		struct pieces whole, got;

		if (!setup.key_update)
			continue;
		setup.bytes = 30000;
		setup.write_max = 1000;
		exchange = exchange_run(&setup);
		read_all(&whole, exchange);
		for (int round = 0; round < 400; round++) {
			struct gaps gaps = {.count = {1, 1}, .unknown = round & 1};

			for (int side = 0; side < 2; side++) {
				struct gap *gap = &gaps.gap[side][0];

				gap->from = first_record(exchange->wire[side]) +
					    exchange_random() % exchange->wire_length[side];
				gap->to = gap->from + 1 + exchange_random() % 8000;
			}
			read_with_gaps(&got, exchange, &gaps, 20000);
			compare(&whole, &got, &gaps, true, setup.suite);
			pieces_free(&got);
		}
		pieces_free(&whole);
		exchange_free(exchange);
	}
}

/* More records than are tried: those whose number can be told are found all the same. */
static void test_far(void **state)
{
	static const struct exchange_setup far[] = {
		{.version = TLS1_3_VERSION, .suite = "TLS_AES_128_GCM_SHA256"},
		{.version = TLS1_3_VERSION, .suite = "TLS_AES_256_GCM_SHA384"},
		{.version = TLS1_2_VERSION, .suite = "ECDHE-RSA-AES128-GCM-SHA256"},
		{.version = TLS1_2_VERSION, .suite = "AES128-CCM"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		struct exchange_setup setup = far[i];
		struct exchange *exchange;
		struct pieces whole, got;
		struct gaps gaps = {.count = {1, 1}, .unknown = true};

		setup.bytes = 100000;
		setup.write_max = 20;
		exchange = exchange_run(&setup);
		read_all(&whole, exchange);
		for (int side = 0; side < 2; side++) {
			assert_true(whole.count[side] > 9000);
			gaps.gap[side][0] = (struct gap){whole.piece[side][10].from + 3,
							 whole.piece[side][9000].from + 2};
		}
		read_with_gaps(&got, exchange, &gaps, 5000);
		compare(&whole, &got, &gaps, true, setup.suite);
		pieces_free(&got);
		pieces_free(&whole);
		exchange_free(exchange);
	}
}

/* The capture begins in the midst: only the secrets are known (TLS 1.3). */
static void test_midst(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange_setup setup = setups[i];
		struct exchange *exchange;
		struct pieces whole, got;
		struct gaps gaps = {.count = {1, 1}, .unknown = true};

		if (setup.version != TLS1_3_VERSION)
			continue;
		setup.key_update = false;
		setup.bytes = 40000;
		setup.write_max = 1000;
		exchange = exchange_run(&setup);
		read_all(&whole, exchange);
		for (int side = 0; side < 2; side++)
			gaps.gap[side][0] = (struct gap){0, whole.piece[side][20].from + 3};
		read_with_gaps(&got, exchange, &gaps, 5000);
		compare(&whole, &got, &gaps, true, setup.suite);
		pieces_free(&got);
		pieces_free(&whole);
		exchange_free(exchange);
	}
}

/* What follows a gap looks like a record that goes on past the next gap, and past others. */
static void test_noise(void **state)
{
	static const uint8_t header[] = {23, 3, 3, 0x40, 0};

	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange_setup setup = setups[i];
		struct exchange *exchange;
		struct pieces whole, got;
		struct gaps gaps = {.count = {2, 2}, .unknown = i & 1};

		setup.key_update = false;
		setup.bytes = 40000;
		setup.write_max = 1000;
		exchange = exchange_run(&setup);
		read_all(&whole, exchange);
		for (int side = 0; side < 2; side++) {
			const struct piece *piece = whole.piece[side];
			size_t last = whole.count[side] - 4, after = piece[8].from + 7;

			gaps.gap[side][0] = (struct gap){piece[5].from + 3, after};
			memcpy(exchange->wire[side] + after, header, sizeof(header));
			after = piece[last].from + 7;
			gaps.gap[side][1] = (struct gap){piece[12].from + 4, after};
			memcpy(exchange->wire[side] + after, header, sizeof(header));
		}
		read_with_gaps(&got, exchange, &gaps, 5000);
		compare(&whole, &got, &gaps, true, setup.suite);
		pieces_free(&got);
		pieces_free(&whole);
		exchange_free(exchange);
	}
}

static void mutate(uint8_t *bytes, size_t *length)
{
	unsigned count = 1 + exchange_random() % 4;

	while (count-- > 0 && *length > 8) {
		size_t at = exchange_random() % *length;

		switch (exchange_random() % 4) {
		case 0:
			bytes[at] ^= (uint8_t)(1 << exchange_random() % 8);
			break;
		case 1:
			bytes[exchange_random() % (*length < 600 ? *length : 600)] =
				(uint8_t)exchange_random();
			break;
		case 2:
			*length = at;
			break;
		default: /* a piece goes */
			memmove(bytes + at, bytes + at + (*length - at) / 2,
				*length - at - (*length - at) / 2);
			*length -= (*length - at) / 2;
		}
	}
}

/*
 * Changed bytes: what comes out is a piece of the true plaintext, and no crash. Its beginning
 * may be missing, when the change made the start of the protected records unreadable and the
 * place was found again later.
 */
static void test_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange_setup setup = setups[i];
		struct replay_setup how = {.chunk_max = 5000};
		struct exchange *exchange;

		setup.bytes = 5000;
		setup.write_max = 500;
		exchange = exchange_run(&setup);
		for (int round = 0; round < 500; round++) {
			struct exchange changed = *exchange;
			struct replay *replay;

			for (int side = 0; side < 2; side++) {
				changed.wire[side] = malloc(exchange->wire_length[side]);
				assert_non_null(changed.wire[side]);
				memcpy(changed.wire[side], exchange->wire[side],
				       exchange->wire_length[side]);
				mutate(changed.wire[side], &changed.wire_length[side]);
			}
			how.secrets = (enum replay_secrets)(round % 4);
			replay = replay_new(NULL);
			for (size_t n = 0; n < changed.secret_count && round & 1; n++)
				replay_secret(replay, &changed.secrets[n]);
			for (int side = 0; side < 2; side++)
				replay_feed(replay, side, changed.wire[side],
					    changed.wire_length[side], how.chunk_max);
			for (size_t n = 0; n < changed.secret_count && !(round & 1); n++)
				replay_secret(replay, &changed.secrets[n]);
			for (int side = 0; side < 2; side++) {
				if (replay->plain_length[side])
					assert_non_null(memmem(
						exchange->plain[side], exchange->plain_length[side],
						replay->plain[side], replay->plain_length[side]));
				free(changed.wire[side]);
			}
			replay_free(replay);
		}
		exchange_free(exchange);
	}
}

/* Is for nobody from one record to another: what comes after is read as if it had always been. */
static void read_wanted(struct pieces *pieces, const struct exchange *exchange, size_t from,
			size_t to)
{
	struct decrypt *decrypt = start(pieces, exchange);

	for (size_t i = 0; i < exchange->event_count; i++) {
		int side = exchange->events[i].side;

		if (i == from)
			decrypt_want_data(decrypt, false);
		if (i == to)
			decrypt_want_data(decrypt, true);
		if (side < 0)
			continue;
		pieces->begin = i;
		decrypt_feed(decrypt, (enum decrypt_side)side, 1,
			     exchange->wire[side] + exchange->events[i].offset,
			     exchange->events[i].length);
	}
	decrypt_free(decrypt);
}

static void test_unwanted(void **state)
{
	(void)state;
	for (size_t i = 0; i < SETUPS; i++) {
		struct exchange_setup setup = setups[i];
		struct exchange *exchange;
		struct pieces whole, got;

		setup.bytes = 60000;
		setup.write_max = 3000;
		exchange = exchange_run(&setup);
		read_wanted(&whole, exchange, SIZE_MAX, SIZE_MAX);
		for (int round = 0; round < 100; round++) {
			size_t from = exchange_random() % exchange->event_count;
			size_t to = from + exchange_random() % (exchange->event_count - from);

			read_wanted(&got, exchange, from, to);
			for (int side = 0; side < 2; side++) {
				size_t n = got.count[side], m = whole.count[side];

				/* From the end back: all that was wanted is there. */
				while (m > 0 && whole.piece[side][m - 1].from > to) {
					const struct piece *is = &got.piece[side][--n];
					const struct piece *must = &whole.piece[side][--m];

					assert_int_equal(is->from, must->from);
					assert_int_equal(is->record, must->record);
					assert_int_equal(is->length, must->length);
					assert_memory_equal(is->bytes, must->bytes, is->length);
				}
				assert_true(to == from || m == 0 || n <= m);
			}
			pieces_free(&got);
		}
		pieces_free(&whole);
		exchange_free(exchange);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),	 cmocka_unit_test(test_gap_key_update),
		cmocka_unit_test(test_unwanted), cmocka_unit_test(test_far),
		cmocka_unit_test(test_midst),	 cmocka_unit_test(test_noise),
		cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
