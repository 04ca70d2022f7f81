/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Handshake messages: put together over records, those of interest read, the others skipped. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <decrypt/internal.h>

static void tell_info(struct decrypt *d, uint64_t time_ns)
{
	news(d);
	if (d->sink.info)
		d->sink.info(d->sink.ctx, time_ns);
}

/* The hellos of the handshake that this side is in. */
static struct hello *hello_current(struct decrypt *d, const struct side *s)
{
	struct hello *hello = &d->hellos[(s->place + 1) & 1];

	if (hello->place != s->place + 1)
		*hello = (struct hello){.place = s->place + 1};
	return hello;
}

static int on_client_hello(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *body,
			   size_t length)
{
	struct decrypt_info *info = &d->info;
	struct client_hello read;
	struct hello *hello;

	if (side_index(d, s) != DECRYPT_CLIENT || hello_read_client(body, length, &read))
		return -EBADMSG;
	if (info->version == VERSION_13 && s->place != PLACE_PLAIN)
		return -EBADMSG;
	hello = hello_current(d, s);
	hello->client = true;
	memcpy(hello->client_random, read.random, TLSPCAP_RANDOM_LEN);
	memcpy(info->latest_client_random, read.random, TLSPCAP_RANDOM_LEN);
	if (!info->has_client_random)
		memcpy(info->client_random, read.random, TLSPCAP_RANDOM_LEN);
	if (s->place == PLACE_PLAIN)
		memcpy(info->server_name, read.server_name, sizeof(info->server_name));
	info->has_client_random = true;
	info->is_tls = true;
	info->early_data |= read.early_data;
	d->offered_early = read.early_data;
	/* A second one answers a HelloRetryRequest, and offers no early data. */
	s->greeted_again = s->greeted;
	s->greeted = true;
	tell_info(d, time_ns);
	return 0;
}

static int on_server_hello(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *body,
			   size_t length)
{
	struct decrypt_info *info = &d->info;
	struct server_hello read;
	struct hello *hello;

	if (side_index(d, s) != DECRYPT_SERVER || hello_read_server(body, length, &read))
		return -EBADMSG;
	if (s->place == PLACE_PLAIN && hello_at(d, 1) && hello_at(d, 1)->server)
		return -EBADMSG;
	if (s->place != PLACE_PLAIN &&
	    (info->version != VERSION_12 || read.version != VERSION_12 || read.retry))
		return -EBADMSG;
	s->greeted = true;
	s->hello_done = false;
	info->is_tls = true;
	info->version = read.version;
	info->cipher_suite = read.suite;
	if (read.retry) {
		d->retry = true;
		d->early = EARLY_REJECTED;
		tell_info(d, time_ns);
		return 0;
	}
	hello = hello_current(d, s);
	hello->server = true;
	hello->encrypt_then_mac = read.encrypt_then_mac;
	hello->suite = read.unsupported ? NULL : suite_find(read.version, read.suite);
	memcpy(hello->server_random, read.random, TLSPCAP_RANDOM_LEN);
	info->has_server_hello = true;
	info->cipher_supported = hello->suite != NULL;
	if (read.alpn[0])
		memcpy(info->alpn, read.alpn, sizeof(info->alpn));
	if (read.version == VERSION_13) {
		info->resumed = read.psk;
		/* RFC 8446, 4.2.10: early data is that of the first PSK. */
		if (!read.psk)
			d->early = EARLY_REJECTED;
	}
	tell_info(d, time_ns);
	return 0;
}

static int on_encrypted_extensions(struct decrypt *d, struct side *s, uint64_t time_ns,
				   const uint8_t *body, size_t length)
{
	struct encrypted_extensions read;

	if (side_index(d, s) != DECRYPT_SERVER || s->place != PLACE_HANDSHAKE ||
	    d->info.version != VERSION_13 || hello_read_encrypted(body, length, &read))
		return -EBADMSG;
	if (read.alpn[0])
		memcpy(d->info.alpn, read.alpn, sizeof(d->info.alpn));
	if (d->early == EARLY_UNKNOWN)
		d->early = read.early_data ? EARLY_ACCEPTED : EARLY_REJECTED;
	tell_info(d, time_ns);
	return 0;
}

static void next_place(struct side *s, unsigned place)
{
	s->place = place;
	s->keyed = false;
}

