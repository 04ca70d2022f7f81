/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* From the options to a capture that runs. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "privileges.h"

void run_describe_machine(struct run *run)
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
	const struct command_options command = {
		.argv = run->options.command,
		.keep_stdout = strcmp(run->options.path, "-") != 0,
		.as_user = run->options.user != NULL,
		.user = run->options.user_id,
		.group = run->options.user_group,
	};
	int error;

	if (!command.argv)
		return 0;
	error = command_prepare(&run->command, &command);
	if (error)
		fprintf(stderr, "tlspcap: cannot start a process: %s\n", strerror(-error));
	return error;
}

/* All --cgroup must be of one hierarchy: the kernel side looks at one. */
static int parse_cgroups(struct run *run)
{
	const struct options *options = &run->options;

	run->cgroups = calloc(options->n_cgroup + 1, sizeof(*run->cgroups));
	if (!run->cgroups)
		return complain(-ENOMEM, NULL);
	for (size_t i = 0; i < options->n_cgroup; i++) {
		int error = target_cgroup_parse(options->cgroup[i], &run->cgroups[i]);

		if (!error && strcmp(run->cgroups[i].controller, run->cgroups[0].controller))
			error = -EXDEV;
		if (!error)
			continue;
		fprintf(stderr, "tlspcap: --cgroup=%s: %s\n", options->cgroup[i],
			error == -EOPNOTSUPP ? "no control groups are mounted here"
			: error == -EXDEV    ? "in another hierarchy than the first one"
					     : "not a path of a control group");
		return error;
	}
	return 0;
}

static void set_scope(struct run *run)
{
	const struct options *options = &run->options;

	run->scope = (struct target_scope){
		.mntns = options->mntns,
		.n_mntns = options->n_mntns,
		.pid = options->pid,
		.n_pid = options->n_pid,
		.uid = options->uid,
		.n_uid = options->n_uid,
		.netns = options->netns,
		.n_netns = options->n_netns,
		.comm = options->comm,
		.n_comm = options->n_comm,
		.cgroup = run->cgroups,
		.n_cgroup = options->n_cgroup,
	};
	if (!namespaces_are_chosen(options))
		return;
	/* Only those that prove to be the containers' come in. */
	run->scope.n_mntns = 0;
	run->scope.only_listed = true;
}

/* For tests and for the curious: another tier than the best one. */
static int wanted_tier(enum capture_mapped_tier *tier)
{
	const char *name = getenv("TLSPCAP_DISCOVERY");
	int found = name ? capture_mapped_tier_of(name) : CAPTURE_MAPPED_AUTO;

	if (found < 0) {
		fprintf(stderr,
			"tlspcap: TLSPCAP_DISCOVERY=%s: one of auto, fentry, syscall, perf\n",
			name);
		return found;
	}
	*tier = (enum capture_mapped_tier)found;
	return 0;
}

static void tell_hooks(const struct capture *capture)
{
	struct capture_facts facts = capture_get_facts(capture);

	for (int i = 0; i < CAPTURE_TIERS; i++)
		if (facts.refused[i])
			fprintf(stderr,
				"tlspcap: hooks: not %s: the kernel refused its programs (%s)\n",
				capture_tier_name((enum capture_tier)i),
				strerror(-facts.refused[i]));
	fprintf(stderr, "tlspcap: hooks: %s (%s), %s\n", capture_tier_name(capture_tier(capture)),
		capture_tier_describe(capture_tier(capture)),
		facts.multi ? "uprobe_multi" : "perf uprobes");
}

/* For tests: a table of sockets that is soon full. */
static int wanted_sockets(uint32_t *sockets)
{
	const char *text = getenv("TLSPCAP_SOCKETS");
	char *end = NULL;
	unsigned long n;

	if (!text)
		return 0;
	n = strtoul(text, &end, 10);
	if (*end || n < 1 || n > 1 << 20) {
		fprintf(stderr, "tlspcap: TLSPCAP_SOCKETS=%s: a number from 1 to %d\n", text,
			1 << 20);
		return -EINVAL;
	}
	*sockets = (uint32_t)n;
	return 0;
}

