/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Made-up events of sockets' streams, and real TLS as such events. */
#ifndef TLSPCAP_TESTS_STREAM_H
#define TLSPCAP_TESTS_STREAM_H

#include <stdbool.h>
#include <tests/support/events.h>
#include <tests/tls/exchange.h>

/* One socket; offsets are counted here. */
struct stream_end {
	struct events *events;
	__u64 sock;
	__u64 offset[2];
	bool is_server;
};

static inline void stream_begin(struct stream_end *end, struct events *events, __u64 sock,
				const struct tlspcap_socket *like)
{
	*end = (struct stream_end){.events = events, .sock = sock};
	if (like)
		end->is_server = like->role == TLSPCAP_ROLE_SERVER;
}

static inline void stream_announce(struct stream_end *end, const struct tlspcap_socket *like)
{
	struct tlspcap_open open = {.uid = 1000, .comm = "curl"};
	struct tlspcap_socket socket = like ? *like : events_socket_default();

	events_put(end->events, &open, sizeof(open), TLSPCAP_EVENT_OPEN, 0, end->sock);
	events_put(end->events, &socket, sizeof(socket), TLSPCAP_EVENT_SOCKET, 0, end->sock);
}

/* A socket whose stream is told from its beginning; like NULL: a client. */
static inline void stream_open_end(struct stream_end *end, struct events *events, __u64 sock,
				   const struct tlspcap_socket *like)
{
	stream_begin(end, events, sock, like);
	stream_announce(end, like);
}

/* The other end of events_socket_default()'s connection. */
static inline struct tlspcap_socket stream_socket_server(void)
{
	return (struct tlspcap_socket){
		.netns = EVENTS_NETNS,
		.family = AF_INET,
		.protocol = IPPROTO_TCP,
		.local_port = 443,
		.remote_port = 51000,
		.role = TLSPCAP_ROLE_SERVER,
		.state = 1,
		.local = {192, 0, 2, 34},
		.remote = {10, 0, 0, 2},
	};
}

static inline void stream_bytes(struct stream_end *end, enum tlspcap_direction direction,
				const void *bytes, size_t length)
{
	union {
		struct tlspcap_data data;
		__u8 room[sizeof(struct tlspcap_data) + TLSPCAP_STREAM_CHUNK];
	} event;

	while (length) {
		size_t n = length < TLSPCAP_STREAM_CHUNK ? length : TLSPCAP_STREAM_CHUNK;

		memset(&event.data, 0, sizeof(event.data));
		event.data.offset = end->offset[direction];
		event.data.length = (__u32)n;
		event.data.direction = (__u8)direction;
		memcpy(event.data.bytes, bytes, n);
		end->offset[direction] += n;
		events_put(end->events, &event, sizeof(event.data) + n, TLSPCAP_EVENT_STREAM, 0,
			   end->sock);
		bytes = (const __u8 *)bytes + n;
		length -= n;
	}
}

static inline void stream_text(struct stream_end *end, enum tlspcap_direction direction,
			       const char *text)
{
	stream_bytes(end, direction, text, strlen(text));
}

static inline void stream_lose(struct stream_end *end, enum tlspcap_direction direction,
			       __u64 length)
{
	struct tlspcap_gap gap = {
		.offset = end->offset[direction],
		.length = length,
		.direction = (__u8)direction,
		.reason = TLSPCAP_LOSS_BYPASS,
	};

	end->offset[direction] += length;
	events_put(end->events, &gap, sizeof(gap), TLSPCAP_EVENT_STREAM_GAP, 0, end->sock);
}

static inline void stream_stop(struct stream_end *end)
{
	struct tlspcap_event event = {0};

	events_put(end->events, &event, sizeof(event), TLSPCAP_EVENT_STREAM_END, 0, end->sock);
}

/* The client's bytes, as this end saw them. */
static inline enum tlspcap_direction stream_direction(const struct stream_end *end, int side)
{
	return (side == 1) == end->is_server ? TLSPCAP_SENT : TLSPCAP_RECEIVED;
}

static inline void stream_secret(struct events *events, __u64 tls,
				 const struct exchange_secret *told)
{
	struct tlspcap_secret secret = {.secret_length = (__u32)told->length};

	snprintf(secret.label, sizeof(secret.label), "%s", told->label);
	memcpy(secret.client_random, told->random, sizeof(secret.client_random));
	memcpy(secret.secret, told->secret, told->length);
	events_put(events, &secret, sizeof(secret), TLSPCAP_EVENT_SECRET, tls, 0);
}

static inline void stream_secrets(struct events *events, __u64 tls, const struct exchange *exchange)
{
	for (size_t i = 0; i < exchange->secret_count; i++)
		stream_secret(events, tls, &exchange->secrets[i]);
}

#endif
