/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Inside of the decrypt stage. Layers, each knows only those above it in this file:
 * suites (tables), keys (key derivation), protect (one record opened), hello (messages read),
 * messages (handshake reassembly), step (what one record does), resync (after a loss),
 * decrypt (bytes to records, waiting), prove (whose a secret is).
 */
#ifndef TLSPCAP_DECRYPT_INTERNAL_H
#define TLSPCAP_DECRYPT_INTERNAL_H

#include <string.h>
#include <openssl/evp.h>
#include <tlspcap/decrypt.h>

#define VERSION_12	0x0303
#define VERSION_13	0x0304
#define HEADER_LEN	5
#define FRAGMENT_MAX	(16384 + 2048) /* RFC 5246, 6.2.3 */
#define FRAGMENT_MAX_13 (16384 + 256)  /* RFC 8446, 5.2 */
#define RECORD_MAX	(HEADER_LEN + FRAGMENT_MAX)
#define MASTER_LEN	48
#define TRAFFIC_MAX	48 /* SHA-384 */
#define MAC_MAX		48
#define BLOCK_LEN	16 /* of every block cipher here */
#define MESSAGE_MAX	65536
#define MASTERS		4

/* RFC 5246, 6.2.1 and RFC 6520. */
enum content {
	CONTENT_CCS = 20,
	CONTENT_ALERT = 21,
	CONTENT_HANDSHAKE = 22,
	CONTENT_DATA = 23,
	CONTENT_HEARTBEAT = 24,
};

/* RFC 8446, 4 and RFC 5246, 7.4: the messages that matter here. */
enum message {
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_END_OF_EARLY_DATA = 5,
	MESSAGE_ENCRYPTED_EXTENSIONS = 8,
	MESSAGE_SERVER_HELLO_DONE = 14,
	MESSAGE_FINISHED = 20,
	MESSAGE_KEY_UPDATE = 24,
};

/* Keys of a side in the order in which they come. TLS 1.3: these, and the generation of the
 * application keys is place - PLACE_DATA. TLS 1.2: the number of its ChangeCipherSpecs. */
enum place {
	PLACE_PLAIN = 0,
	PLACE_EARLY = 1,
	PLACE_HANDSHAKE = 2,
	PLACE_DATA = 3,
};

/* suites.c */

enum mode {
	MODE_PLAIN, /* MAC only */
	MODE_CBC,
	MODE_GCM,
	MODE_CCM,
	MODE_CHACHA,
};

struct cipher {
	const char *name; /* libcrypto's; NULL: none */
	enum mode mode;
	uint8_t key_len;
	uint8_t tag_len;
	uint8_t fixed_iv; /* from the TLS 1.2 key block */
	uint8_t explicit_iv;
};

struct hash {
	const char *name;
	uint8_t length;
};

struct suite {
	uint16_t id;
	const struct cipher *cipher;
	const struct hash *mac; /* NULL: AEAD */
	const struct hash *prf; /* HKDF's in TLS 1.3 */
};

/* NULL: not supported. */
const struct suite *suite_find(uint16_t version, uint16_t id);
/* The i-th TLS 1.3 suite whose traffic secrets have this length; NULL: no more. */
const struct suite *suite_guess(size_t secret_len, unsigned i);
extern const struct hash hash_sha256;
extern const struct hash hash_sha384;

/* keys.c */

struct keys {
	const struct suite *suite;
	uint16_t version;
	bool encrypt_then_mac;
	uint64_t number; /* of the next record */
	EVP_CIPHER_CTX *cipher;
	EVP_MAC *mac_kind;
	EVP_MAC_CTX *mac;
	uint8_t key[32];
	uint8_t iv[12];
	uint8_t last_nonce[8]; /* explicit one of record number - 1 */
	bool has_nonce;
};

struct secret {
	uint8_t bytes[TRAFFIC_MAX];
	uint8_t length; /* 0: not known */
};

