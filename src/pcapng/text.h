/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TLSPCAP_PCAPNG_TEXT_H
#define TLSPCAP_PCAPNG_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Copies `text` as valid UTF-8 to `out`, whole characters only, as many as fit into `room`
 * bytes; no NUL is added. Control characters become `control`, characters of `reserved` '_',
 * invalid bytes U+FFFD. Returns the bytes written; `out` NULL: that would be written.
 */
size_t text_clean(char *out, size_t room, const char *text, size_t length, char control,
		  const char *reserved);

#endif
