/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * exchange: OpenSSL's client and server talk in this process; what goes over the wire, the key
 * log and the plaintext are kept. The oracle of the decrypt stage's tests.
 */
#ifndef TESTS_TLS_EXCHANGE_H
#define TESTS_TLS_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <openssl/ssl.h>

enum exchange_early {
	EXCHANGE_NO_EARLY,
	EXCHANGE_EARLY,
	EXCHANGE_EARLY_REJECTED, /* the server does not know the ticket */
};

struct exchange_setup {
	int version;	   /* TLS1_2_VERSION or TLS1_3_VERSION */
	const char *suite; /* OpenSSL's name; NULL: its choice */
	bool resume;	   /* a first connection, not kept, gives the session */
	enum exchange_early early;
	bool no_ticket; /* TLS 1.2: session identifiers */
	bool retry;	/* HelloRetryRequest */
	bool key_update;
	bool client_certificate;
	bool refused;	  /* the client does not take the certificate */
	int renegotiate;  /* TLS 1.2: how many times, by the client and the server in turn */
	bool no_etm;	  /* no encrypt_then_mac */
	int padding;	  /* TLS 1.3: records padded to a multiple; 0: no */
	int fragment;	  /* largest plaintext of a record; 0: 16384 */
	size_t bytes;	  /* application data of each direction, in random pieces */
	size_t write_max; /* of these pieces; 0: 40000 */
};

struct exchange_secret {
	char label[48];
	uint8_t random[32];
	uint8_t secret[64];
	size_t length;
};

struct exchange_event {
	int side; /* 0 client, 1 server, -1: a secret */
	size_t offset, length;
};

struct exchange {
	uint8_t *wire[2];
	size_t wire_length[2];
	uint8_t *plain[2]; /* the client's begins with accepted early data */
	size_t plain_length[2];
	size_t early_length;
	struct exchange_secret secrets[64];
	size_t secret_count;
	struct exchange_event *events;
	size_t event_count;
	int version;
	uint16_t suite;
	bool failed;
};

/* Exits with a message when OpenSSL does not do what was asked. */
struct exchange *exchange_run(const struct exchange_setup *setup);
void exchange_free(struct exchange *exchange);

uint32_t exchange_random(void); /* from a fixed seed */

#endif