/* Messages after which other keys are in use (RFC 8446, 4.4.4, 4.5, 4.6.3). */
static void on_key_change(const struct decrypt *d, struct side *s, uint8_t type)
{
	if (type == MESSAGE_SERVER_HELLO_DONE)
		s->hello_done = true;
	if (d->info.version != VERSION_13)
		return;
	if (type == MESSAGE_END_OF_EARLY_DATA && s->place == PLACE_EARLY)
		next_place(s, PLACE_HANDSHAKE);
	else if (type == MESSAGE_FINISHED && s->place == PLACE_HANDSHAKE)
		next_place(s, PLACE_DATA);
	else if (type == MESSAGE_KEY_UPDATE && s->place >= PLACE_DATA)
		next_place(s, s->place + 1);
}

typedef int (*message_reader)(struct decrypt *d, struct side *s, uint64_t time_ns,
			      const uint8_t *body, size_t length);

/* Reader of a message, if it is of interest. TLS 1.2 has no message 8. */
static message_reader reader_of(const struct decrypt *d, uint8_t type)
{
	switch (type) {
	case MESSAGE_CLIENT_HELLO:
		return on_client_hello;
	case MESSAGE_SERVER_HELLO:
		return on_server_hello;
	case MESSAGE_ENCRYPTED_EXTENSIONS:
		return d->info.version == VERSION_13 ? on_encrypted_extensions : NULL;
	default:
		return NULL;
	}
}

void messages_reset(struct messages *messages, bool lost)
{
	if (messages->body)
		OPENSSL_cleanse(messages->body, messages->size);
	free(messages->body);
	*messages = (struct messages){.lost = lost};
}

static uint32_t message_size(const uint8_t *header)
{
	return (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
}

static int message_begin(struct decrypt *d, struct side *s)
{
	uint8_t first =
		side_index(d, s) == DECRYPT_CLIENT ? MESSAGE_CLIENT_HELLO : MESSAGE_SERVER_HELLO;
	struct messages *m = &s->messages;

	m->size = message_size(m->header);
	m->have = 0;
	/* Unprotected, so nothing else says that this is TLS. */
	if (!s->greeted && s->place == PLACE_PLAIN && m->header[0] != first)
		return -EBADMSG;
	return 0;
}

static int message_end(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *body)
{
	message_reader read = reader_of(d, s->messages.header[0]);
	uint8_t type = s->messages.header[0];
	int err = 0;

	if (read && body)
		err = read(d, s, time_ns, body, s->messages.size);
	messages_reset(&s->messages, false);
	on_key_change(d, s, type);
	return err;
}

/* Takes bytes of the body; *used of them. */
static int message_body(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
			size_t length, size_t *used)
{
	struct messages *m = &s->messages;
	bool keep = reader_of(d, m->header[0]) && m->size <= MESSAGE_MAX;
	size_t n = m->size - m->have;

	*used = n < length ? n : length;
	if (m->have == 0 && *used == m->size)
		return message_end(d, s, time_ns, keep ? bytes : NULL);
	if (keep && !m->body) {
		m->body = malloc(m->size);
		if (!m->body)
			return -ENOMEM;
	}
	if (m->body)
		memcpy(m->body + m->have, bytes, *used);
	m->have += (uint32_t)*used;
	if (m->have < m->size)
		return 0;
	return message_end(d, s, time_ns, m->body);
}

/* After a loss: do whole messages fill the record? */
static bool messages_fill(const uint8_t *bytes, size_t length)
{
	while (length >= 4) {
		uint32_t size = message_size(bytes);

		if (bytes[0] > MESSAGE_KEY_UPDATE || size > length - 4)
			return false;
		bytes += 4 + size;
		length -= 4 + size;
	}
	return length == 0;
}

int messages_feed(struct decrypt *d, struct side *s, uint64_t time_ns, const uint8_t *bytes,
		  size_t length)
{
	struct messages *m = &s->messages;
	size_t used;
	int err;

	if (m->lost) {
		if (!messages_fill(bytes, length))
			return 0;
		m->lost = false;
	}
	while (length > 0) {
		if (m->header_length < sizeof(m->header)) {
			m->header[m->header_length++] = *bytes++;
			length--;
			if (m->header_length < sizeof(m->header))
				continue;
			err = message_begin(d, s);
			if (!err && m->size == 0)
				err = message_end(d, s, time_ns, bytes);
		} else {
			err = message_body(d, s, time_ns, bytes, length, &used);
			bytes += used;
			length -= used;
		}
		if (err)
			return err;
	}
	return 0;
}
