/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * http2: follows the plaintext of an HTTP/2 connection, to tell a reader who begins in the midst
 * of it what he has to know: where frames begin, and what is in the tables of the header
 * compression (RFC 9113, RFC 7541).
 *
 * A pure stage; the input is hostile. It keeps the tables, and of a frame that is not whole what
 * came of it; never bodies.
 */
#ifndef TLSPCAP_HTTP2_H
#define TLSPCAP_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http2;

enum http2_side {
	HTTP2_CLIENT = 0,
	HTTP2_SERVER = 1,
};

/* What all connections together may have, bytes. Beyond it, sides are lost. */
struct http2_memory {
	size_t left;
};

/* From the connection's first byte on. `memory` outlives it. NULL without memory. */
struct http2 *http2_new(struct http2_memory *memory);
void http2_free(struct http2 *http2);

/* The next bytes of a side. */
void http2_feed(struct http2 *http2, enum http2_side side, const uint8_t *bytes, size_t length);

/* Bytes of a side are missing here; it is not found again. */
void http2_lose(struct http2 *http2, enum http2_side side);

/* False: header blocks, or frames, of a side could not be followed. */
bool http2_is_whole(const struct http2 *http2);

/* Bytes of a side's stream. */
typedef void (*http2_write_fn)(void *ctx, enum http2_side side, const uint8_t *bytes,
			       size_t length);

/*
 * What makes a reader understand the bytes that are fed from now on: the client's preface, sizes
 * and contents of the tables as header blocks on stream 0, and of a frame that has begun its
 * beginning; of DATA a header for the rest. False without memory: nothing is written.
 */
bool http2_resume(const struct http2 *http2, http2_write_fn write, void *ctx);

#endif
