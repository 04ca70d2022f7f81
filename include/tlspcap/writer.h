/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * writer: joins conversation, view, frame, pcapng, output and files: from conversations to a
 * file, or to files that follow one another.
 */
#ifndef TLSPCAP_WRITER_H
#define TLSPCAP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/conversation.h>
#include <tlspcap/files.h>
#include <tlspcap/view.h>

struct writer;

struct writer_options {
	const char *path;   /* "-": standard output */
	const char *keylog; /* NULL: none; secrets are appended as NSS key log lines */
	enum view_kind view;
	const char *filter;	   /* pcap-filter(7) on the frames; NULL: all */
	uint64_t packets;	   /* stop after so many; 0: never */
	const char *application;   /* "tlspcap 0.1.0" */
	const char *hardware, *os; /* of the machine that was captured; NULL: left out */
	struct files_rules rules;  /* when a file is followed by another one */
	bool no_secrets;	   /* only in the key log; with VIEW_TLS no plaintext either */
	uint64_t now_ns;	   /* wall clock; 0: the events will tell it */
	/* As in struct files_options. */
	struct output_guard *guard;
	const volatile int *insist;
	void (*privilege)(bool on);
	void (*closed)(void *ctx, const char *path);
	void *ctx;
};

struct writer_counts {
	uint64_t packets;
	uint64_t bytes;	    /* of all files, before compression */
	uint64_t files;	    /* begun */
	uint64_t deleted;   /* of these, to stay within a limit */
	uint64_t withheld;  /* bytes of plaintext that were not to be written */
	uint64_t filtered;  /* packets that the filter rejected */
	uint64_t secrets;   /* lines in DSBs */
	uint64_t discarded; /* packets after -c was reached, or after a write error */
};

/*
 * Compiles the filter before any file is touched. Returns 0 or negative errno (-EINVAL: the
 * filter); *why is then a sentence for the user; free() it.
 */
int writer_open(const struct writer_options *options, struct writer **writer, char **why);

/* For conversations_new(). Valid as long as the writer. */
const struct conversation_sink *writer_sink(struct writer *writer);

/* Writes buffered blocks out. 0 or negative errno. */
int writer_flush(struct writer *writer);

/* The packet count is reached, or writing failed: nothing more will be written. */
bool writer_done(const struct writer *writer);

/* The first error of a write, negative errno, or 0. */
int writer_error(const struct writer *writer);

bool writer_is_pipe(const struct writer *writer);
/* More files will be made while it writes. */
bool writer_makes_files(const struct writer *writer);
/* Mount namespaces have files of their own: name_space_end() is of interest. */
bool writer_is_split(const struct writer *writer);

const struct writer_counts *writer_counts(const struct writer *writer);

/*
 * Statistics blocks, flush, close. After conversations_finish(). 0 or the first error; *why is then
 * a sentence for the user, or NULL without memory; free() it. `why` may be NULL.
 */
int writer_close(struct writer *writer, char **why);

#endif
