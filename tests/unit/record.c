/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Recordings: there and back, cut at every byte, damaged. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <tlspcap/record.h>

#define HEADER 16

static char directory[] = "/tmp/tlspcap-record-XXXXXX";
static char path[64];

/* Checks what is delivered against what make_event() gives for the same number. */
struct delivered {
	size_t count;
	bool wrong;
};

/* Event number n: sizes from a bare header to a full chunk, most of them not multiples of 8. */
static struct tlspcap_data *make_event(size_t n)
{
	static union {
		struct tlspcap_data data;
		uint8_t bytes[65536];
	} memory;
	uint32_t length = (uint32_t)(n * 2654435761u) % (n % 5 ? 300 : TLSPCAP_CHUNK + 1);

	memset(&memory.data, 0, sizeof(memory.data));
	memory.data.event.size = (uint32_t)sizeof(memory.data) + length;
	memory.data.event.type = TLSPCAP_EVENT_DATA;
	memory.data.event.time_ns = n;
	memory.data.length = length;
	memset(memory.data.bytes, (int)(n % 255) + 1, length);
	if (n % 7 == 3) {
		memory.data.event.size = sizeof(memory.data.event);
		memory.data.event.type = TLSPCAP_EVENT_CLOSE;
	}
	return &memory.data;
}

static void check_event(void *ctx, const struct tlspcap_event *event)
{
	struct delivered *delivered = ctx;
	const struct tlspcap_data *expected = make_event(delivered->count++);

	if ((uintptr_t)event % 8 || event->size != expected->event.size ||
	    memcmp(event, expected, event->size) != 0)
		delivered->wrong = true;
}

static void write_recording(size_t n)
{
	struct recorder *recorder;
	char *why;

	assert_int_equal(record_open(path, &recorder, &why), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(record_write(recorder, &make_event(i)->event), 0);
	assert_int_equal(record_flush(recorder), 0);
	assert_int_equal(record_close(recorder), 0);
}

static uint8_t *load(size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(1 << 22);

	assert_non_null(file);
	assert_non_null(bytes);
	*size = fread(bytes, 1, 1 << 22, file);
	fclose(file);
	return bytes;
}

/* Reads these bytes as a recording. The message must be there exactly when it fails. */
static int read_bytes(const uint8_t *bytes, size_t size, struct delivered *delivered)
{
	int fd = memfd_create("recording", MFD_CLOEXEC), error;
	char *why = NULL;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	memset(delivered, 0, sizeof(*delivered));
	error = record_read(fd, check_event, delivered, &why);
	assert_int_equal(why != NULL, error != 0);
	free(why);
	close(fd);
	return error;
}

static void test_round_trip(void **state)
{
	struct delivered delivered;
	struct stat status;
	size_t size;
	uint8_t *bytes;

	(void)state;
	write_recording(1500);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	bytes = load(&size);
	assert_true(size > 2 << 20); /* more than the buffers hold */
	assert_int_equal(size % 8, 0);
	assert_memory_equal(bytes, "TLSPREC\n\1\0\0\0\0\0\0\0", HEADER);
	assert_int_equal(read_bytes(bytes, size, &delivered), 0);
	assert_int_equal(delivered.count, 1500);
	assert_false(delivered.wrong);
	free(bytes);
}

static void test_no_events(void **state)
{
	struct delivered delivered;
	size_t size;
	uint8_t *bytes;

	(void)state;
	write_recording(0);
	bytes = load(&size);
	assert_int_equal(size, HEADER);
	assert_int_equal(read_bytes(bytes, size, &delivered), 0);
	assert_int_equal(delivered.count, 0);
	free(bytes);
}

/* Where each event ends: with its padding, and without. */
static size_t complete_events(size_t size, bool *between)
{
	size_t at = HEADER, n = 0;

	*between = size == HEADER;
	for (;; n++) {
		size_t event = make_event(n)->event.size;

		if (at + event > size)
			return n;
		at += (event + 7) & ~(size_t)7;
		*between = at == size;
	}
}

static void test_cut_at_every_byte(void **state)
{
	struct delivered delivered;
	size_t size;
	uint8_t *bytes;

	(void)state;
	write_recording(5);
	bytes = load(&size);
	if (size > 3000)
		size = 3000;
	for (size_t cut = 0; cut < size; cut++) {
		bool between;
		size_t complete = complete_events(cut, &between);
		int error = read_bytes(bytes, cut, &delivered);

		assert_int_equal(error, between ? 0 : -ENODATA);
		assert_int_equal(delivered.count, complete);
		assert_false(delivered.wrong);
	}
	free(bytes);
}

static void test_not_a_recording(void **state)
{
	struct delivered delivered;

	(void)state;
	assert_int_equal(read_bytes((const uint8_t *)"TLSPREX\n........", 16, &delivered),
			 -EBADMSG);
	assert_int_equal(read_bytes((const uint8_t *)"\n", 1, &delivered), -EBADMSG);
	assert_int_equal(read_bytes((const uint8_t *)"TLSPREC\n\2\0\0\0\0\0\0\0", 16, &delivered),
			 -EPROTONOSUPPORT);
	assert_int_equal(delivered.count, 0);
}

static void test_damaged(void **state)
{
	static const uint32_t sizes[] = {0, 1, 55, 65537, 0x7fffffff, UINT32_MAX};
	struct delivered delivered;
	size_t size, second;
	uint8_t *bytes;

	(void)state;
	write_recording(5);
	bytes = load(&size);
	second = HEADER + ((make_event(0)->event.size + 7) & ~7u);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memcpy(bytes + second, &sizes[i], 4);
		assert_int_equal(read_bytes(bytes, size, &delivered), -EBADMSG);
		assert_int_equal(delivered.count, 1);
		assert_false(delivered.wrong);
	}
	free(bytes);
}

