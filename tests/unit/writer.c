/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The writer: which blocks, in which order, and what it refuses. tests/golden has what
 * Wireshark makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <tests/support/events.h>
#include <tlspcap/writer.h>

#define FILE_MAX ((size_t)16 << 20)

struct fixture {
	char dir[64], path[96], keylog[96];
	struct writer_options options;
	struct writer *writer;
	struct conversations *all;
	struct events events;
	uint8_t *bytes; /* of the file, after end() */
	size_t length;
};

static void take(void *ctx, const struct tlspcap_event *event)
{
	conversations_feed(ctx, event);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->dir, "/tmp/tlspcap-writer-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/out.pcapng", f->dir);
	snprintf(f->keylog, sizeof(f->keylog), "%s/keys", f->dir);
	f->options.path = f->path;
	f->options.application = "test";
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	conversations_free(f->all);
	unlink(f->path);
	unlink(f->keylog);
	rmdir(f->dir);
	free(f->bytes);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	char *why = NULL;

	assert_int_equal(writer_open(&f->options, &f->writer, &why), 0);
	assert_null(why);
	f->all = conversations_new(NULL, writer_sink(f->writer));
	assert_non_null(f->all);
	events_init(&f->events, take, f->all);
	events_clock(&f->events, 1700000000000000000);
}

static void read_file(struct fixture *f, const char *path)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	free(f->bytes);
	f->bytes = malloc(FILE_MAX);
	assert_non_null(f->bytes);
	f->length = fread(f->bytes, 1, FILE_MAX, file);
	assert_true(f->length < FILE_MAX);
	fclose(file);
}

