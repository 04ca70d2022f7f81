/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* From the options to a capture that runs. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
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
	int error;

	if (!run->options.command)
		return 0;
	error = command_prepare(&run->command, run->options.command,
				strcmp(run->options.path, "-") != 0);
	if (error)
		fprintf(stderr, "tlspcap: cannot start a process: %s\n", strerror(-error));
	return error;
}

int run_open_capture(struct run *run)
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

int run_open_probes(struct run *run)
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
	run->is_living = calloc(RUN_NAMESPACES_MAX, sizeof(*run->is_living));
	if (run->conversations && run->namespaces && run->is_living)
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
	int error = privileges_drop(files);

	if (error)
		fprintf(stderr, "tlspcap: privileges cannot be given up: %s\n", strerror(-error));
	return error;
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
		error = open_files(run);
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
	tell_systemd();
	run_tick(run);
	if (run->options.duration_ns)
		run->end_ns = run_clock_ns(CLOCK_MONOTONIC) + run->options.duration_ns;
	return run->command.pid ? command_run(&run->command) : 0;
}
