/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A TLS 1.2 session (RFC 5246) with TLS_RSA_WITH_NULL_SHA256: no encryption, a MAC of 32
 * bytes. Wireshark checks no MAC when it has no key for the session, so the MAC is zeros.
 */
#include <string.h>
#include <view/internal.h>

#define SUITE_RSA_NULL_SHA256 0x003b
#define MAC_LENGTH	      32
#define RANDOM_LENGTH	      32
#define VERIFY_LENGTH	      12 /* verify_data of Finished, RFC 5246, 7.4.9 */

enum record_type {
	RECORD_CHANGE_CIPHER_SPEC = 20,
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
};

enum handshake_type {
	HANDSHAKE_CLIENT_HELLO = 1,
	HANDSHAKE_SERVER_HELLO = 2,
	HANDSHAKE_SERVER_HELLO_DONE = 14,
	HANDSHAKE_CLIENT_KEY_EXCHANGE = 16,
	HANDSHAKE_FINISHED = 20,
};

enum extension_type {
	EXTENSION_SERVER_NAME = 0, /* RFC 6066, 3 */
	EXTENSION_ALPN = 16,	   /* RFC 7301, 3.1 */
};

/* A head under construction. VIEW_HEAD_MAX holds the longest: two names of 255 bytes. */
struct bytes {
	size_t length;
	uint8_t at[VIEW_HEAD_MAX];
};

static void put8(struct bytes *to, unsigned int value)
{
	to->at[to->length++] = (uint8_t)value;
}

static void put16(struct bytes *to, unsigned int value)
{
	put8(to, value >> 8);
	put8(to, value);
}

static void put(struct bytes *to, const void *from, size_t length)
{
	memcpy(to->at + to->length, from, length);
	to->length += length;
}

static void put_zeros(struct bytes *to, size_t length)
{
	memset(to->at + to->length, 0, length);
	to->length += length;
}

/* Leaves room for a length of `width` bytes; end_length() fills it in. */
static size_t begin_length(struct bytes *to, size_t width)
{
	put_zeros(to, width);
	return to->length;
}

static void end_length(struct bytes *to, size_t begin, size_t width)
{
	size_t length = to->length - begin;

	for (size_t i = 1; i <= width; i++, length >>= 8)
		to->at[begin - i] = (uint8_t)length;
}

/* TLSPlaintext, 6.2.1: type, version, length. */
static size_t begin_record(struct bytes *to, enum record_type type, unsigned int version)
{
	put8(to, type);
	put16(to, version);
	return begin_length(to, 2);
}

static size_t begin_handshake(struct bytes *to, enum handshake_type type)
{
	put8(to, type);
	return begin_length(to, 3);
}

static size_t begin_extension(struct bytes *to, enum extension_type type)
{
	put16(to, type);
	return begin_length(to, 2);
}

static void put_server_name(struct bytes *to, const char *name)
{
	size_t extension = begin_extension(to, EXTENSION_SERVER_NAME);
	size_t list = begin_length(to, 2);
	size_t host;

	put8(to, 0); /* host_name */
	host = begin_length(to, 2);
	put(to, name, strnlen(name, TLSPCAP_INFO_LEN - 1));
	end_length(to, host, 2);
	end_length(to, list, 2);
	end_length(to, extension, 2);
}

static void put_alpn(struct bytes *to, const char *protocol)
{
	size_t extension = begin_extension(to, EXTENSION_ALPN);
	size_t list = begin_length(to, 2);
	size_t name = begin_length(to, 1);

	put(to, protocol, strnlen(protocol, TLSPCAP_INFO_LEN - 1));
	end_length(to, name, 1);
	end_length(to, list, 2);
	end_length(to, extension, 2);
}

/* The finalizer and the step of splitmix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static void put_random(struct bytes *to, const struct conversation_info *info, uint64_t *state)
{
	uint8_t *random = to->at + to->length;

	for (size_t i = 0; i < RANDOM_LENGTH / 8; i++) {
		uint64_t word = next_random(state);

		put(to, &word, sizeof(word));
	}
	/* With a real session's random, Wireshark would look up that session's keys. */
	if (info->has_random && memcmp(random, info->client_random, RANDOM_LENGTH) == 0)
		random[0] ^= 1;
}

/* ClientHello, RFC 5246, 7.4.1.2. */
static void put_client_hello(struct bytes *to, const struct conversation_info *info,
			     uint64_t *state)
{
	size_t record = begin_record(to, RECORD_HANDSHAKE, 0x0301);
	size_t handshake = begin_handshake(to, HANDSHAKE_CLIENT_HELLO);
	size_t extensions;

	put16(to, 0x0303);
	put_random(to, info, state);
	put8(to, 0);  /* no session id */
	put16(to, 2); /* one suite */
	put16(to, SUITE_RSA_NULL_SHA256);
	put8(to, 1); /* one compression method: none */
	put8(to, 0);
	extensions = begin_length(to, 2);
	if (info->server_name[0])
		put_server_name(to, info->server_name);
	if (info->alpn[0])
		put_alpn(to, info->alpn);
	end_length(to, extensions, 2);
	end_length(to, handshake, 3);
	end_length(to, record, 2);
}

