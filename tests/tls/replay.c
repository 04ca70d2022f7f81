/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include <stdlib.h>
#include <string.h>
#include <tests/tls/replay.h>

static void on_data(void *ctx, enum decrypt_side side, uint64_t time_ns, const uint8_t *bytes,
		    size_t length, uint64_t record, bool early)
{
	struct replay *replay = ctx;

	(void)record;
	replay->plain[side] = realloc(replay->plain[side], replay->plain_length[side] + length);
	if (!replay->plain[side])
		abort();
	memcpy(replay->plain[side] + replay->plain_length[side], bytes, length);
	replay->plain_length[side] += length;
	if (early)
		replay->early_length += length;
	if (time_ns < replay->last_time[side] || time_ns > replay->time_ns)
		replay->time_wrong = true;
	replay->last_time[side] = time_ns;
}

static void on_alert(void *ctx, enum decrypt_side side, uint64_t time_ns, uint8_t level,
		     uint8_t description)
{
	struct replay *replay = ctx;

	(void)time_ns, (void)level;
	replay->alerts[side]++;
	replay->last_alert[side] = description;
}

static void on_info(void *ctx, uint64_t time_ns)
{
	struct replay *replay = ctx;

	(void)time_ns;
	replay->infos++;
}

struct replay *replay_new(const struct decrypt_limits *limits)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	struct decrypt_sink sink = {replay, on_data, on_alert, on_info};

	if (!replay)
		abort();
	replay->decrypt = decrypt_new(limits, &sink);
	if (!replay->decrypt)
		abort();
	return replay;
}

void replay_free(struct replay *replay)
{
	decrypt_free(replay->decrypt);
	free(replay->plain[0]);
	free(replay->plain[1]);
	free(replay);
}

/* From memory of its own, so that a sanitizer sees a byte read too far. */
static void feed_copy(struct replay *replay, int side, const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	int err;

	if (!copy)
		abort();
	memcpy(copy, bytes, length);
	err = decrypt_feed(replay->decrypt, (enum decrypt_side)side, ++replay->time_ns, copy,
			   length);
	if (err)
		replay->feed_error[side] = err;
	free(copy);
}

void replay_feed(struct replay *replay, int side, const uint8_t *bytes, size_t length,
		 size_t chunk_max)
{
	while (length > 0) {
		size_t n = chunk_max ? 1 + exchange_random() % chunk_max : length;

		n = n < length ? n : length;
		feed_copy(replay, side, bytes, n);
		bytes += n;
		length -= n;
	}
}

void replay_secret(struct replay *replay, const struct exchange_secret *secret)
{
	if (decrypt_secret(replay->decrypt, secret->label, secret->secret, secret->length))
		abort();
}

static void all_secrets(struct replay *replay, const struct exchange *exchange,
			const struct replay_setup *setup)
{
	for (size_t i = 0; i < exchange->secret_count; i++) {
		size_t n = setup->secrets == REPLAY_REVERSED ? exchange->secret_count - 1 - i : i;

		if (!setup->without || !strstr(exchange->secrets[n].label, setup->without))
			replay_secret(replay, &exchange->secrets[n]);
	}
}

static void one_event(struct replay *replay, const struct exchange *exchange,
		      const struct exchange_event *event, const struct replay_setup *setup)
{
	const struct exchange_secret *secret;

	if (event->side >= 0) {
		replay_feed(replay, event->side, exchange->wire[event->side] + event->offset,
			    event->length, setup->chunk_max);
		return;
	}
	secret = &exchange->secrets[event->offset];
	if (setup->secrets == REPLAY_AS_TOLD &&
	    (!setup->without || !strstr(secret->label, setup->without)))
		replay_secret(replay, secret);
}

struct replay *replay_run(const struct exchange *exchange, const struct replay_setup *setup)
{
	struct decrypt_limits limits = setup->limits;
	struct replay *replay;

	if (!limits.pending_bytes)
		limits.pending_bytes = 8 << 20;
	replay = replay_new(&limits);
	if (setup->secrets == REPLAY_FIRST)
		all_secrets(replay, exchange, setup);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < exchange->event_count; i++) {
			const struct exchange_event *event = &exchange->events[i];
			int when = 0;

			if (setup->order != REPLAY_AS_SENT && event->side >= 0)
				when = (event->side == 1) == (setup->order == REPLAY_CLIENT_FIRST);
			if (when == pass)
				one_event(replay, exchange, event, setup);
		}
	}
	if (setup->secrets == REPLAY_LAST || setup->secrets == REPLAY_REVERSED)
		all_secrets(replay, exchange, setup);
	return replay;
}
