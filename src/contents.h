/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Files of the same content have the same places: thousands of containers, few libraries. So
 * each content is searched once.
 */
#ifndef TLSPCAP_CONTENTS_H
#define TLSPCAP_CONTENTS_H

#include <stddef.h>
#include <tlspcap/locate.h>

#define CONTENTS_FAMILIES 4 /* that one file can hold */

struct located_content;

/* All zeros is an empty one. */
struct contents {
	struct located_content *located;
	size_t n, next;
	unsigned char *without; /* hashes of what has no TLS functions */
};

/*
 * Reads the file, and looks it up by what is in it; or as locate_image(), with room for
 * CONTENTS_FAMILIES results. Also image_read()'s errors, and -ENOTSUP for code that does not
 * run here. Not by build id: that is what a file says of itself, and a wrong answer would put
 * probes into the midst of other files' instructions.
 */
int contents_locate(struct contents *contents, int fd, struct locate_result *located);

void contents_free(struct contents *contents);

#endif
