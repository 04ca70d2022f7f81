/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Bytes to gzip members (RFC 1952), each whole in itself. */
#ifndef TLSPCAP_OUTPUT_GZIP_H
#define TLSPCAP_OUTPUT_GZIP_H

#include <stddef.h>
#include <stdint.h>

struct gzip;

/* NULL without memory. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *gzip);

/*
 * One member of all the bytes; *out stays valid until the next call. 0, or -ENOMEM.
 */
int gzip_member(struct gzip *gzip, const uint8_t *bytes, size_t length, const uint8_t **out,
		size_t *out_length);

#endif
