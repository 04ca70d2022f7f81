/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tlspcap/output.h>
#include <tlspcap/pcapng.h>

#include "output/guard.h"
#include "output/gzip.h"
#include "output/open.h"

#define BUFFER_SIZE ((size_t)1 << 20)
/* Blocks that the buffer holds at most: their ends must be known when a write fails. */
#define BLOCKS_MAX 8192

struct output {
	int fd;
	int error; /* the first one, negative errno */
	mode_t type;
	struct output_identity identity;
	struct gzip *gzip; /* NULL: not compressed */
	struct guard_slot *slot;
	const volatile int *insist;
	uint8_t *buffer;
	size_t size;	 /* of the buffer */
	size_t used;	 /* committed and not written */
	size_t reserved; /* after that */
	uint64_t bytes, written;
	size_t n_ends;
	uint32_t ends[BLOCKS_MAX]; /* where each block in the buffer ends */
};

static void free_output(struct output *output)
{
	gzip_free(output->gzip);
	free(output->buffer);
	free(output);
}

static struct output *new_output(const struct output_options *options)
{
	struct output *output = calloc(1, sizeof(*output));

	if (!output)
		return NULL;
	output->size = options && options->room ? options->room : BUFFER_SIZE;
	output->buffer = malloc(output->size);
	if (options && options->gzip)
		output->gzip = gzip_new();
	output->insist = options ? options->insist : NULL;
	if (output->buffer && (output->gzip || !options || !options->gzip))
		return output;
	free_output(output);
	return NULL;
}

/* Takes over the descriptor, or the negative errno in its place. */
static int begin(struct output *output, const struct output_options *options, int fd)
{
	int error;

	if (fd < 0)
		return fd;
	error = output_identify(fd, "", AT_EMPTY_PATH, &output->identity, &output->type);
	if (error) {
		close(fd);
		return error;
	}
	output->fd = fd;
	if (options && S_ISREG(output->type))
		output->slot =
			guard_take(options->guard, options->path, output->identity, options->gzip);
	return 0;
}

int output_open(const char *path, const struct output_options *options, struct output **output,
		char **why)
{
	struct output *opened = new_output(options);
	int error;

	*output = NULL;
	*why = NULL;
	if (!opened)
		return -ENOMEM;
	error = begin(opened, options, output_open_fd(path, why));
	if (error)
		free_output(opened);
	else
		*output = opened;
	return error;
}

int output_create(int folder, const char *name, const struct output_options *options,
		  struct output **output)
{
	struct output *opened = new_output(options);
	int error;

	*output = NULL;
	if (!opened)
		return -ENOMEM;
	error = begin(opened, options, output_create_fd(folder, name));
	if (error)
		free_output(opened);
	else
		*output = opened;
	return error;
}

/* Waits until a pipe that somebody made non-blocking takes more. */
static int wait_writable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

	if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Writes all of it. *written counts what went out also when it fails. */
static int write_all(const struct output *output, const uint8_t *bytes, size_t length,
		     size_t *written)
{
	int insisted = output->insist ? *output->insist : 0;

	for (*written = 0; *written < length;) {
		ssize_t n = write(output->fd, bytes + *written, length - *written);

		if (n > 0) {
			*written += (size_t)n;
			continue;
		}
		if (n == 0)
			return -EIO; /* a device that takes nothing and says nothing */
		if (errno == EAGAIN) {
			int error = wait_writable(output->fd);

			if (error)
				return error;
		} else if (errno != EINTR) {
			return -errno;
		}
		/* The second Ctrl-C, and nobody reads. */
		if (output->insist && *output->insist >= 2 && *output->insist != insisted)
			return -EINTR;
	}
	return 0;
}

/* The buffer's last block end that is not after `written`. */
static size_t boundary_before(const struct output *output, size_t written)
{
	size_t n = output->n_ends;

	while (n > 0 && output->ends[n - 1] > written)
		n--;
	return n > 0 ? output->ends[n - 1] : 0;
}