int run_open_capture(struct run *run)
{
	const struct options *options = &run->options;
	struct capture_options capture = {
		.follow = options->command != NULL,
		.scope_grows = namespaces_are_chosen(options),
		.discover = !options->list,
		.hold = options->hold,
		.streams = options->source != SOURCE_PROBES,
		.tier = options->tier,
		.spoiled = getenv("TLSPCAP_SPOILED"),
		.one_by_one = options->one_by_one,
		.ring_bytes = options->ring_bytes,
		.verbosity = options->verbosity,
	};
	char *why;
	int error = parse_cgroups(run);

	if (!error)
		error = wanted_tier(&capture.mapped_tier);
	if (!error)
		error = wanted_sockets(&capture.sockets);
	if (error)
		return error;
	set_scope(run);
	capture.scope = run->scope;
	error = capture_open(&capture, &run->capture, &why);
	if (error)
		return complain(error, why);
	if (run->command.pid)
		error = capture_add_pid(run->capture, run->command.pid);
	if (error)
		return complain(error, NULL);
	error = capture_attach_system(run->capture, &why);
	if (error)
		return complain(error, why);
	if (options->verbosity)
		tell_hooks(run->capture);
	return 0;
}

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
							 const char *format, ...)
{
	size_t length = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + length, size - length, format, arguments);
	va_end(arguments);
}

static void tell_texts(char *text, size_t size, const char *what, const char *const *values,
		       size_t n)
{
	for (size_t i = 0; i < n; i++)
		append(text, size, "%s%s", i ? ", " : what, values[i]);
	if (n)
		append(text, size, "; ");
}

static void tell_numbers(char *text, size_t size, const char *what, const uint32_t *values,
			 size_t n)
{
	for (size_t i = 0; i < n; i++)
		append(text, size, "%s%" PRIu32, i ? ", " : what, values[i]);
	if (n)
		append(text, size, "; ");
}

static void tell_scope(const struct options *options, char *text, size_t size)
{
	text[0] = '\0';
	tell_texts(text, size, "container ", options->container, options->n_container);
	tell_texts(text, size, "pod ", options->pod, options->n_pod);
	tell_texts(text, size, "pod namespace ", options->pod_namespace, options->n_pod_namespace);
	tell_numbers(text, size, "mount namespace ", options->mntns, options->n_mntns);
	tell_texts(text, size, "control group ", options->cgroup, options->n_cgroup);
	tell_numbers(text, size, "network namespace ", options->netns, options->n_netns);
	tell_texts(text, size, "processes named ", options->comm, options->n_comm);
	tell_numbers(text, size, "processes of user ", options->uid, options->n_uid);
	tell_numbers(text, size, "process ", (const uint32_t *)options->pid, options->n_pid);
	if (text[0])
		text[strlen(text) - 2] = '\0';
	else
		snprintf(text, size, "%s", options->command ? "the command" : "the whole machine");
}

/* Of the processes that were named: which may not be read, and why. */
static void tell_unreadable(const struct options *options)
{
	char path[64];

	for (size_t i = 0; i < options->n_pid; i++) {
		FILE *maps;

		snprintf(path, sizeof(path), "/proc/%d/maps", (int)options->pid[i]);
		maps = fopen(path, "re");
		if (maps)
			fclose(maps);
		else
			fprintf(stderr, "tlspcap: process %d cannot be read: %s\n",
				(int)options->pid[i], strerror(errno));
	}
}

/* Without it the capture is what was there at its start: worth a word, not an end. */
static void open_discover(struct run *run)
{
	int error = discover_open(run->capture, &run->discover);

	if (error)
		fprintf(stderr,
			"tlspcap: libraries that appear from now on will not be noticed: %s\n",
			strerror(-error));
}

