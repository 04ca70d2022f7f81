/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct cause {
	const char *what;
	const char *advice;
};

static const struct cause causes[TLSPCAP_LOSS_MAX] = {
	[TLSPCAP_LOSS_RING_FULL] = {"events that found the ring buffer full", "use a larger -B"},
	[TLSPCAP_LOSS_FAULT] = {"pieces of the target's memory that could not be read", NULL},
	[TLSPCAP_LOSS_CALL_SIZE] = {"calls that moved more than 64 MiB at once",
				    "the rest of each is missing"},
	[TLSPCAP_LOSS_SCOPE_FULL] = {"calls while 8192 threads were inside TLS calls", NULL},
	[TLSPCAP_LOSS_SCOPE_DEPTH] = {"calls nested deeper than 4", NULL},
	[TLSPCAP_LOSS_OBJECT_FULL] = {"TLS objects that found their table full", NULL},
	[TLSPCAP_LOSS_SOCKET_FULL] = {"times that the table of sockets was full",
				      "those connections are not in the file"},
	[TLSPCAP_LOSS_NO_RANDOM] = {"secrets without a readable client random",
				    "they are not in the file"},
	[TLSPCAP_LOSS_BYPASS] =
		{"sends or receives that pass no memory to read (sendfile, io_uring, kernel TLS)",
		 NULL},
	[TLSPCAP_LOSS_RECURSION] = {"probes that the kernel skipped", NULL},
	[TLSPCAP_LOSS_MISSED] = {"calls that were not seen to return", NULL},
	[TLSPCAP_LOSS_FOLLOW_FULL] = {"child processes that could not be followed", NULL},
};

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void line(uint64_t n, const char *what, const char *advice)
{
	if (n)
		fprintf(stderr, "tlspcap: %s: %" PRIu64 "%s%s\n", what, n, advice ? "; " : "",
			advice ? advice : "");
}

static void report_losses(const struct conversation_counts *counts)
{
	if (counts->gaps)
		fprintf(stderr,
			"tlspcap: LOST: %" PRIu64 " gap%s in conversations, %" PRIu64
			" bytes that are known of; each is marked in the file\n",
			counts->gaps, plural(counts->gaps), counts->gap_bytes);
	for (int i = 1; i < TLSPCAP_LOSS_MAX; i++)
		if (causes[i].what)
			line(counts->loss[i], causes[i].what, causes[i].advice);
	line(counts->evicted, "conversations were given up to stay inside the memory limits", NULL);
}

static bool is_complete(const struct conversation_counts *counts)
{
	uint64_t sum = counts->gaps + counts->evicted;

	for (int i = 1; i < TLSPCAP_LOSS_MAX; i++)
		sum += counts->loss[i];
	return !sum;
}

bool report_nothing_lost(const struct conversation_counts *counts,
			 const struct discover_counts *discovery)
{
	return is_complete(counts) && !counts->no_keys && !discovery->gone && !discovery->lost;
}

void report_totals(const char *path, const struct writer_counts *written,
		   const struct conversation_counts *counts, bool quiet)
{
	report_losses(counts);
	line(counts->unknown_address, "conversations with an unknown address",
	     "their frames say address=unknown");
	line(counts->no_keys, "conversations without all their secrets",
	     "libraries that were not probed in time, or that tell none");
	line(counts->untied_secrets, "secrets whose connection was not found",
	     "connections that were not captured from their start, QUIC; not in the file");
	line(counts->datagram, "TLS objects on datagram sockets (DTLS, QUIC)",
	     "these are not written");
	line(written->discarded, "packets that were not written",
	     "a limit of -c, -a or -W was reached, or writing failed");
	if (quiet)
		return;
	line(counts->both_ends, "conversations captured at both ends, written once", NULL);
	line(written->filtered, "packets that the filter rejected", NULL);
	line(written->withheld, "bytes of plaintext that --view=tls --no-secrets kept back", NULL);
	line(written->deleted, "files that were deleted to stay within the limit", NULL);
	if (written->files > 1)
		line(written->files, "files", NULL);
	fprintf(stderr,
		"tlspcap: %" PRIu64 " packet%s of %" PRIu64 " conversation%s, %" PRIu64
		" secret%s, %" PRIu64 " bytes in %s%s\n",
		written->packets, plural(written->packets), counts->conversations,
		plural(counts->conversations), written->secrets, plural(written->secrets),
		written->bytes, strcmp(path, "-") ? path : "standard output",
		is_complete(counts) ? "; nothing was lost" : "");
}

static void report_held(const struct hold_counts *held, bool quiet)
{
	line(held->overdue, "processes that were held until the watchdog continued them",
	     "their first conversations may be missing");
	line(held->broken,
	     "processes that were continued by others, or ended, while they were held",
	     "their first conversations may be missing");
	line(held->refused, "processes that could not be held",
	     "they are on a terminal or traced, or too many at once");
	if (!quiet && held->held)
		fprintf(stderr,
			"tlspcap: held %" PRIu64
			" process%s, %.2f ms on average, %.2f ms at most\n",
			held->held, held->held == 1 ? "" : "es",
			(double)held->total_ns / 1e6 / (double)held->held,
			(double)held->longest_ns / 1e6);
}

void report_discovery(const struct discover_counts *counts, bool quiet)
{
	line(counts->gone, "TLS libraries whose process ended before they could be probed",
	     "conversations of these may be missing");
	line(counts->lost, "mappings that the kernel could not tell", "libraries may be missing");
	report_held(&counts->hold, quiet);
	if (quiet)
		return;
	line(counts->skipped, "mappings that the kernel did not let us look at",
	     "all processes were searched again");
	line(counts->attached, "TLS libraries that appeared and were probed", NULL);
	line(counts->released, "TLS libraries that nobody uses any more, released", NULL);
}
