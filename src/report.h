/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What is told on stderr: totals and losses. */
#ifndef TLSPCAP_REPORT_H
#define TLSPCAP_REPORT_H

#include <stdbool.h>
#include <tlspcap/conversation.h>
#include <tlspcap/writer.h>
#include "discover.h"

/* Whether nothing is missing of what was to be captured, as far as is known. */
bool report_nothing_lost(const struct conversation_counts *counts,
			 const struct discover_counts *discovery);

/* `quiet`: losses only. */
void report_totals(const char *path, const struct writer_counts *written,
		   const struct conversation_counts *counts, bool quiet);

/* Files that were mapped while the capture ran. */
void report_discovery(const struct discover_counts *counts, bool quiet);

#endif
