/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * view: what goes into the TCP payload of a conversation's frames.
 *
 * A pure stage. It turns plaintext into segments: `plain` gives the bytes as they are,
 * `null-tls` wraps them into a TLS 1.2 session with a NULL cipher that Wireshark reads
 * without a key, with the real server name and ALPN where they are known.
 */
#ifndef TLSPCAP_VIEW_H
#define TLSPCAP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/conversation.h>
#include <tlspcap/event.h>

enum view_kind {
	VIEW_AUTO = 0, /* asks view_choose() */
	VIEW_PLAIN,
	VIEW_NULL_TLS,
	VIEW_TLS, /* genuine records */
};

/* "auto", "plain", "null-tls", "tls"; VIEW_AUTO … or -EINVAL. */
int view_parse(const char *name);
const char *view_name(enum view_kind kind);

/*
 * The view that stock Wireshark dissects for this conversation, by one measured table
 * (docs/file-format.md). Never returns VIEW_AUTO.
 */
enum view_kind view_choose(const struct conversation_info *info);

/*
 * Whether stock Wireshark dissects genuine TLS records on this conversation's ports: where
 * it expects another protocol it does so only when that protocol's words lead to TLS.
 */
bool view_dissects_tls(const struct conversation_info *info);

enum view_segment_flags {
	VIEW_SEGMENT_FABRICATED = 1, /* a handshake or alert that we made up */
};

/* One piece of a direction's byte stream: head, then body, then `tail` zero bytes. */
struct view_segment {
	enum tlspcap_direction direction;
	unsigned int flags;
	const uint8_t *head;
	size_t head_length;
	const uint8_t *body; /* the caller's plaintext, not copied */
	size_t body_length;
	size_t tail_length;
};

/* Largest head and largest body + tail overhead that a view gives. */
#define VIEW_HEAD_MAX 1024
#define VIEW_TAIL_MAX 32

typedef void (*view_segment_fn)(void *ctx, const struct view_segment *segment);

/*
 * What precedes the first plaintext: for null-tls the fabricated handshake, client flight
 * and server flights in their order; for plain nothing. The random in it is derived from
 * info->seed and never equals a real client random.
 */
void view_open(enum view_kind kind, const struct conversation_info *info, view_segment_fn fn,
	       void *ctx);

/* One call for each segment; bodies are at most TLSPCAP_CHUNK bytes. */
void view_data(enum view_kind kind, enum tlspcap_direction direction, const uint8_t *bytes,
	       size_t length, view_segment_fn fn, void *ctx);

/* What precedes a FIN from `direction`: for null-tls a fabricated close_notify alert. */
void view_close(enum view_kind kind, enum tlspcap_direction direction, view_segment_fn fn,
		void *ctx);

#endif
