/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlspcap/capture.h>
#include <tlspcap/target.h>

#define RING_MIN ((size_t)256 << 10)
#define RING_MAX ((size_t)1 << 30)

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list arguments;

	fputs("tlspcap: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* A whole decimal number from `low` to `high`. */
static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value >= low && *value <= high;
}

static enum options_result list_is_full(const char *option)
{
	say("%s: at most %d of them", option, OPTIONS_LIST_MAX);
	return OPTIONS_WRONG;
}

static enum options_result set_path(struct options *options, const char *value)
{
	options->path = value;
	return OPTIONS_RUN;
}

static enum options_result set_keylog(struct options *options, const char *value)
{
	options->keylog = value;
	return OPTIONS_RUN;
}

static enum options_result set_record(struct options *options, const char *value)
{
	options->record = value;
	return OPTIONS_RUN;
}

static enum options_result add_mntns(struct options *options, const char *value)
{
	uint32_t inode;
	int error;

	if (options->n_mntns == OPTIONS_LIST_MAX)
		return list_is_full("--mntns");
	error = target_parse_mntns(value, &inode);
	if (error == -EINVAL) {
		say("--mntns=%s: neither an inode number nor a path; `lsns -t mnt` shows the "
		    "numbers, /proc/PID/ns/mnt is the path of a process's",
		    value);
		return OPTIONS_WRONG;
	}
	if (error) {
		say("--mntns=%s: %s; `lsns -t mnt` shows the mount namespaces", value,
		    error == -ENOTTY ? "not a mount namespace" : strerror(-error));
		return OPTIONS_FAILED;
	}
	if (target_find_process(inode) < 0) {
		say("--mntns=%s: no process lives in mount namespace %" PRIu32
		    "; `lsns -t mnt` shows those that have one",
		    value, inode);
		return OPTIONS_FAILED;
	}
	options->mntns[options->n_mntns++] = inode;
	return OPTIONS_RUN;
}

static enum options_result add_pid(struct options *options, const char *value)
{
	uint64_t pid;

	if (options->n_pid == OPTIONS_LIST_MAX)
		return list_is_full("--pid");
	if (!parse_number(value, 1, INT_MAX, &pid)) {
		say("--pid=%s: not a process id", value);
		return OPTIONS_WRONG;
	}
	options->pid[options->n_pid++] = (pid_t)pid;
	return OPTIONS_RUN;
}

static enum options_result add_uid(struct options *options, const char *value)
{
	struct passwd *user;
	uint64_t uid;

	if (options->n_uid == OPTIONS_LIST_MAX)
		return list_is_full("--uid");
	if (!parse_number(value, 0, UINT32_MAX - 1, &uid)) {
		user = getpwnam(value);
		if (!user) {
			say("--uid=%s: neither a number nor a user of this machine", value);
			return OPTIONS_WRONG;
		}
		uid = user->pw_uid;
	}
	options->uid[options->n_uid++] = (uid_t)uid;
	return OPTIONS_RUN;
}

static enum options_result add_lib(struct options *options, const char *value)
{
	if (options->n_lib == OPTIONS_LIST_MAX)
		return list_is_full("--lib");
	options->lib[options->n_lib++] = value;
	return OPTIONS_RUN;
}

static enum options_result set_view(struct options *options, const char *value)
{
	int view = view_parse(value);

	if (view < 0) {
		say("--view=%s: not known; one of auto, tls, null-tls, plain", value);
		return OPTIONS_WRONG;
	}
	options->view = (enum view_kind)view;
	return OPTIONS_RUN;
}

static enum options_result set_source(struct options *options, const char *value)
{
	static const char *const names[] = {
		[SOURCE_AUTO] = "auto",
		[SOURCE_RECORDS] = "records",
		[SOURCE_PROBES] = "probes",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], value))
			continue;
		options->source = (enum options_source)i;
		return OPTIONS_RUN;
	}
	say("--source=%s: not known; one of auto, records, probes", value);
	return OPTIONS_WRONG;
}

