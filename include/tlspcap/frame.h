/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * frame: Ethernet, IP and TCP around a conversation's segments.
 *
 * A pure stage. It keeps what a TCP stream needs (sequence numbers, what was acknowledged)
 * and builds whole packets into the caller's memory, payload copied once, checksums valid.
 * Rules: RFC 9293, RFC 791, RFC 8200; and what Wireshark's TCP analysis takes as clean
 * (docs/file-format.md).
 */
#ifndef TLSPCAP_FRAME_H
#define TLSPCAP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/event.h>

struct frame_stream; /* one TCP stream, both directions */

/* Who talks to whom. Local is the captured side. */
struct frame_flow {
	uint16_t family;		  /* 4 or 6 */
	uint8_t local[16], remote[16];	  /* network byte order, 4 or 16 bytes */
	uint16_t local_port, remote_port; /* host byte order */
	uint32_t netns;			  /* goes into the locally administered MAC addresses */
	bool local_is_server;
	uint64_t seed; /* the initial sequence numbers come from it */
};

enum frame_kind {
	FRAME_SYN,     /* client to server */
	FRAME_SYN_ACK, /* server to client */
	FRAME_ACK,     /* from `direction`: acknowledges all that the other side sent */
	FRAME_DATA,    /* from `direction`, PSH+ACK */
	FRAME_FIN,     /* from `direction`, FIN+ACK */
	FRAME_RST,     /* from `direction`, RST+ACK */
};

/* Largest TCP payload of one frame: the IP length field is 16 bits wide (also the MSS). */
#define FRAME_PAYLOAD_MAX_V4 65495
#define FRAME_PAYLOAD_MAX_V6 65515
#define FRAME_HEADER_MAX     (14 + 40 + 20 + 12) /* Ethernet, IPv6, TCP, SYN options */
/* Room that any frame fits into. */
#define FRAME_MAX (FRAME_HEADER_MAX + FRAME_PAYLOAD_MAX_V6)

/* Part of a payload; `bytes` NULL: `length` zero bytes. */
struct frame_piece {
	const uint8_t *bytes;
	size_t length;
};

struct frame_stream *frame_stream_new(const struct frame_flow *flow);
void frame_stream_free(struct frame_stream *stream);

/* Starts over on the same 4-tuple with new initial sequence numbers (after a loss). */
void frame_stream_restart(struct frame_stream *stream);

size_t frame_payload_max(const struct frame_stream *stream);

/*
 * Builds one packet into `out` and advances the stream. `direction` says who sends; for
 * SYN and SYN_ACK it is ignored. Pieces only with FRAME_DATA. Returns the packet's length,
 * or 0 when nothing is to be sent: an ACK that would repeat the last one; or when it does
 * not fit into `room` or the payload is larger than frame_payload_max() (the stream is
 * unchanged then).
 */
size_t frame_build(struct frame_stream *stream, enum frame_kind kind,
		   enum tlspcap_direction direction, const struct frame_piece *pieces,
		   size_t n_pieces, uint8_t *out, size_t room);

/* Bytes that `direction` sent and the other side has not acknowledged in any frame yet. */
size_t frame_unacknowledged(const struct frame_stream *stream, enum tlspcap_direction direction);

#endif
