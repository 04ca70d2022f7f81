/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Made-up events for tests. Offsets are counted here, time goes on by 1 ms each. */
#ifndef TLSPCAP_TESTS_EVENTS_H
#define TLSPCAP_TESTS_EVENTS_H

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <tlspcap/event.h>

#define EVENTS_PID     100
#define EVENTS_MNTNS   4026532573u
#define EVENTS_NETNS   4026531833u
#define EVENTS_OBJECTS 64

struct events {
	void (*take)(void *ctx, const struct tlspcap_event *event);
	void *ctx;
	__u64 now;
	__u64 offset[EVENTS_OBJECTS][2];
	__u8 flags; /* of the DATA events */
};

static inline void events_init(struct events *events,
			       void (*take)(void *ctx, const struct tlspcap_event *event),
			       void *ctx)
{
	memset(events, 0, sizeof(*events));
	events->take = take;
	events->ctx = ctx;
	events->now = 1000000000;
}

static inline void events_put(struct events *events, void *event, size_t size,
			      enum tlspcap_event_type type, __u64 tls, __u64 sock)
{
	struct tlspcap_event *header = event;

	header->size = (__u32)size;
	header->type = (__u16)type;
	header->time_ns = events->now += 1000000;
	header->tls_id = tls;
	header->sock_id = sock;
	if (!header->pid)
		header->pid = EVENTS_PID;
	header->tid = header->pid;
	header->mntns = EVENTS_MNTNS;
	events->take(events->ctx, header);
}

static inline void events_open(struct events *events, __u64 tls, __u32 pid, const char *comm)
{
	struct tlspcap_open open = {.event.pid = pid, .uid = 1000};

	snprintf(open.comm, sizeof(open.comm), "%s", comm);
	events_put(events, &open, sizeof(open), TLSPCAP_EVENT_OPEN, tls, 0);
}

/* 10.0.0.2:51000 to 192.0.2.34:443, a client. */
static inline struct tlspcap_socket events_socket_default(void)
{
	return (struct tlspcap_socket){
		.netns = EVENTS_NETNS,
		.family = AF_INET,
		.protocol = IPPROTO_TCP,
		.local_port = 51000,
		.remote_port = 443,
		.role = TLSPCAP_ROLE_CLIENT,
		.state = 1,
		.local = {10, 0, 0, 2},
		.remote = {192, 0, 2, 34},
	};
}

static inline void events_socket(struct events *events, __u64 tls, __u64 sock,
				 const struct tlspcap_socket *like)
{
	struct tlspcap_socket socket = like ? *like : events_socket_default();

	events_put(events, &socket, sizeof(socket), TLSPCAP_EVENT_SOCKET, tls, sock);
}

static inline void events_bytes(struct events *events, __u64 tls, enum tlspcap_direction direction,
				__u64 offset, const void *bytes, size_t length)
{
	union {
		struct tlspcap_data data;
		__u8 room[sizeof(struct tlspcap_data) + TLSPCAP_CHUNK];
	} event;

	memset(&event.data, 0, sizeof(event.data));
	event.data.offset = offset;
	event.data.length = (__u32)length;
	event.data.direction = (__u8)direction;
	event.data.flags = events->flags;
	memcpy(event.data.bytes, bytes, length);
	events->offset[tls % EVENTS_OBJECTS][direction] = offset + length;
	events_put(events, &event, sizeof(event.data) + length, TLSPCAP_EVENT_DATA, tls, 0);
}

static inline void events_data_at(struct events *events, __u64 tls,
				  enum tlspcap_direction direction, __u64 offset, const char *text)
{
	events_bytes(events, tls, direction, offset, text, strlen(text));
}

static inline void events_data(struct events *events, __u64 tls, enum tlspcap_direction direction,
			       const char *text)
{
	events_data_at(events, tls, direction, events->offset[tls % EVENTS_OBJECTS][direction],
		       text);
}

static inline void events_gap(struct events *events, __u64 tls, enum tlspcap_direction direction,
			      __u64 offset, __u64 length, enum tlspcap_loss reason)
{
	struct tlspcap_gap gap = {
		.offset = offset,
		.length = length,
		.direction = (__u8)direction,
		.reason = (__u8)reason,
	};

	events->offset[tls % EVENTS_OBJECTS][direction] = offset + length;
	events_put(events, &gap, sizeof(gap), TLSPCAP_EVENT_GAP, tls, 0);
}

static inline void events_secret(struct events *events, __u64 tls, const char *label, __u8 random,
				 __u8 byte)
{
	struct tlspcap_secret secret = {.secret_length = 48};

	snprintf(secret.label, sizeof(secret.label), "%s", label);
	memset(secret.client_random, random, sizeof(secret.client_random));
	memset(secret.secret, byte, secret.secret_length);
	events_put(events, &secret, sizeof(secret), TLSPCAP_EVENT_SECRET, tls, 0);
}

static inline void events_info(struct events *events, __u64 tls, enum tlspcap_info_kind kind,
			       const char *text)
{
	struct tlspcap_info info = {.kind = (__u16)kind, .length = (__u16)strlen(text)};

	memcpy(info.text, text, strlen(text));
	events_put(events, &info, sizeof(info), TLSPCAP_EVENT_INFO, tls, 0);
}

static inline void events_state_end(struct events *events, __u64 sock, __u8 from, __u8 to,
				    __u8 final)
{
	struct tlspcap_state state = {.old_state = from, .new_state = to, .final = final};

	events_put(events, &state, sizeof(state), TLSPCAP_EVENT_STATE, 0, sock);
}

static inline void events_state(struct events *events, __u64 sock, __u8 from, __u8 to)
{
	events_state_end(events, sock, from, to, 0);
}

static inline void events_close(struct events *events, __u64 tls)
{
	struct tlspcap_event event = {0};

	events_put(events, &event, sizeof(event), TLSPCAP_EVENT_CLOSE, tls, 0);
}

static inline void events_exit(struct events *events, __u32 pid)
{
	struct tlspcap_event event = {.pid = pid};

	events_put(events, &event, sizeof(event), TLSPCAP_EVENT_EXIT, 0, 0);
}

static inline void events_clock(struct events *events, __u64 realtime_ns)
{
	struct tlspcap_clock clock = {0};

	/* What realtime_ns is the time of: now, as the event will say it. */
	clock.realtime_ns = realtime_ns + 1000000;
	events_put(events, &clock, sizeof(clock), TLSPCAP_EVENT_CLOCK, 0, 0);
}

static inline void events_namespace(struct events *events, const char *name)
{
	struct tlspcap_namespace name_space = {0};

	snprintf(name_space.name, sizeof(name_space.name), "%s", name);
	snprintf(name_space.description, sizeof(name_space.description), "described");
	events_put(events, &name_space, sizeof(name_space), TLSPCAP_EVENT_NAMESPACE, 0, 0);
}

static inline void events_loss(struct events *events, enum tlspcap_loss reason, __u64 count)
{
	struct tlspcap_loss_counters loss = {0};

	loss.count[reason] = count;
	events_put(events, &loss, sizeof(loss), TLSPCAP_EVENT_LOSS, 0, 0);
}

#endif
