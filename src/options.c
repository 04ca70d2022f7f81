/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "options_internal.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct options_group *const options_groups[OPTIONS_GROUPS] = {
	&options_whom,
	&options_what,
	&options_where,
	&options_how,
};

void options_say(const char *format, ...)
{
	va_list arguments;

	fputs("tlspcap: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

bool options_parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value >= low && *value <= high;
}

enum options_result options_list_is_full(const char *option)
{
	options_say("%s: at most %d of them", option, OPTIONS_LIST_MAX);
	return OPTIONS_WRONG;
}

bool options_is_optional(const struct options_row *row)
{
	return row->argument && row->argument[0] == '[';
}

static const struct options_row *row_at(size_t index)
{
	const struct options_row *row =
		&options_groups[index / OPTIONS_GROUP_ROWS]->rows[index % OPTIONS_GROUP_ROWS];

	return row->set ? row : NULL;
}

static const struct options_row *row_of_letter(int letter)
{
	for (size_t i = 0; i < OPTIONS_GROUPS * OPTIONS_GROUP_ROWS; i++) {
		const struct options_row *row = row_at(i);

		if (row && row->letter == letter)
			return row;
	}
	return NULL;
}

#define LONG_BASE 256 /* getopt's value of a long option: LONG_BASE + index */

static void fill_getopt(char *letters, struct option *longs)
{
	*letters++ = '+'; /* the filter ends the options, as in tcpdump */
	for (size_t i = 0; i < OPTIONS_GROUPS * OPTIONS_GROUP_ROWS; i++) {
		const struct options_row *row = row_at(i);

		if (!row)
			continue;
		if (row->letter) {
			*letters++ = (char)row->letter;
			if (row->argument && !options_is_optional(row))
				*letters++ = ':';
		}
		if (row->name)
			*longs++ = (struct option){
				.name = row->name,
				.has_arg = !row->argument	      ? no_argument
					   : options_is_optional(row) ? optional_argument
								      : required_argument,
				.val = LONG_BASE + (int)i,
			};
	}
	*letters = '\0';
	*longs = (struct option){0};
}

/* The words of the filter, joined: tcpdump takes them unquoted, too. */
static char *join(char **words, int n)
{
	size_t size = 1;
	char *text;

	for (int i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	text = calloc(1, size);
	for (int i = 0; text && i < n; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, words[i]);
	}
	return text;
}

static enum options_result take_rest(int argc, char **argv, int first, struct options *options)
{
	int end = first;

	/* getopt has eaten a "--" that came before any filter. */
	if (first > 0 && !strcmp(argv[first - 1], "--")) {
		options->command = argv + first;
	} else {
		while (end < argc && strcmp(argv[end], "--"))
			end++;
		if (end < argc)
			options->command = argv + end + 1;
	}
	if (end > first) {
		options->filter = join(argv + first, end - first);
		if (!options->filter) {
			options_say("out of memory");
			return OPTIONS_FAILED;
		}
	}
	if (options->command && !options->command[0]) {
		options_say("-- wants a command after it");
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

static enum options_result check(const struct options *options)
{
	if (options->list || options->doctor)
		return OPTIONS_RUN;
	if (!options->path) {
		options_say("-w FILE is missing: where shall the capture go? (tlspcap --help)");
		return OPTIONS_WRONG;
	}
	if (options->source == SOURCE_PROBES && options->view == VIEW_TLS) {
		options_say(
			"--view=tls wants the sockets' records, --source=probes does without them; "
			"leave out one of the two");
		return OPTIONS_WRONG;
	}
	if (options->command && options->n_pid) {
		options_say("--pid and -- COMMAND exclude each other");
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

/* What several options say together. */
static enum options_result finish(struct options *options)
{
	const char *wrong;

	if (options->list || options->doctor)
		return OPTIONS_RUN;
	wrong = rules_finish(&options->rules, options->path);
	if (wrong) {
		options_say("%s", wrong);
		return OPTIONS_WRONG;
	}
	options->duration_ns = options->rules.stop_duration_ns;
	if (options->rules.stop_packets &&
	    (!options->packets || options->rules.stop_packets < options->packets))
		options->packets = options->rules.stop_packets;
	return OPTIONS_RUN;
}

/* Letters that tcpdump and dumpcap have, and what there is in their place. */
static void tell_habit(int letter)
{
	static const struct {
		char letter;
		const char *instead;
	} habits[] = {
		{'i', "processes are captured, on all interfaces; choose some with --container, "
		      "--mntns, --netns or --pid"},
		{'f', "the filter is the last argument, as in: tlspcap -w FILE 'port 443'"},
		{'r', "to read a capture use tshark or tcpdump; a recording, tlspcap-replay"},
		{'n', "nothing is printed; -w - | tshark -n -r - prints the packets"},
		{'p', "there are no interfaces; for a process it is --pid"},
	};

	for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
		if (habits[i].letter == letter)
			options_say("-%c: %s", letter, habits[i].instead);
	fputs("tlspcap: see tlspcap --help\n", stderr);
}

enum options_result options_parse(int argc, char **argv, struct options *options)
{
	char letters[2 * OPTIONS_GROUPS * OPTIONS_GROUP_ROWS + 2];
	struct option longs[OPTIONS_GROUPS * OPTIONS_GROUP_ROWS + 1];
	enum options_result result = OPTIONS_RUN;
	int value;

	memset(options, 0, sizeof(*options));
	fill_getopt(letters, longs);
	while (result == OPTIONS_RUN &&
	       (value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct options_row *row = value >= LONG_BASE
							? row_at((size_t)(value - LONG_BASE))
							: row_of_letter(value);

		if (!row) { /* getopt has said what is wrong */
			tell_habit(optopt);
			return OPTIONS_WRONG;
		}
		result = row->set(options, optarg);
	}
	if (result == OPTIONS_RUN)
		result = take_rest(argc, argv, optind, options);
	if (result == OPTIONS_RUN)
		result = check(options);
	if (result == OPTIONS_RUN)
		result = finish(options);
	return result;
}

void options_free(struct options *options)
{
	free(options->filter);
	options->filter = NULL;
}
