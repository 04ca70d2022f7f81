/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Frames, and what header blocks and SETTINGS do to the tables. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <http2/internal.h>

/* --- memory, of which all connections have so much -------------------------------------- */

static bool take(struct http2_memory *memory, void *block)
{
	size_t size = malloc_usable_size(block);

	if (size > memory->left)
		return false;
	memory->left -= size;
	return true;
}

static void give_back(void *block, void *memory)
{
	((struct http2_memory *)memory)->left += malloc_usable_size(block);
	free(block);
}

static void *allocate(size_t size, void *memory)
{
	void *block = malloc(size);

	if (!block || take(memory, block))
		return block;
	free(block);
	return NULL;
}

static void *allocate_zeroed(size_t n, size_t size, void *memory)
{
	void *block = calloc(n, size);

	if (!block || take(memory, block))
		return block;
	free(block);
	return NULL;
}

static void *allocate_again(void *block, size_t size, void *memory)
{
	void *larger = allocate(size, memory);
	size_t old = malloc_usable_size(block);

	if (!larger)
		return NULL;
	if (block)
		memcpy(larger, block, old < size ? old : size);
	give_back(block, memory);
	return larger;
}

static nghttp2_hd_inflater *new_inflater(struct http2 *http2)
{
	nghttp2_hd_inflater *inflater;

	return nghttp2_hd_inflate_new2(&inflater, &http2->functions) ? NULL : inflater;
}

static void lose_headers(struct side *side)
{
	if (side->inflater)
		nghttp2_hd_inflate_del(side->inflater);
	side->inflater = NULL;
}

static void lose(struct http2 *http2, struct side *side)
{
	lose_headers(side);
	give_back(side->kept, http2->memory);
	side->kept = NULL;
	side->kept_length = side->kept_room = 0;
	side->lost = true;
}

struct http2 *http2_new(struct http2_memory *memory)
{
	struct http2 *http2 = allocate_zeroed(1, sizeof(*http2), memory);

	if (!http2)
		return NULL;
	http2->memory = memory;
	http2->functions = (nghttp2_mem){
		.mem_user_data = memory,
		.malloc = allocate,
		.free = give_back,
		.calloc = allocate_zeroed,
		.realloc = allocate_again,
	};
	http2->sides[HTTP2_CLIENT].preface_left = PREFACE_LENGTH;
	for (int i = 0; i < 2; i++) {
		struct side *side = &http2->sides[i];

		side->limit = TABLE_DEFAULT;
		side->inflater = new_inflater(http2);
	}
	return http2;
}

void http2_free(struct http2 *http2)
{
	if (!http2)
		return;
	for (int i = 0; i < 2; i++)
		lose(http2, &http2->sides[i]);
	give_back(http2, http2->memory);
}

/* --- header blocks ----------------------------------------------------------------------- */

/* Where a frame's piece of the header block is (RFC 9113, 6.2, 6.6, 6.10). False: nowhere. */
static bool find_fragment(const uint8_t *frame, const uint8_t **fragment, size_t *length)
{
	size_t before = 0, padding = 0;

	*length = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
	*fragment = frame + FRAME_HEADER;
	if (frame[3] == FRAME_CONTINUATION)
		return true;
	if (frame[4] & FLAG_PADDED) {
		if (!*length)
			return false;
		padding = (*fragment)[0];
		before = 1;
	}
	if (frame[3] == FRAME_PUSH_PROMISE)
		before += 4;
	else if (frame[4] & FLAG_PRIORITY)
		before += 5;
	if (before + padding > *length)
		return false;
	*fragment += before;
	*length -= before + padding;
	return true;
}

/* What the fields say is for others: only the table counts. */
static bool inflate(nghttp2_hd_inflater *inflater, const uint8_t *bytes, size_t length, bool last)
{
	for (;;) {
		nghttp2_nv field;
		int flags = 0;
		ssize_t used =
			nghttp2_hd_inflate_hd2(inflater, &field, &flags, bytes, length, last);

		if (used < 0)
			return false;
		bytes += used;
		length -= (size_t)used;
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			return length == 0 && !nghttp2_hd_inflate_end_headers(inflater);
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !length)
			return !last;
	}
}

static bool read_block(struct side *side)
{
	size_t at = 0;

	while (at < side->kept_length) {
		const uint8_t *fragment;
		size_t length;

		if (!find_fragment(side->kept + at, &fragment, &length))
			return false;
		at += FRAME_HEADER + ((size_t)side->kept[at] << 16 |
				      (size_t)side->kept[at + 1] << 8 | side->kept[at + 2]);
		if (!inflate(side->inflater, fragment, length, at == side->kept_length))
			return false;
	}
	return true;
}

/* --- settings ---------------------------------------------------------------------------- */

