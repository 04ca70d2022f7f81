/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * output: whole blocks to a file or a pipe.
 *
 * Captures hold secrets: files are created with mode 0600, never through a symbolic link,
 * and never into a file that somebody else owns or has a hard link to. Only whole blocks
 * are written; when a write ends half-way (disk full), the file is cut back to the last
 * block boundary.
 */
#ifndef TLSPCAP_OUTPUT_H
#define TLSPCAP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output;

/*
 * A process that outlives this one when it is killed, and then cuts the files that it was
 * writing back to whole blocks. To be started before there are threads or descriptors that
 * must not be kept open. NULL when that cannot be done: files may end in half a block then.
 */
struct output_guard;
struct output_guard *output_guard_start(void);
/* After all outputs are closed; NULL is fine. */
void output_guard_end(struct output_guard *guard);

struct output_options {
	bool gzip;   /* compressed, a gzip member for each flush: a file that is cut still opens */
	size_t room; /* of the buffer; 0: 1 MiB. It grows for larger blocks */
	struct output_guard *guard; /* NULL: none */
	const char *path;	    /* for the guard: where the file is */
	/* Signals that ask for the end; when it grows, a write that waits is given up. NULL: never.
	 */
	const volatile int *insist;
};

/*
 * `path` "-" is standard output. Returns 0 or negative errno: -ELOOP it is a symbolic link,
 * -EPERM somebody else's, -EMLINK it has more than one name, -EISDIR, …; *why is then a
 * sentence for the user; free() it.
 */
int output_open(const char *path, const struct output_options *options, struct output **output,
		char **why);

/*
 * A new file in the folder that `folder` (a descriptor) is; -EEXIST when something has that
 * name, whatever it is. `options` may be NULL here and above.
 */
int output_create(int folder, const char *name, const struct output_options *options,
		  struct output **output);

/*
 * Room for one block of at most `size` bytes in the output's buffer; writes older blocks
 * out when there is not enough. NULL when size is larger than PCAPNG_BLOCK_MAX, or after a
 * write failed (output_error()).
 */
uint8_t *output_reserve(struct output *output, size_t size);

/* The `size` bytes at the last reserved place are a whole block now. */
void output_commit(struct output *output, size_t size);

/* The same for a block that is worth nothing without the next one: both are kept, or none. */
void output_commit_with_next(struct output *output, size_t size);

/*
 * Writes what is committed. 0 or negative errno (-EPIPE: the reader is gone, which is found out
 * also when there is nothing to write).
 */
int output_flush(struct output *output);

/* The first error of a write, or 0. */
int output_error(const struct output *output);

/* Committed so far, bytes. */
uint64_t output_bytes(const struct output *output);

/* Written so far, bytes: after compression, without what is in the buffer. */
uint64_t output_written(const struct output *output);

/*
 * Which file it is: two are one exactly when all numbers are equal. Inode numbers are used again,
 * times of birth are not (0 where the file system has none).
 */
struct output_identity {
	uint64_t device, inode, birth_ns;
};
struct output_identity output_identity(const struct output *output);
/* Whether that name in the folder, no link followed, is that file. */
bool output_is_there(int folder, const char *name, const struct output_identity *identity);

bool output_is_pipe(const struct output *output);

/* Flushes, closes, frees. 0 or the first error. */
int output_close(struct output *output);

#endif