struct hello {
	unsigned place; /* the ChangeCipherSpec that its handshake leads to; 0: none */
	bool client, server;
	uint8_t client_random[TLSPCAP_RANDOM_LEN];
	uint8_t server_random[TLSPCAP_RANDOM_LEN];
	const struct suite *suite;
	bool encrypt_then_mac;
};

/* 0; -EINVAL the secret does not fit the suite; -ENOMEM also for libcrypto's refusals. */
int keys_traffic(struct keys *keys, const struct suite *suite, const struct secret *secret);
int keys_master(struct keys *keys, const struct hello *hello, enum decrypt_side side,
		const uint8_t master[MASTER_LEN]);
void keys_clear(struct keys *keys);
void keys_swap(struct keys *a, struct keys *b);
/* RFC 8446, 7.2. */
int secret_update(struct secret *secret, const struct suite *suite);

/* protect.c */

struct wire {
	uint64_t time_ns;
	const uint8_t *header;
	const uint8_t *fragment;
	size_t length; /* of the fragment */
};

struct plain {
	uint8_t type;
	const uint8_t *bytes;
	size_t length;
};

/* Opens a record under its number; out has FRAGMENT_MAX bytes. 0, or -EBADMSG. */
int protect_open(struct keys *keys, const struct wire *wire, uint64_t number, uint8_t *out,
		 struct plain *plain);
/* Takes the next record as one of these keys, unopened. */
void protect_pass(struct keys *keys, const struct wire *wire);
/*
 * Finds the number of a record in first .. first + count - 1, or at any later place where
 * the record tells it; keys->number is then that number. Work is taken from budget (bytes).
 */
int record_find(struct keys *keys, const struct wire *wire, uint64_t first, uint64_t count,
		uint64_t *budget, uint8_t *out);

/* hello.c */

struct client_hello {
	const uint8_t *random;
	bool early_data;
	char server_name[256];
};

struct server_hello {
	const uint8_t *random;
	uint16_t version;
	uint16_t suite;
	bool retry; /* HelloRetryRequest */
	bool psk;
	bool encrypt_then_mac;
	bool unsupported; /* compression, truncated MAC */
	char alpn[256];
};

struct encrypted_extensions {
	bool early_data;
	char alpn[256];
};

/* 0, or -EBADMSG. Bodies are without the 4-byte message header. */
int hello_read_client(const uint8_t *body, size_t length, struct client_hello *hello);
int hello_read_server(const uint8_t *body, size_t length, struct server_hello *hello);
int hello_read_encrypted(const uint8_t *body, size_t length, struct encrypted_extensions *out);

/* The connection. */

/* Handshake messages over records (RFC 8446, 5.1). */
struct messages {
	uint8_t header[4];
	uint8_t header_length;
	uint8_t *body; /* NULL: not kept */
	uint32_t have;
	uint32_t size;
	bool lost; /* the start of the next message is not known */
};

struct side {
	enum decrypt_status status;
	bool greeted; /* its hello was seen */
	bool greeted_again;
	bool keyed; /* keys are those of place */
	bool hello_done;
	unsigned place;
	struct keys keys;
	struct messages messages;

	uint8_t *partial; /* a record not complete yet; NULL: none */
	size_t partial_length, partial_size;

	/* Records that wait: 8 bytes of time, then the record. */
	uint8_t *queue;
	size_t queue_head, queue_tail, queue_size;
	size_t tried; /* bytes from the head that were tried with later keys */
	bool gap;     /* bytes are missing after the queue */

	/* After a loss. */
	uint8_t *scan;
	size_t scan_head, scan_tail;
	uint64_t scan_ns;    /* of its last bytes */
	uint64_t lost_bytes; /* since the last record */
	bool lost_unknown;   /* and others */
	uint64_t budget;
};

