/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files of the stage "files" share. */
#ifndef TLSPCAP_FILES_INTERNAL_H
#define TLSPCAP_FILES_INTERNAL_H

#include <limits.h>
#include <tlspcap/files.h>

#define NAME_SIZE (NAME_MAX + 1)

/* A name in parts: stem, then number and time where there are any, then suffix. */
struct name_pattern {
	char stem[NAME_SIZE];	/* of the path; may have %{...} */
	char suffix[NAME_SIZE]; /* ".pcapng", ".pcapng.gz", "" */
	bool labelled;		/* the stem says where the namespace stands */
	enum files_split split; /* as the stem asks for */
};

/* A file of a set, open or closed. */
struct kept {
	struct files_file file; /* output NULL: closed */
	struct files_set *set;
	struct kept *next; /* the newer one */
	struct output_identity identity;
	uint64_t bytes; /* on disk, once it is closed */
	char name[];
};

struct files_set {
	struct files *files;
	struct files_set *next;
	uint32_t mntns, netns;
	bool ended; /* nobody will add a file: it goes with its last one */
	char stem[NAME_SIZE];
	uint32_t number; /* of the newest file */
	struct kept *oldest, **newest;
	uint32_t n_kept;
	uint64_t bytes; /* on disk, of the closed files that are kept */
};

struct files {
	struct files_options options;
	struct files_rules rules;
	struct files_counts counts;
	char *path;
	char *folder_name; /* with a final slash, or empty: as the user wrote it */
	int folder;	   /* O_PATH; -1: none is needed */
	bool gzip, sets;
	struct name_pattern pattern;
	struct files_set *all;
	size_t n_active; /* sets that have a file */
	uint64_t bytes;	 /* of all sets */
};

/* name.c */

/* Takes the name apart. False: it has a %{...} that is not known. */
bool name_parse(const char *name, struct name_pattern *pattern);
/* The stem of one set. False: too long. */
bool name_label(const struct name_pattern *pattern, enum files_split split,
		const struct files_label *label, char stem[NAME_SIZE]);

/* How a name is made unique. */
enum name_form {
	NAME_BARE,	  /* stem, suffix */
	NAME_NUMBERED,	  /* stem_00001, suffix */
	NAME_NUMBER_TIME, /* stem_00001_YYYYMMDDHHMMSS, suffix */
	NAME_TIME_NUMBER,
};

/* `times`: the stem is strftime's format. False: too long. */
bool name_make(const char *stem, const char *suffix, enum name_form form, bool times,
	       uint32_t number, uint64_t time_ns, char name[NAME_SIZE]);

/* keep.c */

/* Deletes what is too much after the set has got a file, or one was closed. */
void keep_within(struct files_set *set);
/* The oldest file is not kept any more; it is closed. */
void keep_forget(struct files_set *set);
/* Frees sets that have ended and have no file. */
void keep_drop_ended(struct files *files);

#endif
