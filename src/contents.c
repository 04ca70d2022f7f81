/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "contents.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "image.h"

#define CONTENTS_MAX 256
#define WITHOUT_MAX  4096 /* contents without TLS functions that are remembered */

struct located_content {
	unsigned char hash[IMAGE_HASH];
	int n;
	struct locate_result located[CONTENTS_FAMILIES];
};

static struct located_content *find_content(struct contents *contents, const unsigned char *hash)
{
	for (size_t i = 0; i < contents->n; i++)
		if (!memcmp(contents->located[i].hash, hash, IMAGE_HASH))
			return &contents->located[i];
	return NULL;
}

/* The oldest one's place when there is no other. */
static struct located_content *new_content(struct contents *contents)
{
	if (!contents->located)
		contents->located = calloc(CONTENTS_MAX, sizeof(*contents->located));
	if (!contents->located)
		return NULL;
	if (contents->n < CONTENTS_MAX)
		return &contents->located[contents->n++];
	return &contents->located[contents->next++ % CONTENTS_MAX];
}

static unsigned char *without_slot(struct contents *contents, const unsigned char *hash)
{
	uint32_t start;

	if (!contents->without)
		contents->without = calloc(WITHOUT_MAX, IMAGE_HASH);
	if (!contents->without)
		return NULL;
	memcpy(&start, hash, sizeof(start));
	return contents->without + (size_t)(start % WITHOUT_MAX) * IMAGE_HASH;
}

static int locate(struct contents *contents, const struct image *image,
		  struct locate_result *located)
{
	unsigned char *without;
	struct located_content *content;
	int n;

	if (!image->hashed)
		return locate_image(image->bytes, image->size, located, CONTENTS_FAMILIES);
	content = find_content(contents, image->hash);
	if (content) {
		memcpy(located, content->located, sizeof(content->located));
		return content->n;
	}
	without = without_slot(contents, image->hash);
	if (without && !memcmp(without, image->hash, IMAGE_HASH))
		return 0;
	n = locate_image(image->bytes, image->size, located, CONTENTS_FAMILIES);
	if (!n && without)
		memcpy(without, image->hash, IMAGE_HASH);
	content = n > 0 ? new_content(contents) : NULL;
	if (content) {
		memcpy(content->hash, image->hash, sizeof(content->hash));
		memcpy(content->located, located, sizeof(content->located));
		content->n = n;
	}
	return n;
}

/* The search understands code of other machines, too. */
static bool runs_here(const struct locate_result *located)
{
#if defined(__x86_64__)
	return located->machine == EM_X86_64;
#elif defined(__aarch64__)
	return located->machine == EM_AARCH64;
#else
	return false;
#endif
}

int contents_locate(struct contents *contents, int fd, struct locate_result *located)
{
	struct image image;
	int n = image_read(fd, &image);

	if (n)
		return n;
	n = locate(contents, &image, located);
	image_free(&image);
	return n > 0 && !runs_here(&located[0]) ? -ENOTSUP : n;
}

void contents_free(struct contents *contents)
{
	free(contents->located);
	free(contents->without);
}
