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
 * `path` "-" is standard output. Returns 0 or negative errno: -ELOOP it is a symbolic link,
 * -EPERM somebody else's, -EMLINK it has more than one name, -EISDIR, …; *why is then a
 * sentence for the user; free() it.
 */
int output_open(const char *path, struct output **output, char **why);

/*
 * Room for one block of at most `size` bytes in the output's buffer; writes older blocks
 * out when there is not enough. NULL when size is larger than PCAPNG_BLOCK_MAX, or after a
 * write failed (output_error()).
 */
uint8_t *output_reserve(struct output *output, size_t size);

/* The `size` bytes at the last reserved place are a whole block now. */
void output_commit(struct output *output, size_t size);

/* Writes what is committed. 0 or negative errno (-EPIPE: the reader is gone). */
int output_flush(struct output *output);

/* The first error of a write, or 0. */
int output_error(const struct output *output);

/* Committed so far, bytes. */
uint64_t output_bytes(const struct output *output);

bool output_is_pipe(const struct output *output);

/* Flushes, closes, frees. 0 or the first error. */
int output_close(struct output *output);

#endif
