/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TLSPCAP_VIEW_INTERNAL_H
#define TLSPCAP_VIEW_INTERNAL_H

#include <tlspcap/view.h>

/* null_tls.c */
void null_tls_open(const struct conversation_info *info, view_segment_fn fn, void *ctx);
/* At most TLSPCAP_CHUNK bytes. */
void null_tls_data(enum tlspcap_direction direction, const uint8_t *bytes, size_t length,
		   view_segment_fn fn, void *ctx);
void null_tls_close(enum tlspcap_direction direction, view_segment_fn fn, void *ctx);

#endif
