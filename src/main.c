/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * tlspcap: options, then probes, then the file, then the events until the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <tlspcap/capture.h>
#include <tlspcap/conversation.h>
#include <tlspcap/record.h>
#include <tlspcap/target.h>
#include <tlspcap/writer.h>
#include "command.h"
#include "discover.h"
#include "libraries.h"
#include "older.h"
#include "options.h"
#include "privileges.h"
#include "report.h"

#define EXIT_WRONG_USAGE 2
#define TICK_NS		 (250ull * 1000 * 1000)
#define TICK_MS		 250
#define CHECK_NS	 (1000ull * 1000 * 1000)
#define NAMESPACES_MAX	 4096

/* Set by signals; the only state outside of struct run. */
static volatile sig_atomic_t stop_signals, term_signals, report_signals;

struct run {
	struct options options;
	struct command command;
	struct capture *capture;
	struct conversations *conversations;
	struct writer *writer;
	struct recorder *recorder;
	struct libraries libraries;
	struct older *older;
	struct discover *discover; /* NULL: files that are mapped later are not looked at */
	struct target_scope scope;
	uint32_t own_mntns;
	pid_t bypassing;	/* a process whose bytes pass the socket hooks by; 0: none */
	uint64_t next_check_ns; /* of connections older than the capture */
	uint32_t *namespaces;	/* that were described already */
	size_t n_namespaces;
	uint64_t next_tick_ns, end_ns;
	int record_error;
	char hardware[128], os[256];
};

static void on_signal(int signal)
{
	if (signal == SIGUSR1) {
		report_signals++;
	} else {
		stop_signals++;
		term_signals += signal == SIGTERM;
	}
}

static void on_child(int signal)
{
	(void)signal; /* ends the wait; command_ended() looks */
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_handler = on_child;
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL); /* a reader that left is a write error */
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Every event goes this way, the kernel's and ours: a recording holds all of them. */
static void take_event(struct run *run, const struct tlspcap_event *event)
{
	if (run->recorder && !run->record_error)
		run->record_error = record_write(run->recorder, event);
	conversations_feed(run->conversations, event);
}

static void fill_event(struct tlspcap_event *event, size_t size, uint16_t type)
{
	memset(event, 0, size);
	event->size = (uint32_t)size;
	event->type = type;
	event->time_ns = clock_ns(CLOCK_MONOTONIC);
}

static void tick(struct run *run)
{
	struct tlspcap_clock clock;

	fill_event(&clock.event, sizeof(clock), TLSPCAP_EVENT_CLOCK);
	clock.realtime_ns = clock_ns(CLOCK_REALTIME);
	run->next_tick_ns = clock.event.time_ns + TICK_NS;
	take_event(run, &clock.event);
}

static void take_losses(struct run *run)
{
	struct tlspcap_loss_counters loss;

	fill_event(&loss.event, sizeof(loss), TLSPCAP_EVENT_LOSS);
	if (!capture_loss(run->capture, loss.count))
		take_event(run, &loss.event);
}

/* The first time that a namespace is seen, its name is told to the stages behind. */
static void name_namespace(struct run *run, uint32_t mntns)
{
	struct tlspcap_namespace event;

	for (size_t i = 0; i < run->n_namespaces; i++)
		if (run->namespaces[i] == mntns)
			return;
	if (run->n_namespaces == NAMESPACES_MAX)
		return; /* later ones go without a name */
	run->namespaces[run->n_namespaces++] = mntns;
	fill_event(&event.event, sizeof(event), TLSPCAP_EVENT_NAMESPACE);
	event.event.mntns = mntns;
	target_describe_mntns(mntns, event.name, sizeof(event.name), event.description,
			      sizeof(event.description));
	take_event(run, &event.event);
}

static void on_event(void *ctx, const struct tlspcap_event *event)
{
	struct run *run = ctx;

	const struct tlspcap_gap *gap = (const void *)event;

	if (event->type == TLSPCAP_EVENT_OPEN)
		name_namespace(run, event->mntns);
	take_event(run, event);
	if (event->type == TLSPCAP_EVENT_STREAM_GAP && gap->reason == TLSPCAP_LOSS_BYPASS)
		run->bypassing = (pid_t)event->pid;
}