static void start_discover(struct run *run)
{
	int error = 0;

	if (run->discover)
		error = discover_start(run->discover, &run->options, &run->scope, &run->libraries,
				       run->met, run->hold);
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

static void add_wanted(void *ctx, const struct namespace_info *info, pid_t pid)
{
	struct run *run = ctx;
	uint32_t *grown = reallocarray(run->wanted, run->n_wanted + 1, sizeof(*grown));

	(void)pid;
	if (!grown)
		return; /* its files are found when they are mapped */
	run->wanted = grown;
	run->wanted[run->n_wanted++] = info->mntns;
	capture_scope_add_mntns(run->capture, info->mntns, info->id);
}

/* Who is there, and which of them --container and its kind mean. */
static int open_namespaces(struct run *run)
{
	run->met = namespaces_new(&run->options);
	if (!run->met)
		return complain(-ENOMEM, NULL);
	namespaces_note_all(run->met, run->capture, add_wanted, run);
	if (namespaces_are_chosen(&run->options)) {
		run->scope.mntns = run->wanted;
		run->scope.n_mntns = run->n_wanted;
	}
	return 0;
}

/* Nothing was found, and nothing that could come would be captured. */
static bool is_in_vain(const struct run *run)
{
	const struct options *options = &run->options;

	if (run->libraries.n_found)
		return false;
	return !run->discover ||
	       (!namespaces_are_chosen(options) && (options->n_mntns || options->n_pid));
}

int run_open_probes(struct run *run)
{
	const struct options *options = &run->options;
	struct libraries *libraries = &run->libraries;
	char text[512];
	int error;

	if (!options->list)
		open_discover(run);
	error = open_namespaces(run);
	if (error)
		return error;
	/* COMMAND starts in our own namespace; its libraries are there. */
	if (options->command && !options->n_mntns && !run->scope.only_listed &&
	    !target_mntns_of(getpid(), &run->own_mntns)) {
		run->scope.mntns = &run->own_mntns;
		run->scope.n_mntns = 1;
	}
	error = libraries_find(run->capture, options, &run->scope, libraries);
	if (error || options->list)
		return error;
	if (!is_in_vain(run))
		return attach_probes(run);
	tell_scope(options, text, sizeof(text));
	fprintf(stderr,
		"tlspcap: no TLS library in %s (%zu processes, %zu namespaces, %zu files looked "
		"at, %zu not readable); name one with --lib=FILE\n",
		text, libraries->scan.processes, libraries->scan.namespaces, libraries->scan.files,
		libraries->scan.unreadable);
	tell_unreadable(options);
	return -ENOENT;
}

static int open_hold(struct run *run)
{
	int error;

	if (!run->options.hold)
		return 0;
	if (!run->discover || capture_mapped_tier(run->capture) == CAPTURE_MAPPED_PERF) {
		fputs("tlspcap: --hold: this kernel lacks the hooks to stop a process in time\n",
		      stderr);
		return -EOPNOTSUPP;
	}
	error = hold_open(run->capture, &run->hold);
	if (error)
		fprintf(stderr, "tlspcap: --hold: no watchdog: %s\n", strerror(-error));
	return error;
}

static int make_files(struct run *run)
{
	struct writer_options writer = {
		.path = run->options.path,
		.keylog = run->options.keylog,
		.view = run->options.view,
		.filter = run->options.filter,
		.packets = run->options.packets,
		.rules = run->options.rules.files,
		.no_secrets = run->options.no_secrets,
		.now_ns = run_clock_ns(CLOCK_REALTIME),
		.privilege = privileges_for_files,
		.guard = run->guard,
		.insist = run->insist,
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
	if (run->options.after || run->options.rules.printname) {
		error = after_open(run->options.after, run->options.rules.printname, &run->after,
				   &why);
		if (error)
			return complain(error, why);
		writer.closed = after_closed;
		writer.ctx = run->after;
	}
	error = writer_open(&writer, &run->writer, &why);
	if (error) {
		if (run->recorder)
			unlink(run->options.record); /* no half set of files */
		return complain(error, why);
	}
	run->conversations = conversations_new(NULL, writer_sink(run->writer));
	run->namespaces = calloc(RUN_NAMESPACES_MAX, sizeof(*run->namespaces));
	run->namespace_ids = calloc(RUN_NAMESPACES_MAX, sizeof(*run->namespace_ids));
	run->is_living = calloc(RUN_NAMESPACES_MAX, sizeof(*run->is_living));
	if (run->conversations && run->namespaces && run->namespace_ids && run->is_living)
		return 0;
	fputs("tlspcap: out of memory\n", stderr);
	return -ENOMEM;
}

static int open_files(struct run *run)
{
	int error = make_files(run);

	if (error && run->options.user)
		fprintf(stderr, "tlspcap: -Z: files are made with the rights of %s\n",
			run->options.user);
	return error;
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

/* -Z: before any file is made, so that all of them are that user's. */
static int become_user(const struct run *run)
{
	const struct options *options = &run->options;
	int error;

	if (!options->user)
		return 0;
	error = privileges_become(options->user_id, options->user_group, options->hold);
	if (error)
		fprintf(stderr, "tlspcap: -Z %s: %s\n", options->user, strerror(-error));
	return error;
}

/* Whether later files need more than what the owner of their folder may do. */
static bool folder_is_foreign(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	struct stat status;
	bool foreign = !folder || stat(folder, &status) || status.st_uid != geteuid() ||
		       (status.st_mode & 0300) != 0300;

	free(folder);
	return foreign;
}

static int drop_privileges(const struct run *run)
{
	bool files = writer_makes_files(run->writer) && folder_is_foreign(run->options.path);
	int error = privileges_drop(files, run->options.hold);

	if (error)
		fprintf(stderr, "tlspcap: privileges cannot be given up: %s\n", strerror(-error));
	return error;
}

/* A scope that is empty may be one that is still to come, or a slip of the pen. */
static void tell_waiting(const struct run *run)
{
	const struct libraries *libraries = &run->libraries;

	if (run->options.command)
		return;
	if (namespaces_are_chosen(&run->options) && !run->n_wanted)
		fputs("tlspcap: no such container runs now; waiting for it\n", stderr);
	else if (!libraries->scan.processes)
		fputs("tlspcap: no process is in this scope now; waiting for one\n", stderr);
	else if (!libraries->files)
		fputs("tlspcap: no process in this scope uses a TLS library now; waiting for one\n",
		      stderr);
}

int run_open(struct run *run)
{
	char text[512];
	int error;

	error = prepare_command(run);
	if (!error)
		error = run_open_capture(run);
	if (!error)
		error = run_open_probes(run);
	if (!error)
		error = become_user(run);
	if (!error)
		error = open_files(run);
	if (!error)
		error = open_hold(run);
	if (!error)
		error = drop_privileges(run);
	if (error)
		return error;
	start_discover(run);
	tell_scope(&run->options, text, sizeof(text));
	if (!run->options.quiet)
		fprintf(stderr, "tlspcap: capturing %s, %zu TLS librar%s, to %s\n", text,
			run->libraries.files, run->libraries.files == 1 ? "y" : "ies",
			run->options.path);
	if (!run->options.quiet)
		tell_waiting(run);
	if (run->options.verbosity && run->discover)
		fprintf(stderr, "tlspcap: later libraries are noticed by %s\n",
			capture_mapped_tier_name(capture_mapped_tier(run->capture)));
	tell_systemd();
	run_tick(run);
	if (run->options.duration_ns)
		run->end_ns = run_clock_ns(CLOCK_MONOTONIC) + run->options.duration_ns;
	return run->command.pid ? command_run(&run->command) : 0;
}
