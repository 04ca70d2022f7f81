/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The conversation stage: other sockets, limits, events that are not what they claim. */
#include <tests/support/log.h>

static void other_sockets(void **state)
{
	struct tlspcap_socket socket = events_socket_default();
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	socket.protocol = IPPROTO_UDP;
	events_socket(&f.events, 1, 7, &socket);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "");
	assert_int_equal(counts(&f)->datagram, 1);
	socket.family = AF_UNIX;
	socket.protocol = 0;
	events_socket(&f.events, 2, 8, &socket);
	events_data(&f.events, 2, TLSPCAP_SENT, "a");
	expect(&f, "open1 >1:a ");
	assert_false(f.log.last.addresses_known);
	conversations_finish(f.all);
	expect(&f, "close1:none ");
	end(&f);
}

static void a_socket_that_is_told_again(void **state)
{
	struct tlspcap_socket socket = events_socket_default();
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	socket.remote_port = 0; /* not connected yet */
	events_socket(&f.events, 1, 7, &socket);
	socket.remote_port = 443;
	events_socket(&f.events, 1, 7, &socket);
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "open1 >1:a ");
	assert_true(f.log.last.addresses_known);
	end(&f);
}

static void the_least_active_is_evicted(void **state)
{
	const struct conversation_limits limits = {.objects = 2};
	struct fixture f;

	(void)state;
	begin(&f, &limits);
	for (uint64_t i = 1; i <= 2; i++) {
		struct tlspcap_socket socket = events_socket_default();

		socket.local_port = (uint16_t)(1000 + i);
		events_socket(&f.events, i, i, &socket);
		events_data(&f.events, i, TLSPCAP_SENT, "a");
	}
	events_data(&f.events, 1, TLSPCAP_SENT, "b");
	expect(&f, "open1 >1:a open2 >2:a >1:b ");
	connect_object(&f, 3, 3);
	events_data(&f.events, 3, TLSPCAP_SENT, "c");
	expect(&f, "close2:none open3 >3:c ");
	assert_int_equal(counts(&f)->evicted, 1);
	conversations_finish(f.all);
	expect(&f, "close1:none close3:none ");
	end(&f);
}

static void early_data_is_marked(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	f.events.flags = TLSPCAP_DATA_EARLY;
	events_data(&f.events, 1, TLSPCAP_SENT, "a");
	expect(&f, "open1 >1early:a ");
	end(&f);
}

static void names_and_losses_pass_through(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	events_namespace(&f.events, "web");
	expect(&f, "namespace:web ");
	events_loss(&f.events, TLSPCAP_LOSS_RING_FULL, 5);
	events_loss(&f.events, TLSPCAP_LOSS_RING_FULL, 7);
	assert_int_equal(counts(&f)->loss[TLSPCAP_LOSS_RING_FULL], 7);
	end(&f);
}

/* An event with everything right; then one thing made wrong. */
#define WRONG(type, member, value)                                                                 \
	do {                                                                                       \
		type event_ = good_##type;                                                         \
		uint64_t before_ = counts(&f)->malformed;                                          \
                                                                                                   \
		event_.member = value;                                                             \
		conversations_feed(f.all, (const void *)&event_);                                  \
		assert_int_equal(counts(&f)->malformed, before_ + 1);                              \
	} while (0)

typedef struct tlspcap_open open_event;
typedef struct tlspcap_socket socket_event;
typedef struct tlspcap_state state_event;
typedef struct tlspcap_gap gap_event;
typedef struct tlspcap_secret secret_event;
typedef struct tlspcap_info info_event;

static void malformed_events_are_counted(void **state)
{
	const open_event good_open_event = {
		.event = {.size = sizeof(open_event), .type = TLSPCAP_EVENT_OPEN, .tls_id = 1},
	};
	const socket_event good_socket_event = {
		.event = {.size = sizeof(socket_event),
			  .type = TLSPCAP_EVENT_SOCKET,
			  .tls_id = 1,
			  .sock_id = 1},
	};
	const state_event good_state_event = {
		.event = {.size = sizeof(state_event), .type = TLSPCAP_EVENT_STATE, .sock_id = 1},
	};
	const gap_event good_gap_event = {
		.event = {.size = sizeof(gap_event), .type = TLSPCAP_EVENT_GAP, .tls_id = 1},
	};
	const secret_event good_secret_event = {
		.event = {.size = sizeof(secret_event), .type = TLSPCAP_EVENT_SECRET, .tls_id = 1},
		.label = "A",
		.secret_length = 32,
	};
	const info_event good_info_event = {
		.event = {.size = sizeof(info_event), .type = TLSPCAP_EVENT_INFO, .tls_id = 1},
		.kind = TLSPCAP_INFO_ALPN,
		.length = 2,
		.text = "h2",
	};
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	WRONG(open_event, event.type, 0);
	WRONG(open_event, event.type, 63);
	WRONG(open_event, event.type, 0xffff);
	WRONG(open_event, event.size, sizeof(struct tlspcap_event));
	WRONG(open_event, event.tls_id, 0);
	WRONG(socket_event, event.sock_id, 0);
	WRONG(socket_event, role, 3);
	WRONG(socket_event, tls_role, 3);
	WRONG(state_event, new_state, 16);
	WRONG(state_event, old_state, 255);
	WRONG(state_event, event.sock_id, 0);
	WRONG(gap_event, direction, 2);
	WRONG(gap_event, reason, TLSPCAP_LOSS_MAX);
	WRONG(secret_event, label[0], 0);
	WRONG(secret_event, secret_length, 0);
	WRONG(secret_event, secret_length, TLSPCAP_SECRET_LEN + 1);
	WRONG(info_event, kind, 3);
	WRONG(info_event, length, 3);
	WRONG(info_event, length, TLSPCAP_INFO_LEN);
	expect(&f, "");
	end(&f);
}

static void malformed_data_is_counted(void **state)
{
	union {
		struct tlspcap_data data;
		uint8_t room[sizeof(struct tlspcap_data) + 16];
	} event;
	struct fixture f;

	(void)state;
	begin(&f, NULL);
	connect_object(&f, 1, 7);
	memset(&event, 0, sizeof(event));
	event.data.event.size = sizeof(event);
	event.data.event.type = TLSPCAP_EVENT_DATA;
	event.data.event.tls_id = 1;
	conversations_feed(f.all, &event.data.event); /* no bytes */
	event.data.length = 17;
	conversations_feed(f.all, &event.data.event); /* more than there are */
	event.data.length = TLSPCAP_CHUNK + 1;
	conversations_feed(f.all, &event.data.event);
	event.data.length = UINT32_MAX;
	conversations_feed(f.all, &event.data.event);
	event.data.length = 16;
	event.data.direction = 2;
	conversations_feed(f.all, &event.data.event);
	event.data.direction = 0;
	event.data.offset = UINT64_MAX - 8;
	conversations_feed(f.all, &event.data.event); /* beyond the end of the world */
	assert_int_equal(counts(&f)->malformed, 6);
	expect(&f, "");
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_sockets),
		cmocka_unit_test(a_socket_that_is_told_again),
		cmocka_unit_test(the_least_active_is_evicted),
		cmocka_unit_test(early_data_is_marked),
		cmocka_unit_test(names_and_losses_pass_through),
		cmocka_unit_test(malformed_events_are_counted),
		cmocka_unit_test(malformed_data_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