static void describe_machine(struct run *run)
{
	char line[256];
	struct utsname name;
	FILE *cpu = fopen("/proc/cpuinfo", "re");

	while (cpu && fgets(line, sizeof(line), cpu)) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !value)
			continue;
		snprintf(run->hardware, sizeof(run->hardware), "%s", value + 2);
		run->hardware[strcspn(run->hardware, "\n")] = '\0';
		break;
	}
	if (cpu)
		fclose(cpu);
	if (!uname(&name))
		snprintf(run->os, sizeof(run->os), "%s %s %s", name.sysname, name.release,
			 name.machine);
}

static int complain(int error, char *why)
{
	fprintf(stderr, "tlspcap: %s\n", why ? why : strerror(-error));
	free(why);
	return error;
}

static int prepare_command(struct run *run)
{
	int error;

	if (!run->options.command)
		return 0;
	error = command_prepare(&run->command, run->options.command,
				strcmp(run->options.path, "-") != 0);
	if (error)
		fprintf(stderr, "tlspcap: cannot start a process: %s\n", strerror(-error));
	return error;
}

static int open_capture(struct run *run)
{
	const struct options *options = &run->options;
	struct capture_options capture = {
		.scope = {.mntns = options->mntns,
			  .n_mntns = options->n_mntns,
			  .pid = options->pid,
			  .n_pid = options->n_pid,
			  .uid = options->uid,
			  .n_uid = options->n_uid},
		.follow = options->command != NULL,
		.streams = options->source != SOURCE_PROBES,
		.ring_bytes = options->ring_bytes,
		.verbosity = options->verbosity,
	};
	char *why;
	int error = capture_open(&capture, &run->capture, &why);

	if (error)
		return complain(error, why);
	if (run->command.pid)
		error = capture_add_pid(run->capture, run->command.pid);
	if (error)
		return complain(error, NULL);
	error = capture_attach_system(run->capture, &why);
	if (error)
		return complain(error, why);
	return 0;
}

static void tell_scope(const struct options *options, char *text, size_t size)
{
	int n = 0;

	if (!options->n_mntns)
		snprintf(text, size, options->command ? "the command" : "the whole machine");
	for (size_t i = 0; i < options->n_mntns && n >= 0 && (size_t)n < size; i++)
		n += snprintf(text + n, size - (size_t)n, "%s%" PRIu32,
			      i ? ", " : "mount namespace ", options->mntns[i]);
}

/* Without it the capture is what was there at its start: worth a word, not an end. */
static void open_discover(struct run *run)
{
	int error = discover_open(&run->discover);

	if (error)
		fprintf(stderr,
			"tlspcap: libraries that appear from now on will not be noticed: %s\n",
			strerror(-error));
}

static void start_discover(struct run *run)
{
	int error = 0;

	if (run->discover)
		error = discover_start(run->discover, run->capture, &run->options, &run->scope,
				       &run->libraries);
	if (!error)
		return;
	fprintf(stderr, "tlspcap: libraries that appear from now on will not be noticed: %s\n",
		strerror(-error));
	discover_free(run->discover);
	run->discover = NULL;
}

static int attach_probes(struct run *run)
{
	int error = libraries_attach(run->capture, &run->options, &run->libraries);

	if (!error)
		error = older_attach(run->capture, &run->options, &run->scope, &run->libraries,
				     &run->older);
	if (error)
		fprintf(stderr, "tlspcap: the probes cannot be attached: %s\n", strerror(-error));
	return error;
}