enum early {
	EARLY_UNKNOWN = 0,
	EARLY_ACCEPTED,
	EARLY_REJECTED,
};

struct decrypt {
	struct decrypt_sink sink;
	struct decrypt_limits limits;
	struct decrypt_info info;
	struct side sides[2];
	uint8_t *output;
	struct keys trial;
	struct trial_of {
		enum decrypt_side side;
		unsigned place, variant;
		uint64_t knowledge; /* 0: trial holds no keys */
	} trial_of;

	struct hello hellos[2]; /* by place & 1 */
	bool offered_early;	/* by the newest ClientHello */
	bool retry;		/* a HelloRetryRequest was seen */
	enum early early;

	struct secret early_secret;
	struct secret handshake[2];
	struct secret data[2];
	unsigned data_place[2]; /* of data[] */
	uint8_t masters[MASTERS][MASTER_LEN];
	unsigned master_count;

	bool unwanted;	    /* application data is for nobody */
	bool news;	    /* something that a side may have waited for */
	uint64_t knowledge; /* counts what keys depend on: hellos and secrets */
};

/* What became of a record. */
enum step {
	STEP_DONE,
	STEP_WAIT,
	STEP_LOST,
	STEP_BROKEN,
	STEP_UNSUPPORTED,
};

static inline enum decrypt_side side_index(const struct decrypt *d, const struct side *s)
{
	return s == &d->sides[DECRYPT_SERVER] ? DECRYPT_SERVER : DECRYPT_CLIENT;
}

static inline void news(struct decrypt *d)
{
	d->news = true;
	d->knowledge++;
}

static inline const struct hello *hello_at(const struct decrypt *d, unsigned place)
{
	const struct hello *hello = &d->hellos[place & 1];

	return hello->place == place ? hello : NULL;
}

static inline struct wire wire_at(const uint8_t *record, uint64_t time_ns)
{
	return (struct wire){
		.time_ns = time_ns,
		.header = record,
		.fragment = record + HEADER_LEN,
		.length = (size_t)(record[3] << 8 | record[4]),
	};
}

#define STAMP_LEN sizeof(uint64_t)

/* A record that waits, and the bytes that it takes in the queue. */
static inline struct wire queue_at(const struct side *s, size_t offset)
{
	uint64_t time_ns;

	memcpy(&time_ns, s->queue + offset, STAMP_LEN);
	return wire_at(s->queue + offset + STAMP_LEN, time_ns);
}

static inline size_t entry_size(const struct wire *wire)
{
	return STAMP_LEN + HEADER_LEN + wire->length;
}

/* messages.c: the handshake bytes of one record. 0, -EBADMSG, -ENOMEM. */
int messages_feed(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		  size_t length);
void messages_reset(struct messages *messages, bool lost);

/* step.c */
enum step record_step(struct decrypt *d, struct side *s, const struct wire *wire);
/* Keys into d->trial. -ENOENT: no such variant; other errors: this variant cannot be. */
int place_keys(struct decrypt *d, const struct side *s, unsigned place, unsigned variant);
/* Puts the side there; takes over the keys in d->trial. */
void place_take(struct decrypt *d, struct side *s, unsigned place, uint64_t time_ns);
/* The first record of later keys? Then the side is there. */
bool place_try_later(struct decrypt *d, struct side *s, const struct wire *wire);

/* resync.c */
#define PLACES_AHEAD 2 /* generations of TLS 1.3 keys that may have gone by in a loss */
void resync_begin(struct decrypt *d, struct side *s);
/* Takes bytes, at least one. true: s->scan begins with a record whose keys and number are
 * those of the side. */
bool resync_feed(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		 size_t length, size_t *used);
/* No more comes: what looks like the header of a record that has not come whole is none. As
 * above. */
bool resync_finish(struct decrypt *d, struct side *s);

/* Header of a record that may be (RFC 5246, 6.2.1). */
bool header_plausible(const uint8_t *header);

#endif
