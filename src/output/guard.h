/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Files that somebody cuts to whole blocks when this process is killed. */
#ifndef TLSPCAP_OUTPUT_GUARD_H
#define TLSPCAP_OUTPUT_GUARD_H

#include <tlspcap/output.h>

struct guard_slot;

/* NULL: without a guard, or when it has no place left. */
struct guard_slot *guard_take(struct output_guard *guard, const char *path,
			      struct output_identity identity, bool gzip);
/* Whole blocks end at this offset. */
void guard_note(struct guard_slot *slot, uint64_t safe);
/* The file is complete. */
void guard_release(struct guard_slot *slot);

#endif