static int open_probes(struct run *run)
{
	const struct options *options = &run->options;
	struct libraries *libraries = &run->libraries;
	char text[512];
	int error;

	run->scope = (struct target_scope){.mntns = options->mntns,
					   .n_mntns = options->n_mntns,
					   .pid = options->pid,
					   .n_pid = options->n_pid,
					   .uid = options->uid,
					   .n_uid = options->n_uid};
	/* COMMAND starts in our own namespace; its libraries are there. */
	if (options->command && !options->n_mntns && !target_mntns_of(getpid(), &run->own_mntns)) {
		run->scope.mntns = &run->own_mntns;
		run->scope.n_mntns = 1;
	}
	if (!options->list)
		open_discover(run);
	error = libraries_find(run->capture, options, &run->scope, libraries);
	if (error || options->list)
		return error;
	if (libraries->n_found || (run->discover && !options->n_mntns && !options->n_pid))
		return attach_probes(run);
	tell_scope(options, text, sizeof(text));
	fprintf(stderr,
		"tlspcap: no TLS library in %s (%zu processes, %zu namespaces, %zu files looked "
		"at, %zu not readable); name one with --lib=FILE\n",
		text, libraries->scan.processes, libraries->scan.namespaces, libraries->scan.files,
		libraries->scan.unreadable);
	return -ENOENT;
}

static int open_files(struct run *run)
{
	struct writer_options writer = {
		.path = run->options.path,
		.keylog = run->options.keylog,
		.view = run->options.view,
		.filter = run->options.filter,
		.packets = run->options.packets,
		.application = "tlspcap " TLSPCAP_VERSION,
		.hardware = run->hardware[0] ? run->hardware : NULL,
		.os = run->os[0] ? run->os : NULL,
	};
	char *why = NULL;
	int error;

	if (run->options.record) {
		error = record_open(run->options.record, &run->recorder, &why);
		if (error)
			return complain(error, why);
	}
	error = writer_open(&writer, &run->writer, &why);
	if (error) {
		if (run->recorder)
			unlink(run->options.record); /* no half set of files */
		return complain(error, why);
	}
	run->conversations = conversations_new(NULL, writer_sink(run->writer));
	run->namespaces = calloc(NAMESPACES_MAX, sizeof(*run->namespaces));
	if (run->conversations && run->namespaces)
		return 0;
	fputs("tlspcap: out of memory\n", stderr);
	return -ENOMEM;
}

/* systemd's readiness protocol, sd_notify(3): one datagram to a socket that it names. */
static void tell_systemd(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path ? strlen(path) : 0;
	int fd;

	if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}

static int drop_privileges(void)
{
	int error = privileges_drop();

	if (error)
		fprintf(stderr, "tlspcap: privileges cannot be given up: %s\n", strerror(-error));
	return error;
}

static int open_all(struct run *run)
{
	char text[512];
	int error;

	error = prepare_command(run);
	if (!error)
		error = open_capture(run);
	if (!error)
		error = open_probes(run);
	if (!error)
		error = open_files(run);
	if (!error)
		error = drop_privileges();
	if (error)
		return error;
	start_discover(run);
	tell_scope(&run->options, text, sizeof(text));
	if (!run->options.quiet)
		fprintf(stderr, "tlspcap: capturing %s, %zu TLS librar%s, to %s\n", text,
			run->libraries.files, run->libraries.files == 1 ? "y" : "ies",
			run->options.path);
	tell_systemd();
	tick(run);
	if (run->options.duration_ns)
		run->end_ns = clock_ns(CLOCK_MONOTONIC) + run->options.duration_ns;
	return run->command.pid ? command_run(&run->command) : 0;
}

static bool is_over(struct run *run)
{
	/* With a command, its end is the end: Ctrl-C reached it as well. A second one insists. */
	if (stop_signals && (!run->command.pid || stop_signals > 1))
		return true;
	if (term_signals && run->command.pid && !run->command.ended) {
		kill(run->command.pid, SIGTERM);
		term_signals = 0;
	}
	if (run->command.pid && command_ended(&run->command))
		return true;
	if (run->end_ns && clock_ns(CLOCK_MONOTONIC) >= run->end_ns)
		return true;
	return writer_done(run->writer) || run->record_error;
}

