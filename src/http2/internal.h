/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TLSPCAP_HTTP2_INTERNAL_H
#define TLSPCAP_HTTP2_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <tlspcap/http2.h>

#define FRAME_HEADER  9 /* RFC 9113, 4.1 */
#define TABLE_DEFAULT 4096
/* Sizes of tables that are followed (Chromium and Firefox allow so much). */
#define TABLE_MAX ((uint32_t)64 << 10)
/* Of one header block, or one other frame that is no DATA. */
#define KEPT_MAX ((size_t)64 << 10)
/* SETTINGS that wait for their acknowledgement. */
#define PENDING_MAX 8
#define UNCHANGED   UINT32_MAX

enum {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_SETTINGS = 4,
	FRAME_PUSH_PROMISE = 5,
	FRAME_CONTINUATION = 9,
};

enum {
	FLAG_ACK = 1, /* of SETTINGS */
	FLAG_END_STREAM = 1,
	FLAG_END_HEADERS = 4,
	FLAG_PADDED = 8,
	FLAG_PRIORITY = 0x20,
};

static const char http2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_LENGTH (sizeof(http2_preface) - 1)

struct side {
	bool lost;	     /* frames are not followed any more */
	size_t preface_left; /* of the client's */

	/* The frame at hand. */
	uint8_t header[FRAME_HEADER];
	size_t header_length; /* of it, so far */
	size_t left;	      /* of its payload */

	/* What it consists of so far, without DATA; of a header block all its frames. */
	uint8_t *kept;
	size_t kept_length, kept_room;

	/* Of the header blocks that this side sends. NULL: they are not followed any more. */
	nghttp2_hd_inflater *inflater;
	uint32_t limit; /* of its table, as acknowledged */

	/* Limits that this side has told for the other's table, which has not acknowledged them. */
	uint32_t pending[PENDING_MAX];
	unsigned int n_pending;
};

struct http2 {
	struct http2_memory *memory;
	nghttp2_mem functions; /* the same, for the library */
	struct side sides[2];
};

#endif
