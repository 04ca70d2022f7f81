/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Reading the hellos and the encrypted extensions. */
#include <errno.h>
#include <string.h>
#include <decrypt/internal.h>

enum extension {
	EXTENSION_SERVER_NAME = 0,	   /* RFC 6066, 3 */
	EXTENSION_TRUNCATED_HMAC = 4,	   /* RFC 6066, 7 */
	EXTENSION_ALPN = 16,		   /* RFC 7301 */
	EXTENSION_ENCRYPT_THEN_MAC = 22,   /* RFC 7366 */
	EXTENSION_PRE_SHARED_KEY = 41,	   /* RFC 8446, 4.2.11 */
	EXTENSION_EARLY_DATA = 42,	   /* RFC 8446, 4.2.10 */
	EXTENSION_SUPPORTED_VERSIONS = 43, /* RFC 8446, 4.2.1 */
};

struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool take(struct cursor *cursor, size_t length, struct cursor *out)
{
	if (cursor->left < length)
		return false;
	*out = (struct cursor){cursor->at, length};
	cursor->at += length;
	cursor->left -= length;
	return true;
}

static bool take_number(struct cursor *cursor, size_t length, size_t *out)
{
	struct cursor bytes;

	if (!take(cursor, length, &bytes))
		return false;
	*out = 0;
	for (size_t i = 0; i < length; i++)
		*out = *out << 8 | bytes.at[i];
	return true;
}

/* A vector whose length has length_len bytes (RFC 8446, 3.4). */
static bool take_vector(struct cursor *cursor, size_t length_len, struct cursor *out)
{
	size_t length;

	return take_number(cursor, length_len, &length) && take(cursor, length, out);
}

/* Names with a NUL byte are not names, and stay empty. */
static void copy_name(char out[256], const struct cursor *name)
{
	if (name->left == 0 || name->left > 255 || memchr(name->at, 0, name->left))
		return;
	memcpy(out, name->at, name->left);
	out[name->left] = '\0';
}

typedef bool (*extension_reader)(void *out, size_t type, struct cursor body);

/* The list may be absent, in TLS 1.2. */
static bool read_extensions(struct cursor *cursor, extension_reader read, void *out)
{
	struct cursor list, body;
	size_t type;

	if (cursor->left == 0)
		return true;
	if (!take_vector(cursor, 2, &list) || cursor->left)
		return false;
	while (list.left > 0) {
		if (!take_number(&list, 2, &type) || !take_vector(&list, 2, &body) ||
		    !read(out, type, body))
			return false;
	}
	return true;
}

static bool read_server_name(struct client_hello *hello, struct cursor body)
{
	struct cursor list, name;
	size_t type;

	if (!take_vector(&body, 2, &list))
		return false;
	while (list.left > 0) {
		if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name))
			return false;
		if (type == 0 && !hello->server_name[0])
			copy_name(hello->server_name, &name);
	}
	return true;
}

static bool read_client_extension(void *out, size_t type, struct cursor body)
{
	struct client_hello *hello = out;

	if (type == EXTENSION_SERVER_NAME)
		return read_server_name(hello, body);
	if (type == EXTENSION_EARLY_DATA)
		hello->early_data = true;
	return true;
}

int hello_read_client(const uint8_t *body, size_t length, struct client_hello *hello)
{
	struct cursor cursor = {body, length};
	struct cursor random, ignored;
	size_t version;

	*hello = (struct client_hello){0};
	if (!take_number(&cursor, 2, &version) || version >> 8 != 3 ||
	    !take(&cursor, TLSPCAP_RANDOM_LEN, &random) || !take_vector(&cursor, 1, &ignored) ||
	    !take_vector(&cursor, 2, &ignored) || !take_vector(&cursor, 1, &ignored) ||
	    !read_extensions(&cursor, read_client_extension, hello))
		return -EBADMSG;
	hello->random = random.at;
	return 0;
}

