/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * files: the names of a capture's files, and what becomes of them on disk.
 *
 * A capture writes one file, or sets of files that follow one another: one set, or one for
 * each namespace. Files of a set are created in a folder that was opened at the start, never
 * over anything that is there, and only files that were made here are ever deleted.
 */
#ifndef TLSPCAP_FILES_H
#define TLSPCAP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/output.h>

struct files;	  /* all of a capture's */
struct files_set; /* those that follow one another */

enum files_split {
	FILES_TOGETHER = 0,
	FILES_BY_MNTNS = 1,
	FILES_BY_NETNS = 2,
};

/* When a file is followed by another one, and how many there may be. 0: no such rule. */
struct files_rules {
	enum files_split split;
	uint64_t bytes;	  /* before compression */
	uint64_t packets; /* of each file */
	uint64_t duration_ns;
	uint64_t interval_ns; /* at multiples of it since 1970 */
	uint32_t keep;	      /* files of each set; the oldest is deleted */
	uint32_t stop_files;  /* in all; then the capture ends */
	uint64_t stop_bytes;  /* of the one file; then the capture ends */
	uint64_t max_disk;    /* bytes on disk of all sets; see docs/design.md */
	bool time_first;      /* name_TIME_NUMBER in place of name_NUMBER_TIME */
	bool times_in_path;   /* the name is strftime(3)'s format */
};

struct files_options {
	const char *path; /* "-": standard output; %{mntns}, %{netns}, %{container} in its name */
	struct files_rules rules;
	/* What it takes to make files where our user may not: called around it. NULL: nothing. */
	void (*privilege)(bool on);
	struct output_guard *guard; /* as in struct output_options */
	const volatile int *insist; /* as in struct output_options */
	/* A file of a set is complete. NULL: not of interest. `path` is only valid in the call. */
	void (*closed)(void *ctx, const char *path);
	void *ctx;
};

/* 0 or negative errno, with *why as output_open() has it. Touches nothing yet. */
int files_open(const struct files_options *options, struct files **files, char **why);
/* After all files were closed. */
void files_free(struct files *files);

/* Files follow one another, or are split. */
bool files_are_sets(const struct files *files);
enum files_split files_split(const struct files *files);

/* Whose files they are; `container` is any text, also hostile, or NULL. */
struct files_label {
	uint32_t mntns, netns;
	const char *container;
};

/* That namespace's set; one that it had before goes on. NULL without memory. */
struct files_set *files_set_begin(struct files *files, const struct files_label *label);

/* No more files are wanted; it stays as long as it has some that may have to be deleted. */
void files_set_end(struct files_set *set);

/* One that is open. */
struct files_file {
	struct output *output;
	const char *name; /* without its folder */
	uint32_t number;  /* of the set, from 1 */
};

/*
 * The set's next file; the one before it may still be open. `time_ns` is now, since 1970.
 * 0 or negative errno, with *why as output_open() has it.
 */
int files_create(struct files_set *set, uint64_t time_ns, struct files_file **file, char **why);

/* Flushes and closes; deletes what is too much of this set, or of the largest. 0 or the first
 * error of the output. */
int files_close(struct files_file *file);

/* Bytes after which a file of any set is to be followed by another; 0: no such limit. */
uint64_t files_limit(const struct files *files);

struct files_counts {
	uint64_t created, closed, deleted;
};
struct files_counts files_counts(const struct files *files);

#endif