/* ServerHello, 7.4.1.3. */
static void put_server_hello(struct bytes *to, const struct conversation_info *info,
			     uint64_t *state)
{
	size_t record = begin_record(to, RECORD_HANDSHAKE, 0x0303);
	size_t handshake = begin_handshake(to, HANDSHAKE_SERVER_HELLO);
	size_t extensions;

	put16(to, 0x0303);
	put_random(to, info, state);
	put8(to, 0);
	put16(to, SUITE_RSA_NULL_SHA256);
	put8(to, 0);
	extensions = begin_length(to, 2);
	if (info->alpn[0])
		put_alpn(to, info->alpn);
	end_length(to, extensions, 2);
	end_length(to, handshake, 3);
	end_length(to, record, 2);
}

static void put_server_hello_done(struct bytes *to)
{
	size_t record = begin_record(to, RECORD_HANDSHAKE, 0x0303);

	end_length(to, begin_handshake(to, HANDSHAKE_SERVER_HELLO_DONE), 3);
	end_length(to, record, 2);
}

/* ClientKeyExchange, 7.4.7.1, with an empty EncryptedPreMasterSecret. */
static void put_client_key_exchange(struct bytes *to)
{
	size_t record = begin_record(to, RECORD_HANDSHAKE, 0x0303);
	size_t handshake = begin_handshake(to, HANDSHAKE_CLIENT_KEY_EXCHANGE);

	put16(to, 0);
	end_length(to, handshake, 3);
	end_length(to, record, 2);
}

/* ChangeCipherSpec, 7.1, and Finished, 7.4.9; the MAC is the segment's tail. */
static void put_finished(struct bytes *to)
{
	size_t record = begin_record(to, RECORD_CHANGE_CIPHER_SPEC, 0x0303);
	size_t handshake;

	put8(to, 1);
	end_length(to, record, 2);

	put8(to, RECORD_HANDSHAKE);
	put16(to, 0x0303);
	put16(to, 4 + VERIFY_LENGTH + MAC_LENGTH);
	handshake = begin_handshake(to, HANDSHAKE_FINISHED);
	put_zeros(to, VERIFY_LENGTH);
	end_length(to, handshake, 3);
}

static void give(enum tlspcap_direction direction, const struct bytes *head, size_t tail,
		 view_segment_fn fn, void *ctx)
{
	const struct view_segment segment = {
		.direction = direction,
		.flags = VIEW_SEGMENT_FABRICATED,
		.head = head->at,
		.head_length = head->length,
		.tail_length = tail,
	};

	fn(ctx, &segment);
}

void null_tls_open(const struct conversation_info *info, view_segment_fn fn, void *ctx)
{
	bool local_is_server = info->role == TLSPCAP_ROLE_SERVER;
	enum tlspcap_direction client = local_is_server ? TLSPCAP_RECEIVED : TLSPCAP_SENT;
	enum tlspcap_direction server = local_is_server ? TLSPCAP_SENT : TLSPCAP_RECEIVED;
	uint64_t state = info->seed;
	struct bytes flight;

	flight.length = 0;
	put_client_hello(&flight, info, &state);
	give(client, &flight, 0, fn, ctx);

	flight.length = 0;
	put_server_hello(&flight, info, &state);
	put_server_hello_done(&flight);
	give(server, &flight, 0, fn, ctx);

	flight.length = 0;
	put_client_key_exchange(&flight);
	put_finished(&flight);
	give(client, &flight, MAC_LENGTH, fn, ctx);

	flight.length = 0;
	put_finished(&flight);
	give(server, &flight, MAC_LENGTH, fn, ctx);
}

void null_tls_data(enum tlspcap_direction direction, const uint8_t *bytes, size_t length,
		   view_segment_fn fn, void *ctx)
{
	size_t record = length + MAC_LENGTH;
	const uint8_t head[] = {RECORD_DATA, 3, 3, (uint8_t)(record >> 8), (uint8_t)record};
	const struct view_segment segment = {
		.direction = direction,
		.head = head,
		.head_length = sizeof(head),
		.body = bytes,
		.body_length = length,
		.tail_length = MAC_LENGTH,
	};

	fn(ctx, &segment);
}

/* Alert, 7.2: warning, close_notify. */
void null_tls_close(enum tlspcap_direction direction, view_segment_fn fn, void *ctx)
{
	struct bytes alert = {.length = 0};

	put8(&alert, RECORD_ALERT);
	put16(&alert, 0x0303);
	put16(&alert, 2 + MAC_LENGTH);
	put8(&alert, 1);
	put8(&alert, 0);
	give(direction, &alert, MAC_LENGTH, fn, ctx);
}
