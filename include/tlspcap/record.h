/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * record: the events as they left the kernel, in a file (--record), and back (replay).
 *
 * The file is a 16-byte header (magic "TLSPREC\n", version u32, reserved u32, little-endian)
 * and the events, each padded with zeros to a multiple of 8 bytes. A recording holds the
 * same secrets as a capture, and is written under the same rules (output.h).
 */
#ifndef TLSPCAP_RECORD_H
#define TLSPCAP_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <tlspcap/event.h>

struct recorder;

/* As output_open(). */
int record_open(const char *path, struct recorder **recorder, char **why);
/* 0 or the first write error, negative errno. */
int record_write(struct recorder *recorder, const struct tlspcap_event *event);
int record_flush(struct recorder *recorder);
int record_close(struct recorder *recorder);

typedef void (*record_event_fn)(void *ctx, const struct tlspcap_event *event);

/*
 * Reads a whole recording from `fd` and calls `fn` for each event, 8-byte aligned. Returns 0;
 * -EBADMSG not a recording, or damaged; -EPROTONOSUPPORT another version; -ENODATA cut short
 * (every complete event was delivered); or another negative errno. *why as in output_open().
 */
int record_read(int fd, record_event_fn fn, void *ctx, char **why);

#endif
