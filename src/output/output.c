/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tlspcap/output.h>
#include <tlspcap/pcapng.h>

#include "output/open.h"

#define BUFFER_SIZE ((size_t)1 << 20)
/* Blocks that the buffer holds at most: their ends must be known when a write fails. */
#define BLOCKS_MAX 8192

struct output {
	int fd;
	int error; /* the first one, negative errno */
	mode_t type;
	uint8_t *buffer;
	size_t size;	 /* of the buffer */
	size_t used;	 /* committed and not written */
	size_t reserved; /* after that */
	uint64_t bytes;
	size_t n_ends;
	uint32_t ends[BLOCKS_MAX]; /* where each block in the buffer ends */
};

int output_open(const char *path, struct output **output, char **why)
{
	struct output *o;
	struct stat status;
	int error;

	*output = NULL;
	*why = NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->size = BUFFER_SIZE;
	o->buffer = malloc(o->size);
	error = -ENOMEM;
	if (!o->buffer)
		goto fail;
	o->fd = output_open_fd(path, why);
	error = o->fd;
	if (error < 0)
		goto fail;
	if (fstat(o->fd, &status)) {
		error = -errno;
		close(o->fd);
		goto fail;
	}
	o->type = status.st_mode & S_IFMT;
	*output = o;
	return 0;
fail:
	free(o->buffer);
	free(o);
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

/* Writes all of the buffer. *written counts what went out also when it fails. */
static int write_buffer(const struct output *output, size_t *written)
{
	for (*written = 0; *written < output->used;) {
		ssize_t n = write(output->fd, output->buffer + *written, output->used - *written);

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
 * Takes half a block away from the end of a file. Only when the file ends where we wrote
 * last: standard output may be somebody's file that goes on after that.
 */
static void cut_to_boundary(const struct output *output, size_t written)
{
	off_t half = (off_t)(written - boundary_before(output, written));
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

int output_flush(struct output *output)
{
	size_t written;

	if (output->error || !output->used)
		return output->error;
	output->error = write_buffer(output, &written);
	if (output->error)
		cut_to_boundary(output, written);
	output->used = 0;
	output->n_ends = 0;
	output->reserved = 0;
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
		if (output_flush(output))
			return NULL;
		if (size > output->size && !grow(output, size))
			return NULL;
	}
	output->reserved = size;
	return output->buffer + output->used;
}

void output_commit(struct output *output, size_t size)
{
	/* The caller wrote past its room: what the memory holds now must not be written. */
	if (size > output->reserved)
		abort();
	output->reserved = 0;
	if (!size)
		return;
	output->used += size;
	output->bytes += size;
	output->ends[output->n_ends++] = (uint32_t)output->used;
}

int output_error(const struct output *output)
{
	return output->error;
}

uint64_t output_bytes(const struct output *output)
{
	return output->bytes;
}

bool output_is_pipe(const struct output *output)
{
	return output->type == S_IFIFO || output->type == S_IFSOCK;
}

int output_close(struct output *output)
{
	int error = output_flush(output);

	/* EINTR: Linux has closed it nevertheless. Other errors are late write errors. */
	if (close(output->fd) && errno != EINTR && !error)
		error = -errno;
	free(output->buffer);
	free(output);
	return error;
}