/*
 * Takes the last `bytes`, half a block, away from the end of a file. Only when the file ends
 * where we wrote last: standard output may be somebody's file that goes on after that.
 */
static void cut(const struct output *output, size_t bytes)
{
	off_t half = (off_t)bytes;
	off_t end = lseek(output->fd, 0, SEEK_CUR);
	struct stat status;

	if (output->type != S_IFREG || !half || end < half)
		return;
	if (fstat(output->fd, &status) || status.st_size != end)
		return;
	/* It can fail only where writing has failed already, which is reported. */
	if (ftruncate(output->fd, end - half) == 0)
		lseek(output->fd, end - half, SEEK_SET);
}

static int write_plain(struct output *output)
{
	size_t written;
	int error = write_all(output, output->buffer, output->used, &written);

	output->written += written;
	if (error)
		cut(output, written - boundary_before(output, written));
	return error;
}

/* Of a member that is not whole nothing is kept: it would not open without a complaint. */
static int write_compressed(struct output *output)
{
	const uint8_t *bytes;
	size_t length, written;
	int error = gzip_member(output->gzip, output->buffer, output->used, &bytes, &length);

	if (error)
		return error;
	error = write_all(output, bytes, length, &written);
	output->written += written;
	if (error)
		cut(output, written);
	return error;
}

static int flush_buffer(struct output *output)
{
	if (output->error || !output->used)
		return output->error;
	output->error = output->gzip ? write_compressed(output) : write_plain(output);
	if (!output->error)
		guard_note(output->slot, output->written);
	output->used = 0;
	output->n_ends = 0;
	output->reserved = 0;
	return output->error;
}

/* Without anything to write, a pipe's reader could be gone for hours unnoticed. */
static bool reader_has_left(const struct output *output)
{
	struct pollfd poll_fd = {.fd = output->fd};

	return output_is_pipe(output) && poll(&poll_fd, 1, 0) > 0 &&
	       (poll_fd.revents & (POLLERR | POLLHUP));
}

int output_flush(struct output *output)
{
	if (!flush_buffer(output) && reader_has_left(output))
		output->error = -EPIPE;
	return output->error;
}

/* The buffer is empty: it can be exchanged for a larger one. */
static bool grow(struct output *output, size_t size)
{
	uint8_t *larger = malloc(size);

	if (!larger) {
		output->error = -ENOMEM;
		return false;
	}
	free(output->buffer);
	output->buffer = larger;
	output->size = size;
	return true;
}

uint8_t *output_reserve(struct output *output, size_t size)
{
	if (size > PCAPNG_BLOCK_MAX || output->error)
		return NULL;
	if (size > output->size - output->used || output->n_ends == BLOCKS_MAX) {
		if (flush_buffer(output))
			return NULL;
		if (size > output->size && !grow(output, size))
			return NULL;
	}
	output->reserved = size;
	return output->buffer + output->used;
}

static void add(struct output *output, size_t size)
{
	/* The caller wrote past its room: what the memory holds now must not be written. */
	if (size > output->reserved)
		abort();
	output->reserved = 0;
	output->used += size;
	output->bytes += size;
}

void output_commit(struct output *output, size_t size)
{
	add(output, size);
	if (size)
		output->ends[output->n_ends++] = (uint32_t)output->used;
}

void output_commit_with_next(struct output *output, size_t size)
{
	add(output, size);
}

int output_error(const struct output *output)
{
	return output->error;
}

uint64_t output_bytes(const struct output *output)
{
	return output->bytes;
}

uint64_t output_written(const struct output *output)
{
	return output->written;
}

struct output_identity output_identity(const struct output *output)
{
	return output->identity;
}

bool output_is_pipe(const struct output *output)
{
	return output->type == S_IFIFO || output->type == S_IFSOCK;
}

int output_close(struct output *output)
{
	int error = flush_buffer(output);

	/* EINTR: Linux has closed it nevertheless. Other errors are late write errors. */
	if (close(output->fd) && errno != EINTR && !error)
		error = -errno;
	guard_release(output->slot);
	free_output(output);
	return error;
}