/* A size that is off by one shows in the padding. */
static void test_padding_is_zero(void **state)
{
	struct delivered delivered;
	uint8_t *bytes;
	size_t size, n = 0, at = HEADER;

	(void)state;
	write_recording(20);
	bytes = load(&size);
	for (; make_event(n)->event.size % 8 == 0; n++)
		at += make_event(n)->event.size;
	bytes[at + make_event(n)->event.size] = 1;
	assert_int_equal(read_bytes(bytes, size, &delivered), -EBADMSG);
	assert_int_equal(delivered.count, n);
	free(bytes);
}

static void test_impossible_events_are_not_written(void **state)
{
	struct tlspcap_event event = {.size = sizeof(event) - 1};
	struct recorder *recorder;
	char *why;

	(void)state;
	assert_int_equal(record_open(path, &recorder, &why), 0);
	assert_int_equal(record_write(recorder, &event), -EINVAL);
	event.size = 65537;
	assert_int_equal(record_write(recorder, &event), -EINVAL);
	assert_int_equal(record_close(recorder), 0);
}

static void test_write_errors(void **state)
{
	struct recorder *recorder;
	char *why;
	int error = 0;

	(void)state;
	assert_int_equal(record_open("/dev/full", &recorder, &why), 0);
	for (size_t i = 0; i < 2000 && !error; i++)
		error = record_write(recorder, &make_event(i)->event);
	assert_int_equal(error, -ENOSPC);
	assert_int_equal(record_flush(recorder), -ENOSPC);
	assert_int_equal(record_close(recorder), -ENOSPC);
	assert_int_equal(record_open(directory, &recorder, &why), -EISDIR);
	assert_null(recorder);
	assert_non_null(why);
	free(why);
}

static void test_read_errors(void **state)
{
	struct delivered delivered = {0};
	char *why = NULL;
	int fd = open(directory, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(record_read(fd, check_event, &delivered, &why), -EISDIR);
	assert_non_null(why);
	free(why);
	close(fd);
}

struct drip {
	int fd;
	const uint8_t *bytes;
	size_t size;
};

static void *drip(void *argument)
{
	struct drip *d = argument;

	for (size_t at = 0, n = 1; at < d->size; at += n, n = n % 13 + 1) {
		size_t piece = n < d->size - at ? n : d->size - at;

		if (write(d->fd, d->bytes + at, piece) != (ssize_t)piece)
			break;
	}
	close(d->fd);
	return NULL;
}

/* A pipe gives what it has: events arrive in pieces of a few bytes. */
static void test_from_a_pipe(void **state)
{
	struct delivered delivered = {0};
	struct drip d;
	pthread_t thread;
	char *why = NULL;
	uint8_t *bytes;
	int fds[2];

	(void)state;
	write_recording(50);
	bytes = load(&d.size);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	d.fd = fds[1];
	d.bytes = bytes;
	assert_int_equal(pthread_create(&thread, NULL, drip, &d), 0);
	assert_int_equal(record_read(fds[0], check_event, &delivered, &why), 0);
	pthread_join(thread, NULL);
	assert_int_equal(delivered.count, 50);
	assert_false(delivered.wrong);
	close(fds[0]);
	free(bytes);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/recording", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_no_events),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_not_a_recording),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_padding_is_zero),
		cmocka_unit_test(test_impossible_events_are_not_written),
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_read_errors),
		cmocka_unit_test(test_from_a_pipe),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
