/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A file's bytes in memory of our own, for the locate stage. */
#ifndef TLSPCAP_IMAGE_H
#define TLSPCAP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_HASH 32

struct image {
	void *bytes;
	size_t size;			/* the file's, so that offsets stay what they are */
	unsigned char hash[IMAGE_HASH]; /* SHA-256 of what was read */
	bool hashed;			/* false: the hash is not to be had */
};

/*
 * Reads what the locate stage looks at; large debug sections stay zeros, which take no memory.
 * Read, not mapped: its owner can cut a mapped file short under our hands, and that would kill
 * us. Returns 0 or negative errno: -ENOEXEC: not a regular file, or empty; -EFBIG: more to read
 * than there is in any program that we know.
 */
int image_read(int fd, struct image *image);

/* An image that image_read() did not fill is fine if it is all zeros. */
void image_free(struct image *image);

#endif
