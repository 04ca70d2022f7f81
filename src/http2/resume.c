/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What a reader has to be told who begins in the midst of a connection. */
#include <stdlib.h>
#include <string.h>

#include <http2/internal.h>

#define STATIC_ENTRIES 61 /* RFC 7541, appendix A */
/* Wireshark reads 200 fields of a header block. */
#define ENTRIES_OF_BLOCK 64

/* Bytes of a side, put together. */
struct text {
	uint8_t *bytes;
	size_t length, room;
	bool failed; /* without memory */
};

static uint8_t *add_room(struct text *text, size_t length)
{
	size_t need = text->length + length;
	uint8_t *larger;

	if (text->failed)
		return NULL;
	if (need > text->room) {
		size_t room = 2 * text->room > need ? 2 * text->room : need + 256;

		larger = realloc(text->bytes, room);
		if (!larger) {
			text->failed = true;
			return NULL;
		}
		text->bytes = larger;
		text->room = room;
	}
	text->length = need;
	return text->bytes + need - length;
}

static void add(struct text *text, const void *bytes, size_t length)
{
	uint8_t *to = length ? add_room(text, length) : NULL;

	if (to)
		memcpy(to, bytes, length);
}

static void put_frame_header(uint8_t *to, size_t length, uint8_t type, uint8_t flags)
{
	const uint8_t header[FRAME_HEADER] = {
		(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length, type, flags,
	};

	memcpy(to, header, sizeof(header));
}

/* RFC 7541, 5.1: the first byte's other bits are `pattern`. */
static void add_integer(struct text *text, uint8_t pattern, unsigned int bits, size_t value)
{
	size_t most = ((size_t)1 << bits) - 1;
	uint8_t byte = (uint8_t)(pattern | (value < most ? value : most));

	add(text, &byte, 1);
	if (value < most)
		return;
	for (value -= most; value >= 0x80; value >>= 7) {
		byte = (uint8_t)(0x80 | value);
		add(text, &byte, 1);
	}
	byte = (uint8_t)value;
	add(text, &byte, 1);
}

static void add_string(struct text *text, const uint8_t *bytes, size_t length)
{
	add_integer(text, 0, 7, length);
	add(text, bytes, length);
}

/* SETTINGS with this size of the header table (RFC 9113, 6.5); UNCHANGED: with nothing. */
static void add_settings(struct text *text, uint32_t limit)
{
	const uint8_t entry[] = {
		0,
		NGHTTP2_SETTINGS_HEADER_TABLE_SIZE,
		(uint8_t)(limit >> 24),
		(uint8_t)(limit >> 16),
		(uint8_t)(limit >> 8),
		(uint8_t)limit,
	};
	size_t length = limit == UNCHANGED ? 0 : sizeof(entry);
	uint8_t *header = add_room(text, FRAME_HEADER);

	if (header)
		put_frame_header(header, length, FRAME_SETTINGS, 0);
	add(text, entry, length);
}

static void add_acknowledgement(struct text *text)
{
	uint8_t *header = add_room(text, FRAME_HEADER);

	if (header)
		put_frame_header(header, 0, FRAME_SETTINGS, FLAG_ACK);
}

/* The table, from its oldest entry on, as literal fields with indexing (RFC 7541, 6.2.1). */
static size_t add_entries(struct text *text, nghttp2_hd_inflater *inflater, size_t index)
{
	for (size_t n = 0; index > STATIC_ENTRIES && n < ENTRIES_OF_BLOCK; n++, index--) {
		const nghttp2_nv *entry = nghttp2_hd_inflate_get_table_entry(inflater, index);
		const uint8_t literal = 0x40;

		if (!entry)
			continue;
		add(text, &literal, 1);
		add_string(text, entry->name, entry->namelen);
		add_string(text, entry->value, entry->valuelen);
	}
	return index;
}

static void add_table(struct text *text, const struct side *side)
{
	size_t index, begin, size;
	bool resized;

	if (!side->inflater)
		return;
	index = nghttp2_hd_inflate_get_num_table_entries(side->inflater);
	size = nghttp2_hd_inflate_get_max_dynamic_table_size(side->inflater);
	resized = side->limit != TABLE_DEFAULT || size != TABLE_DEFAULT;
	while (index > STATIC_ENTRIES || resized) {
		begin = text->length;
		add_room(text, FRAME_HEADER);
		if (resized)
			add_integer(text, 0x20, 5, size < side->limit ? size : side->limit);
		resized = false;
		index = add_entries(text, side->inflater, index);
		if (text->failed)
			return;
		put_frame_header(text->bytes + begin, text->length - begin - FRAME_HEADER,
				 FRAME_HEADERS, FLAG_END_HEADERS);
	}
}

/* Of the frame that the next bytes belong to. */
static void add_begun(struct text *text, const struct side *side)
{
	uint8_t *header;

	add(text, side->kept, side->kept_length);
	if (side->header_length < FRAME_HEADER) {
		add(text, side->header, side->header_length);
	} else if (side->header[3] == FRAME_DATA) {
		header = add_room(text, FRAME_HEADER);
		if (!header)
			return;
		/* How much padding there is, stood at its beginning. */
		put_frame_header(header, side->left, FRAME_DATA, side->header[4] & FLAG_END_STREAM);
		memcpy(header + 5, side->header + 5, 4);
	}
}

static void write_out(struct text *text, enum http2_side side, http2_write_fn write, void *ctx)
{
	if (text->length && !text->failed)
		write(ctx, side, text->bytes, text->length);
	text->length = 0;
}

static bool has_limits(const struct http2 *http2)
{
	return http2->sides[HTTP2_CLIENT].limit != TABLE_DEFAULT ||
	       http2->sides[HTTP2_SERVER].limit != TABLE_DEFAULT;
}

/* All of a side but the preface. */
static void add_side(struct text *text, const struct side *side)
{
	if (side->lost)
		return;
	for (unsigned int i = 0; i < side->n_pending; i++)
		add_settings(text, side->pending[i]);
	add_table(text, side);
	add_begun(text, side);
}

bool http2_resume(const struct http2 *http2, http2_write_fn write, void *ctx)
{
	const struct side *client = &http2->sides[HTTP2_CLIENT];
	const struct side *server = &http2->sides[HTTP2_SERVER];
	bool limits = has_limits(http2);
	struct text text = {0};

	if (!client->lost) {
		add(&text, http2_preface, PREFACE_LENGTH - client->preface_left);
		if (client->preface_left)
			limits = false;
	}
	if (limits) {
		if (!client->lost)
			add_settings(&text, server->limit);
		write_out(&text, HTTP2_CLIENT, write, ctx);
		if (!server->lost) {
			add_settings(&text, client->limit);
			add_acknowledgement(&text);
		}
		write_out(&text, HTTP2_SERVER, write, ctx);
		/* Before the server's SETTINGS that nobody has acknowledged: it is of the one
		 * above. */
		if (!client->lost)
			add_acknowledgement(&text);
	}
	add_side(&text, client);
	write_out(&text, HTTP2_CLIENT, write, ctx);
	add_side(&text, server);
	write_out(&text, HTTP2_SERVER, write, ctx);
	free(text.bytes);
	return !text.failed;
}