static void end(struct fixture *f)
{
	conversations_finish(f->all);
	assert_int_equal(writer_close(f->writer, NULL), 0);
	read_file(f, f->path);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The file's blocks, a letter each; also checks that their lengths add up. */
static const char *blocks(const struct fixture *f)
{
	static char text[4096];
	size_t n = 0;

	for (size_t at = 0; at < f->length; n++) {
		uint32_t type = get32(f->bytes + at);
		uint32_t length = get32(f->bytes + at + 4);

		assert_true(length >= 12 && length % 4 == 0 && length <= f->length - at);
		assert_int_equal(get32(f->bytes + at + length - 4), length);
		assert_true(n < sizeof(text) - 1);
		text[n] = type == 0x0a0d0d0a   ? 'S'
			  : type == 1	       ? 'I'
			  : type == 6	       ? 'E'
			  : type == 10	       ? 'D'
			  : type == 5	       ? 'T'
			  : type == 0x80000001 ? 'P'
					       : '?';
		at += length;
	}
	text[n] = '\0';
	return text;
}

static bool file_has(const struct fixture *f, const char *text)
{
	return memmem(f->bytes, f->length, text, strlen(text)) != NULL;
}

static void exchange(struct fixture *f, uint64_t tls)
{
	struct tlspcap_socket socket = events_socket_default();

	socket.local_port = (uint16_t)(51000 + tls);
	events_open(&f->events, tls, 100, "curl");
	events_socket(&f->events, tls, tls, &socket);
	events_data(&f->events, tls, TLSPCAP_SENT, "GET / HTTP/1.1\r\n\r\n");
	events_data(&f->events, tls, TLSPCAP_RECEIVED, "HTTP/1.1 204 None\r\n\r\n");
}

static void an_empty_capture_has_an_interface(void **state)
{
	struct fixture *f = *state;
	struct stat status;

	begin(f);
	assert_int_equal(writer_flush(f->writer), 0);
	end(f);
	assert_string_equal(blocks(f), "SI");
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void blocks_come_when_they_are_needed(void **state)
{
	struct fixture *f = *state;

	begin(f);
	events_namespace(&f->events, "web");
	exchange(f, 1);
	events_secret(&f->events, 1, "A_SECRET", 1, 1);
	events_secret(&f->events, 1, "B_SECRET", 1, 1);
	exchange(f, 2); /* the same namespace and process */
	events_secret(&f->events, 1, "C_SECRET", 1, 1);
	end(f);
	/* SYN SYN-ACK ACK, 4 of the handshake, 2 of data; last ACKs of both at the end. */
	assert_string_equal(blocks(f), "SIPEEEEEEEEEDEEEEEEEEEDEET");
	assert_true(file_has(f, "mntns:4026532573 web"));
	assert_true(file_has(f, "A_SECRET "));
	assert_true(file_has(f, "C_SECRET "));
}

static void secrets_alone_are_written(void **state)
{
	struct fixture *f = *state;

	f->options.keylog = f->keylog;
	begin(f);
	events_secret(&f->events, 1, "A_SECRET", 1, 1);
	end(f);
	assert_string_equal(blocks(f), "SID");
	read_file(f, f->keylog);
	assert_int_equal(f->length, 8 + 1 + 64 + 1 + 96 + 1);
	assert_memory_equal(f->bytes, "A_SECRET 0101", 13);
}

static void many_secrets_are_several_blocks(void **state)
{
	struct fixture *f = *state;

	begin(f);
	for (int i = 0; i < 1000; i++)
		events_secret(&f->events, 1, "A_SECRET", (__u8)i, (__u8)(i >> 8));
	assert_int_equal(writer_flush(f->writer), 0);
	end(f);
	/* The last ones waited for an interface, which mergecap wants first. */
	assert_string_equal(blocks(f), "SDDID");
}

static void the_filter_leaves_no_trace(void **state)
{
	struct fixture *f = *state;

	f->options.filter = "port 51002";
	begin(f);
	exchange(f, 1);
	assert_int_equal(writer_counts(f->writer)->packets, 0);
	assert_int_equal(writer_counts(f->writer)->filtered, 9);
	end(f);
	assert_string_equal(blocks(f), "SI");
	assert_false(file_has(f, "curl"));
}

static void a_gap_mark_waits_for_an_accepted_packet(void **state)
{
	struct fixture *f = *state;

	f->options.filter = "tcp[tcpflags] & (tcp-syn|tcp-rst|tcp-fin) == 0 and greater 100";
	begin(f);
	exchange(f, 1);
	events_data_at(&f->events, 1, TLSPCAP_SENT, 1000, "GET /b HTTP/1.1\r\n\r\n");
	end(f);
	assert_true(file_has(f, "gap=982;reason=ring-full;"));
}

static void it_stops_after_so_many_packets(void **state)
{
	struct fixture *f = *state;

	f->options.packets = 5;
	begin(f);
	exchange(f, 1);
	assert_true(writer_done(f->writer));
	assert_int_equal(writer_counts(f->writer)->packets, 5);
	assert_int_equal(writer_counts(f->writer)->discarded, 4);
	events_secret(&f->events, 1, "A_SECRET", 1, 1);
	end(f);
	assert_string_equal(blocks(f), "SIPEEEEET");
}

static void bodies_are_acknowledged(void **state)
{
	struct fixture *f = *state;
	static char body[TLSPCAP_CHUNK + 1];
	size_t acks = 0;

	memset(body, 'x', TLSPCAP_CHUNK);
	f->options.view = VIEW_PLAIN;
	f->options.filter = "len <= 66 and tcp[tcpflags] == tcp-ack";
	begin(f);
	exchange(f, 1);
	for (int i = 0; i < 16; i++)
		events_data(&f->events, 1, TLSPCAP_RECEIVED, body);
	end(f);
	for (const char *at = blocks(f); *at; at++)
		acks += *at == 'E';
	assert_in_range(acks, 1 + 4, 1 + 5);
}

static void refuse(struct fixture *f, int error, const char *word)
{
	char *why = NULL;

	assert_int_equal(writer_open(&f->options, &f->writer, &why), error);
	assert_non_null(why);
	assert_non_null(strstr(why, word));
	free(why);
}

static void what_is_wrong_touches_no_file(void **state)
{
	struct fixture *f = *state;

	f->options.filter = "no filter";
	refuse(f, -EINVAL, "no filter");
	f->options.filter = NULL;
	f->options.keylog = f->path;
	refuse(f, -EINVAL, "key log");
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_symbolic_link_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("/dev/null", f->path), 0);
	refuse(f, -ELOOP, "link");
}

static void a_full_disk_is_an_error(void **state)
{
	struct fixture *f = *state;

	f->options.path = "/dev/full";
	begin(f);
	exchange(f, 1);
	assert_int_equal(writer_flush(f->writer), -ENOSPC);
	assert_true(writer_done(f->writer));
	exchange(f, 2);
	assert_true(writer_counts(f->writer)->discarded > 0);
	conversations_finish(f->all);
	assert_int_equal(writer_close(f->writer, NULL), -ENOSPC);
}

static void many_namespaces_and_processes(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	f->options.view = VIEW_PLAIN;
	begin(f);
	for (uint32_t i = 1; i <= 4200; i++) {
		struct tlspcap_open open = {.event = {.size = sizeof(open),
						      .type = TLSPCAP_EVENT_OPEN,
						      .tls_id = i,
						      .pid = i,
						      .mntns = i}};
		union {
			struct tlspcap_data data;
			__u8 room[sizeof(struct tlspcap_data) + 8];
		} event;

		conversations_feed(f->all, &open.event);
		memset(&event, 0, sizeof(event));
		event.data.event = open.event;
		event.data.event.type = TLSPCAP_EVENT_DATA;
		event.data.event.size = sizeof(event);
		event.data.length = 8;
		conversations_feed(f->all, &event.data.event);
	}
	conversations_finish(f->all);
	assert_int_equal(writer_close(f->writer, NULL), 0);
	read_file(f, f->path);
	for (size_t at = 0; at < f->length; at += get32(f->bytes + at + 4))
		n += get32(f->bytes + at) == 1;
	assert_int_equal(n, 4097);
	assert_true(file_has(f, "mntns:other"));
	assert_true(file_has(f, "mntns=4200;"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_capture_has_an_interface),
		TEST(blocks_come_when_they_are_needed),
		TEST(secrets_alone_are_written),
		TEST(many_secrets_are_several_blocks),
		TEST(the_filter_leaves_no_trace),
		TEST(a_gap_mark_waits_for_an_accepted_packet),
		TEST(it_stops_after_so_many_packets),
		TEST(bodies_are_acknowledged),
		TEST(what_is_wrong_touches_no_file),
		TEST(a_symbolic_link_is_refused),
		TEST(a_full_disk_is_an_error),
		TEST(many_namespaces_and_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
