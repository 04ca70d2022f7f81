/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Whose a secret is: a record that waits opens under it, with the number 0, or none does. */
#include <string.h>
#include <openssl/crypto.h>
#include <decrypt/internal.h>

/* Records from the first that waits on. Those of a flight, not of a download. */
#define PROVE_RECORDS 16

static bool spend(unsigned int *tries)
{
	if (!*tries)
		return false;
	--*tries;
	return true;
}

/* One of the first records that wait is the first one under these keys. */
static bool opens_one(struct decrypt *d, const struct side *s, struct keys *keys,
		      unsigned int *tries)
{
	size_t offset = s->queue_head;
	struct plain plain;

	for (int i = 0; i < PROVE_RECORDS && offset < s->queue_tail; i++) {
		struct wire wire = queue_at(s, offset);

		offset += entry_size(&wire);
		if (keys->version == VERSION_13 && wire.header[0] != CONTENT_DATA)
			continue;
		if (!spend(tries))
			return false;
		if (!protect_open(keys, &wire, 0, d->output, &plain))
			return true;
		if (keys->version == VERSION_12)
			return false; /* the Finished is the first of all (RFC 5246, 7.1) */
	}
	return false;
}

static bool prove_suite(struct decrypt *d, const struct side *s, const struct suite *suite,
			const struct secret *secret, unsigned int *tries)
{
	struct keys keys = {0};
	bool proven;

	proven = spend(tries) && !keys_traffic(&keys, suite, secret) &&
		 opens_one(d, s, &keys, tries);
	keys_clear(&keys);
	return proven;
}

/* Early data may come before the ServerHello, which says the suite of all others. */
static const uint8_t *prove_13(struct decrypt *d, const struct side *s, bool early,
			       const struct secret *secret, unsigned int *tries)
{
	const struct hello *hello = hello_at(d, 1);
	const struct suite *suite;

	if (s->status != DECRYPT_WAITING || !d->info.has_client_random)
		return NULL;
	if (hello && hello->server) {
		if (d->info.version == VERSION_13 && hello->suite &&
		    prove_suite(d, s, hello->suite, secret, tries))
			return d->info.client_random;
		return NULL;
	}
	for (unsigned i = 0; early && (suite = suite_guess(secret->length, i)); i++) {
		if (prove_suite(d, s, suite, secret, tries))
			return d->info.client_random;
	}
	return NULL;
}

/* The newest handshake resumes an earlier one of the connection: nothing waited for its secret. */
static bool is_in_use(const struct decrypt *d, const struct side *s, const struct keys *keys,
		      const struct hello *hello)
{
	size_t length = keys->suite->cipher->key_len;

	return length && !CRYPTO_memcmp(s->keys.key, keys->key, length) &&
	       !memcmp(hello->client_random, d->info.latest_client_random, TLSPCAP_RANDOM_LEN);
}

static const uint8_t *prove_12(struct decrypt *d, const uint8_t *master, unsigned int *tries)
{
	struct keys keys = {0};
	bool proven = false;

	for (int i = 0; i < 2 && d->info.version == VERSION_12; i++) {
		const struct side *s = &d->sides[i];
		const struct hello *hello = s->place ? hello_at(d, s->place) : NULL;

		if ((s->status != DECRYPT_WAITING && !s->keyed) || !hello || !hello->client ||
		    !hello->server || !hello->suite)
			continue;
		proven = spend(tries) && !keys_master(&keys, hello, (enum decrypt_side)i, master) &&
			 (s->keyed ? is_in_use(d, s, &keys, hello) : opens_one(d, s, &keys, tries));
		keys_clear(&keys);
		if (proven)
			return hello->client_random;
	}
	return NULL;
}

static const uint8_t *prove(struct decrypt *d, const char *label, const struct secret *secret,
			    unsigned int *tries)
{
	static const struct {
		const char *label;
		enum decrypt_side side;
		enum place place;
	} labels[] = {
		{"CLIENT_EARLY_TRAFFIC_SECRET", DECRYPT_CLIENT, PLACE_EARLY},
		{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", DECRYPT_CLIENT, PLACE_HANDSHAKE},
		{"SERVER_HANDSHAKE_TRAFFIC_SECRET", DECRYPT_SERVER, PLACE_HANDSHAKE},
		{"CLIENT_TRAFFIC_SECRET_0", DECRYPT_CLIENT, PLACE_DATA},
		{"SERVER_TRAFFIC_SECRET_0", DECRYPT_SERVER, PLACE_DATA},
	};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		const struct side *s = &d->sides[labels[i].side];

		/* A side never goes back to earlier keys. */
		if (!strcmp(label, labels[i].label))
			return s->place > labels[i].place
				       ? NULL
				       : prove_13(d, s, labels[i].place == PLACE_EARLY, secret,
						  tries);
	}
	return NULL;
}

const uint8_t *decrypt_prove(struct decrypt *d, const char *label, const uint8_t *secret,
			     size_t length, unsigned int *tries)
{
	struct secret kept = {.length = (uint8_t)length};
	const uint8_t *random;

	if (!strcmp(label, "CLIENT_RANDOM"))
		return length == MASTER_LEN ? prove_12(d, secret, tries) : NULL;
	if (length != hash_sha256.length && length != hash_sha384.length)
		return NULL;
	memcpy(kept.bytes, secret, length);
	random = prove(d, label, &kept, tries);
	OPENSSL_cleanse(&kept, sizeof(kept));
	return random;
}
