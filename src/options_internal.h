/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the files of the command line share. Each group of options has a file
 * options_<group>.c with one table: the parser and --help are made from these.
 */
#ifndef TLSPCAP_OPTIONS_INTERNAL_H
#define TLSPCAP_OPTIONS_INTERNAL_H

#include "options.h"

#define OPTIONS_GROUPS	   4
#define OPTIONS_GROUP_ROWS 20

struct options_row {
	const char *name;     /* long option; NULL: only short */
	int letter;	      /* 0: only long */
	const char *argument; /* NULL: takes none; "[…]": only the long form, and it need not */
	enum options_result (*set)(struct options *options, const char *value);
	const char *help; /* a line may follow another after \n */
};

struct options_group {
	const char *title;
	struct options_row rows[OPTIONS_GROUP_ROWS]; /* the first without `set` ends them */
};

extern const struct options_group options_whom, options_what, options_where, options_how;
extern const struct options_group *const options_groups[OPTIONS_GROUPS];

/* Whether the argument may be left out. */
bool options_is_optional(const struct options_row *row);

/* A line on stderr, with the program's name. */
void options_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole decimal number from `low` to `high`. */
bool options_parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value);

/* Says that OPTIONS_LIST_MAX of `option` are enough. Returns OPTIONS_WRONG. */
enum options_result options_list_is_full(const char *option);

/* Prints --help. */
enum options_result options_help(struct options *options, const char *value);

/* Prints a shell's completions. */
enum options_result options_completion(struct options *options, const char *value);

#endif