static enum options_result set_packets(struct options *options, const char *value)
{
	if (parse_number(value, 1, UINT64_MAX, &options->packets))
		return OPTIONS_RUN;
	say("-c %s: not a number of packets", value);
	return OPTIONS_WRONG;
}

static enum options_result set_autostop(struct options *options, const char *value)
{
	static const char prefix[] = "duration:";
	const double limit = 10.0 * 365 * 86400;
	char *end;
	double seconds;

	if (strncmp(value, prefix, sizeof(prefix) - 1)) {
		say("-a %s: not known; -a duration:SECONDS is", value);
		return OPTIONS_WRONG;
	}
	value += sizeof(prefix) - 1;
	seconds = strtod(value, &end);
	if (end == value || *end || !(seconds > 0) || seconds > limit) {
		say("-a duration:%s: not a number of seconds above 0", value);
		return OPTIONS_WRONG;
	}
	options->duration_ns = (uint64_t)(seconds * 1e9);
	return OPTIONS_RUN;
}

/* tcpdump's -B counts KiB; a suffix says otherwise. */
static enum options_result set_ring(struct options *options, const char *value)
{
	static const char suffixes[] = "KMG";
	size_t length = strlen(value), size = RING_MIN, shift = 10;
	const char *suffix = NULL;
	char number[24];
	uint64_t amount;

	if (length && length < sizeof(number)) {
		memcpy(number, value, length + 1);
		suffix = strchr(suffixes, toupper((unsigned char)number[length - 1]));
		if (suffix) {
			shift = 10 * (size_t)(suffix - suffixes + 1);
			number[length - 1] = '\0';
		}
	}
	if (!length || length >= sizeof(number) || !parse_number(number, 1, RING_MAX, &amount) ||
	    amount > (RING_MAX >> shift) || (amount << shift) < RING_MIN) {
		say("-B %s: a size from 256K to 1G (KiB without a suffix)", value);
		return OPTIONS_WRONG;
	}
	/* The kernel takes powers of two only: what was asked for, or the next one. */
	while (size < (amount << shift))
		size <<= 1;
	options->ring_bytes = size;
	return OPTIONS_RUN;
}

static enum options_result set_list(struct options *options, const char *value)
{
	(void)value;
	options->list = true;
	return OPTIONS_RUN;
}

static enum options_result set_unbuffered(struct options *options, const char *value)
{
	(void)value;
	options->unbuffered = true;
	return OPTIONS_RUN;
}

static enum options_result set_quiet(struct options *options, const char *value)
{
	(void)value;
	options->quiet = true;
	return OPTIONS_RUN;
}

static enum options_result add_verbosity(struct options *options, const char *value)
{
	(void)value;
	options->verbosity++;
	return OPTIONS_RUN;
}

static enum options_result show_version(struct options *options, const char *value)
{
	(void)options;
	(void)value;
	printf("tlspcap %s\n%s, libbpf %s\n", TLSPCAP_VERSION, pcap_lib_version(),
	       capture_libbpf_version());
	return OPTIONS_SHOWN;
}

static enum options_result show_help(struct options *options, const char *value);

struct row {
	const char *name;     /* long option; NULL: only short */
	int letter;	      /* 0: only long */
	const char *argument; /* NULL: takes none */
	enum options_result (*set)(struct options *options, const char *value);
	const char *help; /* a line may follow another after \n */
};

