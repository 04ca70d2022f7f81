/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which secrets were told already (both ends of a connection have the same ones), which ones a
 * client random has, and which random a secret has.
 */
#include <conversation/internal.h>

struct secret_key {
	char label[TLSPCAP_LABEL_LEN];
	uint8_t client_random[TLSPCAP_RANDOM_LEN];
	uint8_t secret[TLSPCAP_SECRET_LEN];
	uint64_t length;
};

struct secret_entry {
	struct table_node node, by_random, by_secret;
	bool in_randoms;
	struct secret_key key;
};

/* Of one handshake there are seven; a program can claim any number. */
#define SECRETS_OF_RANDOM 16

bool secrets_init(struct secrets *secrets, size_t size)
{
	secrets->ring = calloc(size, sizeof(*secrets->ring));
	secrets->size = size;
	return secrets->ring && table_init(&secrets->table, size) &&
	       table_init(&secrets->by_random, size) && table_init(&secrets->by_secret, size);
}

void secrets_free(struct secrets *secrets)
{
	table_free(&secrets->table);
	table_free(&secrets->by_random);
	table_free(&secrets->by_secret);
	free(secrets->ring);
}

static void enter_random(struct secrets *secrets, struct secret_entry *entry)
{
	uint64_t hash =
		table_hash_bytes(&secrets->by_random, entry->key.client_random, TLSPCAP_RANDOM_LEN);
	struct table_node *node = table_find(&secrets->by_random, hash);
	int n = 0;

	for (; node && n < SECRETS_OF_RANDOM; node = table_match(node->next, hash))
		n++;
	entry->in_randoms = n < SECRETS_OF_RANDOM;
	if (entry->in_randoms)
		table_add(&secrets->by_random, &entry->by_random, hash);
}

/* Bytes after the NUL and after the secret's end are not part of it. */
static struct secret_key key_of(const struct tlspcap_secret *secret)
{
	struct secret_key key = {.length = secret->secret_length};

	memcpy(key.label, secret->label, strnlen(secret->label, sizeof(key.label)));
	memcpy(key.client_random, secret->client_random, sizeof(key.client_random));
	memcpy(key.secret, secret->secret, secret->secret_length);
	return key;
}

static uint64_t hash_secret(const struct secrets *secrets, const struct secret_key *key)
{
	return table_hash_bytes(&secrets->by_secret, key->secret, sizeof(key->secret));
}

bool secrets_add(struct secrets *secrets, const struct tlspcap_secret *secret)
{
	struct secret_key key = key_of(secret);
	struct secret_entry *entry;
	struct table_node *node;
	uint64_t hash;

	hash = table_hash_bytes(&secrets->table, &key, sizeof(key));
	for (node = table_find(&secrets->table, hash); node; node = table_match(node->next, hash)) {
		entry = container_of(node, struct secret_entry, node);
		if (memcmp(&entry->key, &key, sizeof(key)) == 0)
			return false;
	}

	entry = &secrets->ring[secrets->next];
	if (secrets->used == secrets->size) {
		table_remove(&secrets->table, &entry->node);
		table_remove(&secrets->by_secret, &entry->by_secret);
		if (entry->in_randoms)
			table_remove(&secrets->by_random, &entry->by_random);
	} else {
		secrets->used++;
	}
	secrets->next = (secrets->next + 1) % secrets->size;
	entry->key = key;
	table_add(&secrets->table, &entry->node, hash);
	table_add(&secrets->by_secret, &entry->by_secret, hash_secret(secrets, &key));
	enter_random(secrets, entry);
	return true;
}

void secrets_find(const struct secrets *secrets, const uint8_t *client_random, secrets_fn fn,
		  void *ctx)
{
	uint64_t hash = table_hash_bytes(&secrets->by_random, client_random, TLSPCAP_RANDOM_LEN);
	struct table_node *node = table_find(&secrets->by_random, hash);

	for (; node; node = table_match(node->next, hash)) {
		const struct secret_entry *entry =
			container_of(node, struct secret_entry, by_random);

		if (!memcmp(entry->key.client_random, client_random, TLSPCAP_RANDOM_LEN))
			fn(ctx, entry->key.label, entry->key.secret, entry->key.length);
	}
}

const uint8_t *secrets_random(const struct secrets *secrets, const struct tlspcap_secret *secret)
{
	struct secret_key key = key_of(secret);
	uint64_t hash = hash_secret(secrets, &key);
	struct table_node *node = table_find(&secrets->by_secret, hash);

	for (; node; node = table_match(node->next, hash)) {
		const struct secret_entry *entry =
			container_of(node, struct secret_entry, by_secret);

		if (entry->key.length == key.length &&
		    !memcmp(entry->key.label, key.label, sizeof(key.label)) &&
		    !memcmp(entry->key.secret, key.secret, sizeof(key.secret)))
			return entry->key.client_random;
	}
	return NULL;
}
