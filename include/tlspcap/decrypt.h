/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * decrypt: TLS records and secrets in, plaintext and what the handshake says out.
 *
 * A pure stage over OpenSSL's libcrypto (docs/design.md says why). It follows one connection:
 * the bytes of both directions as they passed the socket, from the first byte or from any
 * later one, and the key log secrets in any order. It needs no private key and holds no
 * certificate opinion. TLS 1.2 (RFC 5246) and 1.3 (RFC 8446); the input is hostile.
 */
#ifndef TLSPCAP_DECRYPT_H
#define TLSPCAP_DECRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tlspcap/event.h>

struct decrypt;

/* Whose bytes they are. */
enum decrypt_side {
	DECRYPT_CLIENT = 0,
	DECRYPT_SERVER = 1,
};

/* What is known of the connection; grows while bytes come. */
struct decrypt_info {
	bool is_tls; /* a ClientHello or ServerHello was seen */
	bool has_client_random;
	bool has_server_hello;
	uint8_t client_random[TLSPCAP_RANDOM_LEN]; /* of the first ClientHello (RFC 8446, 4.1.4) */
	uint16_t version;			   /* negotiated: 0x0303, 0x0304; 0: unknown */
	uint16_t cipher_suite;
	bool cipher_supported;
	bool early_data;       /* the client offered 0-RTT (RFC 8446, 4.2.10) */
	bool resumed;	       /* TLS 1.2 abbreviated handshake, or 1.3 with a PSK */
	char server_name[256]; /* RFC 6066; empty: none; bytes are the peer's choice */
	char alpn[256];	       /* the selected protocol; empty: none or not readable */
	/* Of the newest ClientHello: another one after a TLS 1.2 renegotiation, whose secret is to
	 * be given too. */
	uint8_t latest_client_random[TLSPCAP_RANDOM_LEN];
};

/* Why application data of a side cannot be read. */
enum decrypt_status {
	DECRYPT_OK = 0,
	DECRYPT_WAITING,     /* for secrets: bytes are kept, bounded */
	DECRYPT_UNSUPPORTED, /* version or cipher suite */
	DECRYPT_LOST,	     /* bytes were lost and the place was not found again yet */
	DECRYPT_BROKEN,	     /* the stream is not TLS, or a record does not authenticate */
};

/* Times are the caller's; those of the bytes that completed the record. No function of the
 * stage but decrypt_info() and decrypt_status() may be called from these. */
struct decrypt_sink {
	void *ctx;
	/* Plaintext of application data; early: 0-RTT. `record` counts this side's protected
	 * records under the current keys. */
	void (*data)(void *ctx, enum decrypt_side side, uint64_t time_ns, const uint8_t *bytes,
		     size_t length, uint64_t record, bool early);
	/* An alert, protected or not (RFC 8446, 6). */
	void (*alert)(void *ctx, enum decrypt_side side, uint64_t time_ns, uint8_t level,
		      uint8_t description);
	/* decrypt_info() has grown: a hello or the encrypted extensions were read. */
	void (*info)(void *ctx, uint64_t time_ns);
};

struct decrypt_limits {
	size_t pending_bytes;	 /* kept for each side while secrets are awaited; 0: 256 KiB */
	uint64_t resync_records; /* record numbers tried after a loss; 0: 4096 */
	/* DECRYPT_SCRATCH bytes for plaintext, which many connections may share as long as no
	 * sink feeds another one; they stay the caller's. NULL: 18 KiB for each. */
	uint8_t *scratch;
};

#define DECRYPT_SCRATCH (16384 + 2048) /* RFC 5246, 6.2.3 */

/* limits may be NULL. NULL without memory. */
struct decrypt *decrypt_new(const struct decrypt_limits *limits, const struct decrypt_sink *sink);
void decrypt_free(struct decrypt *decrypt);

/*
 * A secret of this connection, as in an NSS key log line (the caller matched the client
 * random). Bytes that waited for it are decrypted now. 0; -EINVAL unknown label or length.
 * CLIENT_RANDOM may come again for a renegotiation: which handshake a master secret belongs to
 * is found by trying the last four. Of other labels the first secret stays.
 */
int decrypt_secret(struct decrypt *decrypt, const char *label, const uint8_t *secret,
		   size_t length);

/* The next bytes of one side's stream. 0, or -EBADMSG: not TLS (nothing more will be read). */
int decrypt_feed(struct decrypt *decrypt, enum decrypt_side side, uint64_t time_ns,
		 const uint8_t *bytes, size_t length);

/*
 * `length` bytes of the side's stream are missing here (0: unknown how many). Also what to call
 * first when the stream begins in the midst of a connection, and to try again after
 * DECRYPT_BROKEN, and at its end. After an earlier gap it may give data: records in what looked
 * like a longer one, of which no more can come. While secrets are awaited, bytes after the gap are
 * dropped until they come.
 */
void decrypt_lose(struct decrypt *decrypt, enum decrypt_side side, uint64_t length);

/*
 * Whether application data is for somebody (it is, at first). While it is not, records that are
 * longer than what else a side may send are counted and not opened, which costs next to nothing;
 * data of shorter ones may still come. Afterwards decryption goes on where the side is then; after
 * a key update in a padded record, only a loss makes it look for its keys.
 */
void decrypt_want_data(struct decrypt *decrypt, bool wanted);

/*
 * Whether a secret is one of this connection: it opens one of the records that wait for it. The
 * client random of the handshake that it belongs to, or NULL: it does not, or that cannot be said
 * (yet). It is not taken; decrypt_secret() does that. Tries, which are a derivation of keys or a
 * record each, are taken from *tries; none are left when it ends at 0.
 */
const uint8_t *decrypt_prove(struct decrypt *decrypt, const char *label, const uint8_t *secret,
			     size_t length, unsigned int *tries);

const struct decrypt_info *decrypt_info(const struct decrypt *decrypt);
enum decrypt_status decrypt_status(const struct decrypt *decrypt, enum decrypt_side side);

/*
 * Looks at the first bytes of a stream. 1: a TLS ClientHello or ServerHello begins here;
 * 0: not TLS; -EAGAIN: too few bytes to say.
 */
int decrypt_looks_like_tls(const uint8_t *bytes, size_t length);

#endif