/* SETTINGS_HEADER_TABLE_SIZE is for the other side's table, once it has acknowledged it. */
static void take_settings(struct side *side)
{
	uint32_t limit = UNCHANGED;

	for (size_t at = FRAME_HEADER; at + 6 <= side->kept_length; at += 6) {
		const uint8_t *entry = side->kept + at;

		if (entry[0] || entry[1] != NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
			continue;
		limit = (uint32_t)entry[2] << 24 | (uint32_t)entry[3] << 16 |
			(uint32_t)entry[4] << 8 | entry[5];
		/* A table that is really larger than this is not followed. */
		limit = limit < TABLE_MAX ? limit : TABLE_MAX;
	}
	if (side->n_pending == PENDING_MAX)
		return; /* its acknowledgements will be taken for earlier ones' */
	side->pending[side->n_pending++] = limit;
}

static void take_acknowledgement(struct http2 *http2, struct side *side)
{
	struct side *other = &http2->sides[side == &http2->sides[HTTP2_CLIENT]];
	uint32_t limit;

	if (!other->n_pending)
		return;
	limit = other->pending[0];
	other->n_pending--;
	memmove(other->pending, other->pending + 1, other->n_pending * sizeof(limit));
	if (limit == UNCHANGED)
		return;
	side->limit = limit;
	if (side->inflater && nghttp2_hd_inflate_change_table_size(side->inflater, limit))
		lose_headers(side);
}

/* --- frames ------------------------------------------------------------------------------ */

static bool is_of_block(uint8_t type)
{
	return type == FRAME_HEADERS || type == FRAME_PUSH_PROMISE || type == FRAME_CONTINUATION;
}

static bool keep(struct http2 *http2, struct side *side, const uint8_t *bytes, size_t length)
{
	size_t need = side->kept_length + length;
	size_t room = side->kept_room ? 2 * side->kept_room : 256;
	uint8_t *larger;

	if (need > KEPT_MAX)
		return false;
	if (need > side->kept_room) {
		room = room > need ? room : need;
		larger = allocate_again(side->kept, room, http2->memory);
		if (!larger)
			return false;
		side->kept = larger;
		side->kept_room = room;
	}
	memcpy(side->kept + side->kept_length, bytes, length);
	side->kept_length = need;
	return true;
}

static void forget_kept(struct http2 *http2, struct side *side)
{
	side->kept_length = 0;
	/* Idle connections are many. */
	if (side->kept_room > 1024) {
		give_back(side->kept, http2->memory);
		side->kept = NULL;
		side->kept_room = 0;
	}
}

static void end_frame(struct http2 *http2, struct side *side)
{
	uint8_t type = side->header[3], flags = side->header[4];

	side->header_length = 0;
	if (type == FRAME_SETTINGS) {
		if (flags & FLAG_ACK)
			take_acknowledgement(http2, side);
		else
			take_settings(side);
	}
	if (is_of_block(type)) {
		if (!(flags & FLAG_END_HEADERS))
			return;
		if (side->inflater && !read_block(side))
			lose_headers(side);
	}
	forget_kept(http2, side);
}

/* False: this is no frame, or one that is not followed. */
static bool begin_frame(struct http2 *http2, struct side *side)
{
	const uint8_t *header = side->header;
	bool continues = side->kept_length > 0;

	side->left = (size_t)header[0] << 16 | (size_t)header[1] << 8 | header[2];
	/* Between the frames of a header block there is nothing else (RFC 9113, 4.3). */
	if (continues != (header[3] == FRAME_CONTINUATION))
		return false;
	if (header[3] == FRAME_DATA)
		return true;
	return side->left <= KEPT_MAX && keep(http2, side, header, FRAME_HEADER);
}

static size_t feed_header(struct http2 *http2, struct side *side, const uint8_t *bytes,
			  size_t length)
{
	size_t n = FRAME_HEADER - side->header_length;

	n = n < length ? n : length;
	memcpy(side->header + side->header_length, bytes, n);
	side->header_length += n;
	if (side->header_length < FRAME_HEADER)
		return n;
	if (!begin_frame(http2, side))
		lose(http2, side);
	else if (!side->left)
		end_frame(http2, side);
	return n;
}

static size_t feed_payload(struct http2 *http2, struct side *side, const uint8_t *bytes,
			   size_t length)
{
	size_t n = side->left < length ? side->left : length;

	if (side->header[3] != FRAME_DATA && !keep(http2, side, bytes, n)) {
		lose(http2, side);
		return n;
	}
	side->left -= n;
	if (!side->left)
		end_frame(http2, side);
	return n;
}

static size_t feed_preface(struct http2 *http2, struct side *side, const uint8_t *bytes,
			   size_t length)
{
	size_t n = side->preface_left < length ? side->preface_left : length;

	if (memcmp(http2_preface + PREFACE_LENGTH - side->preface_left, bytes, n) != 0)
		lose(http2, side);
	side->preface_left -= n;
	return n;
}

void http2_feed(struct http2 *http2, enum http2_side which, const uint8_t *bytes, size_t length)
{
	struct side *side = &http2->sides[which];

	while (length && !side->lost) {
		size_t n;

		if (side->preface_left)
			n = feed_preface(http2, side, bytes, length);
		else if (side->header_length < FRAME_HEADER)
			n = feed_header(http2, side, bytes, length);
		else
			n = feed_payload(http2, side, bytes, length);
		bytes += n;
		length -= n;
	}
}

void http2_lose(struct http2 *http2, enum http2_side side)
{
	lose(http2, &http2->sides[side]);
}

bool http2_is_whole(const struct http2 *http2)
{
	return http2->sides[HTTP2_CLIENT].inflater && http2->sides[HTTP2_SERVER].inflater;
}
