/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tlspcap/output.h>
#include <tlspcap/record.h>

#define MAGIC	    "TLSPREC\n"
#define HEADER_SIZE 16
/* The largest event is DATA with a full chunk; twice that and more is no event. */
#define EVENT_MAX   65536
#define BUFFER_SIZE ((size_t)1 << 20)

_Static_assert(sizeof(struct tlspcap_data) + TLSPCAP_CHUNK <= EVENT_MAX, "every event fits");
_Static_assert(HEADER_SIZE % 8 == 0, "events stay aligned");

struct recorder {
	struct output *output;
};

struct reader {
	int fd;
	uint8_t *buffer;
	size_t start, end; /* what is read and not consumed; start is a multiple of 8 */
	uint64_t offset;   /* of `start` in the file */
	bool at_end;
	char **why;
};

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static bool is_event_size(size_t size)
{
	return size >= sizeof(struct tlspcap_event) && size <= EVENT_MAX;
}

static int put(struct recorder *recorder, const void *bytes, size_t size)
{
	uint8_t *out = output_reserve(recorder->output, padded(size));

	if (!out)
		return output_error(recorder->output);
	memcpy(out, bytes, size);
	memset(out + size, 0, padded(size) - size);
	output_commit(recorder->output, padded(size));
	return 0;
}

int record_open(const char *path, struct recorder **recorder, char **why)
{
	uint8_t header[HEADER_SIZE] = MAGIC;
	uint32_t version = htole32(TLSPCAP_EVENT_VERSION);
	struct recorder *r;
	int error;

	*recorder = NULL;
	*why = NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	error = output_open(path, NULL, &r->output, why);
	if (error) {
		free(r);
		return error;
	}
	memcpy(header + 8, &version, sizeof(version));
	put(r, header, sizeof(header)); /* an empty buffer takes it */
	*recorder = r;
	return 0;
}

int record_write(struct recorder *recorder, const struct tlspcap_event *event)
{
	if (!is_event_size(event->size))
		return -EINVAL;
	return put(recorder, event, event->size);
}

int record_flush(struct recorder *recorder)
{
	return output_flush(recorder->output);
}

int record_close(struct recorder *recorder)
{
	int error = output_close(recorder->output);

	free(recorder);
	return error;
}

/* Reads until `size` bytes are there or the file ends. */
static int fill(struct reader *reader, size_t size)
{
	if (reader->end - reader->start >= size || reader->at_end)
		return 0;
	memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
	reader->end -= reader->start;
	reader->start = 0;
	while (reader->end < size) {
		ssize_t n =
			read(reader->fd, reader->buffer + reader->end, BUFFER_SIZE - reader->end);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			reader->at_end = true;
			return 0;
		}
		reader->end += (size_t)n;
	}
	return 0;
}

static size_t available(const struct reader *reader)
{
	return reader->end - reader->start;
}

static void consume(struct reader *reader, size_t size)
{
	reader->start += size;
	reader->offset += size;
}

static int fail(const struct reader *reader, int error, const char *what)
{
	if (asprintf(reader->why, "%s at byte %llu", what, (unsigned long long)reader->offset) < 0)
		*reader->why = NULL;
	return error;
}

static int read_failed(const struct reader *reader, int error)
{
	if (asprintf(reader->why, "reading the recording failed at byte %llu: %s",
		     (unsigned long long)(reader->offset + available(reader)),
		     strerror(-error)) < 0)
		*reader->why = NULL;
	return error;
}

static int read_header(struct reader *reader)
{
	const uint8_t *header = reader->buffer;
	int error = fill(reader, HEADER_SIZE);
	size_t there = available(reader);
	uint32_t version;

	if (error)
		return read_failed(reader, error);
	if (memcmp(header, MAGIC, there < 8 ? there : 8) != 0)
		return fail(reader, -EBADMSG, "this is not a recording: no \"TLSPREC\"");
	if (there < HEADER_SIZE)
		return fail(reader, -ENODATA, "the recording is cut short inside its header");
	memcpy(&version, header + 8, sizeof(version));
	version = le32toh(version);
	if (version != TLSPCAP_EVENT_VERSION) {
		if (asprintf(reader->why,
			     "the recording is of version %u, and this program reads version %u; "
			     "replay it with the release that made it",
			     version, TLSPCAP_EVENT_VERSION) < 0)
			*reader->why = NULL;
		return -EPROTONOSUPPORT;
	}
	consume(reader, HEADER_SIZE);
	return 0;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* 1: an event was delivered; 0: the end; negative: as record_read(). */
static int read_event(struct reader *reader, record_event_fn fn, void *ctx)
{
	const struct tlspcap_event *event;
	int error = fill(reader, sizeof(*event));
	size_t size, unit;

	if (error)
		return read_failed(reader, error);
	if (!available(reader))
		return 0;
	if (available(reader) < sizeof(*event))
		return fail(reader, -ENODATA, "the recording is cut short inside the event");
	event = (const void *)(reader->buffer + reader->start);
	size = event->size;
	if (!is_event_size(size))
		return fail(reader, -EBADMSG, "the recording is damaged: impossible event size");
	unit = padded(size);
	error = fill(reader, unit); /* moves the event */
	if (error)
		return read_failed(reader, error);
	event = (const void *)(reader->buffer + reader->start);
	if (available(reader) < size)
		return fail(reader, -ENODATA, "the recording is cut short inside the event");
	if (unit > available(reader))
		unit = available(reader);
	if (!is_zero((const uint8_t *)event + size, unit - size))
		return fail(reader, -EBADMSG, "the recording is damaged: no zeros after the event");
	fn(ctx, event);
	consume(reader, unit);
	if (unit < padded(size))
		return fail(reader, -ENODATA, "the recording is cut short after the last event");
	return 1;
}

int record_read(int fd, record_event_fn fn, void *ctx, char **why)
{
	struct reader reader = {.fd = fd, .why = why};
	int error;

	*why = NULL;
	reader.buffer = malloc(BUFFER_SIZE);
	if (!reader.buffer)
		return -ENOMEM;
	error = read_header(&reader);
	if (!error) {
		do
			error = read_event(&reader, fn, ctx);
		while (error > 0);
	}
	free(reader.buffer);
	return error;
}