static const struct {
	const char *title;
	struct row rows[8];
} groups[] = {
	{"Whom to capture (without one of these: the whole machine; several narrow it down)",
	 {
		 {"mntns", 0, "N|PATH", add_mntns,
		  "processes in this mount namespace: its inode number, or\n"
		  "a path such as /proc/PID/ns/mnt; may be repeated"},
		 {"pid", 0, "PID", add_pid, "this process; may be repeated"},
		 {"uid", 0, "UID|USER", add_uid, "processes of this user; may be repeated"},
		 {"lib", 0, "FILE", add_lib,
		  "this library or program too, where the search does not\n"
		  "find it; may be repeated"},
	 }},
	{"What to write",
	 {
		 {"view", 0, "VIEW", set_view,
		  "auto: what stock Wireshark dissects (default);\n"
		  "tls: the genuine TLS records, with their secrets;\n"
		  "null-tls: plaintext in a TLS session without\n"
		  "encryption; plain: plaintext as TCP payload"},
		 {"source", 0, "SOURCE", set_source,
		  "records: what passed the sockets, decrypted with the\n"
		  "secrets; probes: what the library's calls moved, which\n"
		  "slows them down; auto: records, and probes only where\n"
		  "records cannot be read (default)"},
		 {NULL, 'c', "COUNT", set_packets, "end after COUNT packets"},
		 {"autostop", 'a', "duration:S", set_autostop, "end after S seconds"},
	 }},
	{"Where to",
	 {
		 {"write", 'w', "FILE", set_path,
		  "a new pcapng file, readable by its owner only; - is\n"
		  "standard output, for a pipe (COMMAND's output goes to\n"
		  "standard error then)"},
		 {"keylog", 0, "FILE", set_keylog,
		  "the TLS secrets also as an NSS key log (SSLKEYLOGFILE)"},
		 {"record", 0, "FILE", set_record,
		  "the kernel's events, for tlspcap-replay and bug reports;\n"
		  "it holds secrets and plaintext as the capture does"},
		 {"packet-buffered", 'U', NULL, set_unbuffered, "write each packet out at once"},
	 }},
	{"How",
	 {
		 {"buffer-size", 'B', "SIZE", set_ring,
		  "of the ring buffer between kernel and tlspcap, in KiB or\n"
		  "with K, M, G; default 64M"},
		 {"list", 'D', NULL, set_list,
		  "show the TLS libraries in scope and what can be had of\n"
		  "each, and end; -v: by which method"},
		 {"quiet", 'q', NULL, set_quiet, "only errors and losses on stderr"},
		 {"verbose", 'v', NULL, add_verbosity,
		  "say what is probed and how; -v -v: the kernel's words too"},
		 {"help", 'h', NULL, show_help, "this text"},
		 {"version", 'V', NULL, show_version, "versions of tlspcap and its libraries"},
	 }},
};

#define N_GROUPS    (sizeof(groups) / sizeof(groups[0]))
#define GROUP_ROWS  (sizeof(groups[0].rows) / sizeof(groups[0].rows[0]))
#define HELP_COLUMN 28

static void show_row(const struct row *row)
{
	char left[64];
	const char *line = row->help, *end;
	int n = 0;

	if (row->letter)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "-%c%s", row->letter,
			      row->name ? ", " : "");
	else
		n += snprintf(left + n, sizeof(left) - (size_t)n, "    ");
	if (row->name)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", row->name);
	if (row->argument)
		snprintf(left + n, sizeof(left) - (size_t)n, "%s%s", row->name ? "=" : " ",
			 row->argument);
	printf("  %-*s", HELP_COLUMN - 2, left);
	if (strlen(left) > HELP_COLUMN - 3)
		printf("\n%*s", HELP_COLUMN, "");
	while ((end = strchr(line, '\n'))) {
		printf("%.*s\n%*s", (int)(end - line), line, HELP_COLUMN, "");
		line = end + 1;
	}
	puts(line);
}