/* One protocol name in a list (RFC 7301, 3.1). */
static bool read_alpn(char out[256], struct cursor body)
{
	struct cursor list, name;

	if (!take_vector(&body, 2, &list) || !take_vector(&list, 1, &name))
		return false;
	copy_name(out, &name);
	return true;
}

static bool read_server_extension(void *out, size_t type, struct cursor body)
{
	struct server_hello *hello = out;
	size_t version;

	switch (type) {
	case EXTENSION_SUPPORTED_VERSIONS:
		if (!take_number(&body, 2, &version))
			return false;
		hello->version = (uint16_t)version;
		return true;
	case EXTENSION_ALPN:
		return read_alpn(hello->alpn, body);
	case EXTENSION_PRE_SHARED_KEY:
		hello->psk = true;
		return true;
	case EXTENSION_ENCRYPT_THEN_MAC:
		hello->encrypt_then_mac = true;
		return true;
	case EXTENSION_TRUNCATED_HMAC:
		hello->unsupported = true;
		return true;
	default:
		return true;
	}
}

/* SHA-256 of "HelloRetryRequest" (RFC 8446, 4.1.3). */
static const uint8_t retry_random[TLSPCAP_RANDOM_LEN] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

int hello_read_server(const uint8_t *body, size_t length, struct server_hello *hello)
{
	struct cursor cursor = {body, length};
	size_t version, suite, compression;
	struct cursor random, ignored;

	*hello = (struct server_hello){0};
	if (!take_number(&cursor, 2, &version) || version >> 8 != 3 ||
	    !take(&cursor, TLSPCAP_RANDOM_LEN, &random) || !take_vector(&cursor, 1, &ignored) ||
	    !take_number(&cursor, 2, &suite) || !take_number(&cursor, 1, &compression))
		return -EBADMSG;
	hello->version = (uint16_t)version;
	if (!read_extensions(&cursor, read_server_extension, hello))
		return -EBADMSG;
	hello->random = random.at;
	hello->suite = (uint16_t)suite;
	hello->unsupported |= compression != 0;
	hello->retry = memcmp(random.at, retry_random, sizeof(retry_random)) == 0;
	return 0;
}

static bool read_encrypted_extension(void *out, size_t type, struct cursor body)
{
	struct encrypted_extensions *extensions = out;

	if (type == EXTENSION_ALPN)
		return read_alpn(extensions->alpn, body);
	if (type == EXTENSION_EARLY_DATA)
		extensions->early_data = true;
	return true;
}

int hello_read_encrypted(const uint8_t *body, size_t length, struct encrypted_extensions *out)
{
	struct cursor cursor = {body, length};

	*out = (struct encrypted_extensions){0};
	return read_extensions(&cursor, read_encrypted_extension, out) ? 0 : -EBADMSG;
}

int decrypt_looks_like_tls(const uint8_t *bytes, size_t length)
{
	/* Record: type, version 3.0 to 3.4; message: type, length below 64 KiB (RFC 5246, 6.2.1
	 * and 7.4). What lies in a second record is not looked at. */
	static const struct {
		uint8_t low, high;
	} expected[] = {{CONTENT_HANDSHAKE, CONTENT_HANDSHAKE},
			{3, 3},
			{0, 4},
			{0, 0x40},
			{0, 255},
			{MESSAGE_CLIENT_HELLO, MESSAGE_SERVER_HELLO},
			{0, 0},
			{0, 255},
			{0, 255},
			{3, 3},
			{0, 4}};
	size_t known = sizeof(expected) / sizeof(expected[0]);
	size_t record;

	for (size_t i = 0; i < known; i++) {
		if (i == length)
			return -EAGAIN;
		if (bytes[i] < expected[i].low || bytes[i] > expected[i].high)
			return 0;
		if (i != HEADER_LEN - 1)
			continue;
		record = (size_t)bytes[3] << 8 | bytes[4];
		if (record == 0 || record > 16384)
			return 0;
		if (record < known - HEADER_LEN)
			known = HEADER_LEN + record;
	}
	return 1;
}