static int wait_ms(const struct run *run)
{
	uint64_t now, left;

	if (!run->end_ns)
		return TICK_MS;
	now = clock_ns(CLOCK_MONOTONIC);
	left = now < run->end_ns ? (run->end_ns - now) / 1000000 + 1 : 0;
	return left < TICK_MS ? (int)left : TICK_MS;
}

static void flush(struct run *run)
{
	writer_flush(run->writer);
	if (run->recorder && !run->record_error)
		run->record_error = record_flush(run->recorder);
}

static void report(struct run *run)
{
	if (run->discover) {
		struct discover_counts counts = discover_counts(run->discover);

		report_discovery(counts.attached, counts.gone, counts.lost, run->options.quiet);
	}
	report_totals(run->options.path, writer_counts(run->writer),
		      conversations_counts(run->conversations), run->options.quiet);
}

static void check_older(struct run *run)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (run->bypassing) {
		older_add(run->older, run->bypassing);
		run->bypassing = 0;
	}
	if (now < run->next_check_ns)
		return;
	run->next_check_ns = now + CHECK_NS;
	older_check(run->older);
}

static int capture_until_end(struct run *run)
{
	bool prompt = run->options.unbuffered || writer_is_pipe(run->writer);

	while (!is_over(run)) {
		int n = capture_poll(run->capture, wait_ms(run), on_event, run);

		if (n < 0 && n != -EINTR) {
			fprintf(stderr, "tlspcap: reading events failed: %s\n", strerror(-n));
			return n;
		}
		if (clock_ns(CLOCK_MONOTONIC) >= run->next_tick_ns) {
			tick(run);
			flush(run);
		} else if (n > 0 && prompt) {
			flush(run);
		}
		check_older(run);
		if (report_signals) {
			report_signals = 0;
			take_losses(run);
			report(run);
		}
	}
	return 0;
}

/* What the ring still holds belongs to the capture: probes off first, then the rest. */
static void drain(struct run *run)
{
	discover_stop(run->discover);
	capture_stop(run->capture);
	while (capture_poll(run->capture, 0, on_event, run) > 0)
		;
	take_losses(run);
	tick(run);
	conversations_finish(run->conversations);
}

static int close_all(struct run *run)
{
	int error = 0, closed;
	bool started = run->writer != NULL;

	if (started) {
		error = writer_close(run->writer);
		if (error)
			fprintf(stderr, "tlspcap: %s: %s\n", run->options.path, strerror(-error));
	}
	if (run->recorder) {
		closed = record_close(run->recorder);
		if (!run->record_error)
			run->record_error = closed;
		if (run->record_error) {
			fprintf(stderr, "tlspcap: %s: %s\n", run->options.record,
				strerror(-run->record_error));
			error = run->record_error;
		}
	}
	conversations_free(run->conversations);
	discover_free(run->discover);
	older_free(run->older);
	libraries_free(&run->libraries);
	capture_close(run->capture);
	free(run->namespaces);
	command_release(&run->command);
	options_free(&run->options);
	return error;
}

/* --list: what would be captured. */
static int show_list(struct run *run)
{
	int error = open_capture(run);

	if (!error)
		error = open_probes(run);
	if (!error)
		libraries_print(&run->options, &run->libraries);
	close_all(run);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct run run = {.command = {.go = -1}};
	enum options_result parsed;
	int error, closed, status;

	libraries_init(&run.libraries);
	parsed = options_parse(argc, argv, &run.options);
	if (parsed != OPTIONS_RUN) {
		options_free(&run.options);
		return parsed == OPTIONS_SHOWN	  ? EXIT_SUCCESS
		       : parsed == OPTIONS_FAILED ? EXIT_FAILURE
						  : EXIT_WRONG_USAGE;
	}
	if (run.options.list)
		return show_list(&run);
	catch_signals();
	describe_machine(&run);
	error = open_all(&run);
	if (!error) {
		error = capture_until_end(&run);
		drain(&run);
		report(&run);
	}
	status = run.command.status;
	closed = close_all(&run);
	if (error || closed)
		return EXIT_FAILURE;
	return status;
}
