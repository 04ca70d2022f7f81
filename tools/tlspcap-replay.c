/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * tlspcap-replay: turns a recording (tlspcap --record) into the capture that tlspcap itself
 * would have written of the same events.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <report.h>
#include <rules.h>
#include <tlspcap/conversation.h>
#include <tlspcap/record.h>
#include <tlspcap/writer.h>

enum status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
};

struct arguments {
	struct writer_options writer;
	struct rules rules;
	const char *recording;
	char *filter; /* owned */
	bool quiet;
};

struct replay {
	struct conversations *conversations;
	struct writer *writer;
};

static const char usage[] =
	"Usage: tlspcap-replay [OPTION...] -w FILE RECORDING [FILTER]\n"
	"Writes the capture that tlspcap would have written of the events in RECORDING\n"
	"(made with tlspcap --record=RECORDING; '-' is standard input).\n"
	"\n"
	"  -w FILE          write the pcapng file FILE; '-' is standard output\n"
	"  -c N             stop after N packets\n"
	"  -C SIZE          begin another file after SIZE million bytes, as tlspcap does\n"
	"  -G SECONDS       ... after SECONDS, by the times of the events\n"
	"  -W COUNT         keep so many files (-C), or end after them (-G)\n"
	"  -b KEY:VALUE     begin another file, or keep so many, as dumpcap does\n"
	"  -a KEY:VALUE     end, as dumpcap does; duration: has no meaning here\n"
	"  -q               print losses only, not the totals\n"
	"      --view=VIEW  what the frames hold: auto, tls, null-tls or plain [auto]\n"
	"      --split=mntns|netns  files of its own for each namespace\n"
	"      --max-disk=SIZE  all files together\n"
	"      --no-secrets  no TLS secrets in the capture\n"
	"      --keylog=FILE  also write the secrets as an NSS key log\n"
	"      --help       print this and exit\n"
	"      --version    print the version and exit\n"
	"FILTER is one of pcap-filter(7); only packets that it accepts are written.\n";

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list list;

	fputs("tlspcap-replay: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

static bool parse_count(const char *text, uint64_t *count)
{
	char *end;

	errno = 0;
	*count = strtoull(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && !errno && *count;
}

/* The words of the filter, with blanks between them, as tcpdump takes it. */
static char *join(char *const *words, int n)
{
	size_t size = 1;
	char *text, *at;

	for (int i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	text = at = malloc(size);
	if (!text)
		return NULL;
	*at = '\0';
	for (int i = 0; i < n; i++) {
		if (i)
			*at++ = ' ';
		at = stpcpy(at, words[i]);
	}
	return text;
}

static int usage_error(void)
{
	fputs(usage, stderr);
	return STATUS_USAGE;
}

static const struct {
	int option;
	const char *name;
	const char *(*set)(struct rules *rules, const char *value);
} rule_options[] = {
	{'C', "-C", rules_size},
	{'G', "-G", rules_seconds},
	{'W', "-W", rules_count},
	{'b', "-b", rules_follow},
	{'a', "-a", rules_stop},
	{'S', "--split", rules_split},
	{'M', "--max-disk", rules_max_disk},
};

static int parse_rule(int option, struct arguments *arguments)
{
	const char *wrong;

	for (size_t i = 0; i < sizeof(rule_options) / sizeof(rule_options[0]); i++) {
		if (rule_options[i].option != option)
			continue;
		wrong = rule_options[i].set(&arguments->rules, optarg);
		if (!wrong)
			return -1;
		say("%s %s: %s", rule_options[i].name, optarg, wrong);
		return STATUS_USAGE;
	}
	return usage_error();
}

/* -1: go on; otherwise the status to exit with. */
static int parse_option(int option, struct arguments *arguments)
{
	int view;

	switch (option) {
	case 'w':
		arguments->writer.path = optarg;
		return -1;
	case 'k':
		arguments->writer.keylog = optarg;
		return -1;
	case 'q':
		arguments->quiet = true;
		return -1;
	case 'c':
		if (parse_count(optarg, &arguments->writer.packets))
			return -1;
		say("-c %s is not a number of packets; give a whole number from 1 on", optarg);
		return STATUS_USAGE;
	case 'v':
		view = view_parse(optarg);
		if (view >= 0) {
			arguments->writer.view = (enum view_kind)view;
			return -1;
		}
		say("--view=%s is not a view; use auto, null-tls or plain", optarg);
		return STATUS_USAGE;
	case 'V':
		puts("tlspcap-replay " TLSPCAP_VERSION);
		return STATUS_DONE;
	case 'h':
		fputs(usage, stdout);
		return STATUS_DONE;
	case 'N':
		arguments->writer.no_secrets = true;
		return -1;
	default:
		return parse_rule(option, arguments);
	}
}

static void print_name(void *ctx, const char *path)
{
	(void)ctx;
	puts(path);
}

/* What several options say together; as parse_option(). */
static int finish_rules(struct arguments *arguments)
{
	const char *wrong = rules_finish(&arguments->rules, arguments->writer.path);

	if (wrong) {
		say("%s", wrong);
		return STATUS_USAGE;
	}
	arguments->writer.rules = arguments->rules.files;
	if (arguments->rules.stop_packets && !arguments->writer.packets)
		arguments->writer.packets = arguments->rules.stop_packets;
	if (arguments->rules.printname)
		arguments->writer.closed = print_name;
	return -1;
}

static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{"view", required_argument, NULL, 'v'},	 {"keylog", required_argument, NULL, 'k'},
		{"split", required_argument, NULL, 'S'}, {"max-disk", required_argument, NULL, 'M'},
		{"no-secrets", no_argument, NULL, 'N'},	 {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	 {NULL, 0, NULL, 0},
	};
	int option, status;

	while ((option = getopt_long(argc, argv, "w:c:qC:G:W:b:a:", options, NULL)) != -1) {
		status = parse_option(option, arguments);
		if (status >= 0)
			return status;
	}
	if (!arguments->writer.path || optind >= argc)
		return usage_error();
	status = finish_rules(arguments);
	if (status >= 0)
		return status;
	arguments->recording = argv[optind++];
	if (optind == argc)
		return -1;
	arguments->filter = join(argv + optind, argc - optind);
	arguments->writer.filter = arguments->filter;
	if (arguments->filter)
		return -1;
	say("no memory");
	return STATUS_FAILED;
}

static void take(void *ctx, const struct tlspcap_event *event)
{
	struct replay *replay = ctx;

	conversations_feed(replay->conversations, event);
}

static int open_recording(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		say("cannot read %s: %s", path, strerror(errno));
	return fd;
}

/* Frees *why. */
static void say_why(int error, char *why)
{
	say("%s", why ? why : strerror(-error));
	free(why);
}

/* 0, or negative errno after a word to the user. What there is, is written in any case. */
static int feed(struct replay *replay, int fd)
{
	char *why = NULL;
	int error = record_read(fd, take, replay, &why);

	conversations_finish(replay->conversations);
	if (error)
		say_why(error, why);
	return error;
}

static int replay_to_end(struct replay *replay, const struct arguments *arguments, int fd)
{
	struct writer_counts written;
	int error = feed(replay, fd);
	int flushed = writer_flush(replay->writer);
	char *why = NULL;
	int closed;

	written = *writer_counts(replay->writer);
	closed = writer_close(replay->writer, &why);
	if (!closed)
		closed = flushed;
	if (closed)
		say("writing failed: %s", why ? why : strerror(-closed));
	free(why);
	report_totals(arguments->writer.path, &written, conversations_counts(replay->conversations),
		      arguments->quiet);
	return error || closed ? STATUS_FAILED : STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
	struct replay replay = {0};
	char *why = NULL;
	int status = STATUS_FAILED;
	int fd = open_recording(arguments->recording);
	int error;

	if (fd < 0)
		return STATUS_FAILED;
	error = writer_open(&arguments->writer, &replay.writer, &why);
	if (error) {
		say_why(error, why);
		goto out;
	}
	replay.conversations = conversations_new(NULL, writer_sink(replay.writer));
	if (!replay.conversations) {
		say("no memory");
		writer_close(replay.writer, NULL);
		goto out;
	}
	status = replay_to_end(&replay, arguments, fd);
	conversations_free(replay.conversations);
out:
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {
		.writer.application = "tlspcap-replay " TLSPCAP_VERSION,
	};
	int status = parse_arguments(argc, argv, &arguments);

	if (status < 0) {
		arguments.writer.guard = output_guard_start();
		status = run(&arguments);
		output_guard_end(arguments.writer.guard);
	}
	free(arguments.filter);
	return status;
}
