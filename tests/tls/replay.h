/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* replay: the bytes and secrets of an exchange into the decrypt stage, in many ways. */
#ifndef TESTS_TLS_REPLAY_H
#define TESTS_TLS_REPLAY_H

#include <tlspcap/decrypt.h>
#include <tests/tls/exchange.h>

enum replay_secrets {
	REPLAY_AS_TOLD, /* where the key log had them */
	REPLAY_FIRST,
	REPLAY_LAST,
	REPLAY_REVERSED, /* last, and the newest first */
};

enum replay_order {
	REPLAY_AS_SENT,
	REPLAY_CLIENT_FIRST, /* all bytes of one side before the other's */
	REPLAY_SERVER_FIRST,
};

struct replay_setup {
	enum replay_secrets secrets;
	enum replay_order order;
	size_t chunk_max;	      /* pieces of 1 to so many bytes; 0: as sent */
	const char *without;	      /* leave out secrets whose label has this */
	struct decrypt_limits limits; /* pending_bytes 0: 8 MiB */
};

struct replay {
	struct decrypt *decrypt;
	uint8_t *plain[2];
	size_t plain_length[2];
	size_t early_length;
	unsigned alerts[2];
	uint8_t last_alert[2];
	unsigned infos;
	uint64_t time_ns;
	uint64_t last_time[2];
	bool time_wrong; /* a side's times went back */
	int feed_error[2];
};

struct replay *replay_new(const struct decrypt_limits *limits);
void replay_feed(struct replay *replay, int side, const uint8_t *bytes, size_t length,
		 size_t chunk_max);
void replay_secret(struct replay *replay, const struct exchange_secret *secret);
struct replay *replay_run(const struct exchange *exchange, const struct replay_setup *setup);
void replay_free(struct replay *replay);

#endif