static enum options_result show_help(struct options *options, const char *value)
{
	(void)options;
	(void)value;
	puts("tlspcap captures TLS conversations, decrypted, into a file that Wireshark opens.\n"
	     "\n"
	     "usage: tlspcap [OPTION...] -w FILE [FILTER]\n"
	     "       tlspcap [OPTION...] -w FILE [FILTER] -- COMMAND [ARGUMENT...]\n"
	     "       tlspcap [OPTION...] --list\n"
	     "\n"
	     "  tlspcap -w out.pcapng --mntns=4026532573      a container (lsns -t mnt)\n"
	     "  tlspcap -w out.pcapng --mntns=/proc/PID/ns/mnt\n"
	     "  tlspcap -w out.pcapng -- curl https://...     one command and its children\n"
	     "  tlspcap -w - 'port 443' | tshark -r -         as it happens\n"
	     "\n"
	     "FILTER is a pcap-filter(7) expression on the frames to be written.\n"
	     "Ctrl-C, SIGTERM, -a, -c or COMMAND's end ends the capture; SIGUSR1 prints totals.");
	for (size_t i = 0; i < N_GROUPS; i++) {
		printf("\n%s:\n", groups[i].title);
		for (size_t j = 0; j < GROUP_ROWS && groups[i].rows[j].set; j++)
			show_row(&groups[i].rows[j]);
	}
	puts("\nExit status: 0 done, 1 failed, 2 wrong usage; with COMMAND its own.\n"
	     "A capture holds secrets: whoever can read the file can read the conversations.");
	return OPTIONS_SHOWN;
}

static const struct row *row_at(size_t index)
{
	const struct row *row = &groups[index / GROUP_ROWS].rows[index % GROUP_ROWS];

	return row->set ? row : NULL;
}

static const struct row *row_of_letter(int letter)
{
	for (size_t i = 0; i < N_GROUPS * GROUP_ROWS; i++) {
		const struct row *row = row_at(i);

		if (row && row->letter == letter)
			return row;
	}
	return NULL;
}

#define LONG_BASE 256 /* getopt's value of a long option: LONG_BASE + index */

static void fill_getopt(char *letters, struct option *longs)
{
	*letters++ = '+'; /* the filter ends the options, as in tcpdump */
	for (size_t i = 0; i < N_GROUPS * GROUP_ROWS; i++) {
		const struct row *row = row_at(i);

		if (!row)
			continue;
		if (row->letter) {
			*letters++ = (char)row->letter;
			if (row->argument)
				*letters++ = ':';
		}
		if (row->name)
			*longs++ = (struct option){
				.name = row->name,
				.has_arg = row->argument ? required_argument : no_argument,
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
			say("out of memory");
			return OPTIONS_FAILED;
		}
	}
	if (options->command && !options->command[0]) {
		say("-- wants a command after it");
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

static enum options_result check(const struct options *options)
{
	if (options->list)
		return OPTIONS_RUN;
	if (!options->path) {
		say("-w FILE is missing: where shall the capture go? (tlspcap --help)");
		return OPTIONS_WRONG;
	}
	if (options->source == SOURCE_PROBES && options->view == VIEW_TLS) {
		say("--view=tls wants the sockets' records, --source=probes does without them; "
		    "leave out one of the two");
		return OPTIONS_WRONG;
	}
	if (options->command && options->n_pid) {
		say("--pid and -- COMMAND exclude each other");
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

enum options_result options_parse(int argc, char **argv, struct options *options)
{
	char letters[2 * N_GROUPS * GROUP_ROWS + 2];
	struct option longs[N_GROUPS * GROUP_ROWS + 1];
	enum options_result result = OPTIONS_RUN;
	int value;

	memset(options, 0, sizeof(*options));
	fill_getopt(letters, longs);
	while (result == OPTIONS_RUN &&
	       (value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct row *row = value >= LONG_BASE ? row_at((size_t)(value - LONG_BASE))
							   : row_of_letter(value);

		if (!row) { /* getopt has said what is wrong */
			fputs("tlspcap: see tlspcap --help\n", stderr);
			return OPTIONS_WRONG;
		}
		result = row->set(options, optarg);
	}
	if (result == OPTIONS_RUN)
		result = take_rest(argc, argv, optind, options);
	if (result == OPTIONS_RUN)
		result = check(options);
	return result;
}

void options_free(struct options *options)
{
	free(options->filter);
	options->filter = NULL;
}
