/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "after.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "privileges.h"

#define WORDS_MAX   64
#define RUNNING_MAX 4
#define WAITING_MAX 1024
#define TOLD_MAX    10 /* failures that are told one by one */
#define PAUSE_NS    (100l * 1000 * 1000)

struct after {
	char *words;		   /* the command, cut into pieces; NULL: none */
	char *argv[WORDS_MAX + 2]; /* into words, then the file, then NULL */
	size_t n_words;
	FILE *names; /* NULL: not printed */
	pid_t running[RUNNING_MAX];
	char *file_of[RUNNING_MAX];
	char *waiting[WAITING_MAX]; /* a ring */
	size_t first, n_waiting;
	uint64_t failed, left_out;
};

static int split(struct after *after, const char *command)
{
	char *state = NULL;

	after->words = strdup(command);
	if (!after->words)
		return -ENOMEM;
	for (char *word = strtok_r(after->words, " \t\n", &state); word;
	     word = strtok_r(NULL, " \t\n", &state)) {
		if (after->n_words == WORDS_MAX)
			return -E2BIG;
		after->argv[after->n_words++] = word;
	}
	return after->n_words ? 0 : -EINVAL;
}

static int open_names(struct after *after, const char *printname)
{
	int fd;

	if (!strcmp(printname, "-") || !strcmp(printname, "stdout"))
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else if (!strcmp(printname, "stderr"))
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(printname, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	after->names = fdopen(fd, "w");
	if (after->names)
		return 0;
	close(fd);
	return -ENOMEM;
}

static void free_after(struct after *after)
{
	while (after->n_waiting) {
		free(after->waiting[after->first]);
		after->first = (after->first + 1) % WAITING_MAX;
		after->n_waiting--;
	}
	if (after->names)
		fclose(after->names);
	free(after->words);
	free(after);
}

int after_open(const char *command, const char *printname, struct after **result, char **why)
{
	struct after *after = calloc(1, sizeof(*after));
	const char *what = command;
	int error = 0;

	*why = NULL;
	if (!after)
		return -ENOMEM;
	if (command)
		error = split(after, command);
	if (!error && printname) {
		what = printname;
		error = open_names(after, printname);
	}
	if (!error) {
		*result = after;
		return 0;
	}
	if (asprintf(why, "'%s' cannot be used: %s; %s", what, strerror(-error),
		     what == command ? "-z takes a command and its arguments"
				     : "printname takes the name of a file") < 0)
		*why = NULL;
	free_after(after);
	return error;
}

static void run(char *const *argv)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGCHLD, SIGUSR1};
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setpgid(0, 0);
	setpriority(PRIO_PROCESS, 0, 19);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || privileges_drop_all())
		_exit(126);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? 127 : 126);
}

static void tell_failure(struct after *after, const char *file, const char *how, int number)
{
	if (++after->failed <= TOLD_MAX)
		fprintf(stderr, "tlspcap: %s %s: %s %d\n", after->argv[0], file, how, number);
}

static void begin(struct after *after, size_t slot, char *file)
{
	pid_t pid;

	after->argv[after->n_words] = file;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run(after->argv);
	if (pid < 0) {
		tell_failure(after, file, "no process for it; error", errno);
		free(file);
		return;
	}
	setpgid(pid, pid); /* whoever of the two is first */
	after->running[slot] = pid;
	after->file_of[slot] = file;
}

static void end(struct after *after, size_t slot, int status)
{
	char *file = after->file_of[slot];

	if (WIFSIGNALED(status))
		tell_failure(after, file, "ended by signal", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		tell_failure(after, file, "exit status", WEXITSTATUS(status));
	free(file);
	after->running[slot] = 0;
	after->file_of[slot] = NULL;
}

/* How many are running or waiting after it. */
static size_t look(struct after *after)
{
	size_t n = 0;
	int status;

	for (size_t i = 0; i < RUNNING_MAX; i++) {
		if (after->running[i] && waitpid(after->running[i], &status, WNOHANG) != 0)
			end(after, i, status);
		while (!after->running[i] && after->n_waiting) {
			char *file = after->waiting[after->first];

			after->first = (after->first + 1) % WAITING_MAX;
			after->n_waiting--;
			begin(after, i, file);
		}
		n += after->running[i] != 0;
	}
	return n + after->n_waiting;
}

void after_poll(struct after *after)
{
	if (after && after->words)
		look(after);
}

void after_closed(void *ctx, const char *path)
{
	struct after *after = ctx;
	char *file;

	if (after->names) {
		fprintf(after->names, "%s\n", path);
		fflush(after->names);
	}
	if (!after->words)
		return;
	file = after->n_waiting < WAITING_MAX ? strdup(path) : NULL;
	if (!file) {
		after->left_out++;
		return;
	}
	after->waiting[(after->first + after->n_waiting++) % WAITING_MAX] = file;
	look(after);
}

static void end_all(struct after *after)
{
	for (size_t i = 0; i < RUNNING_MAX; i++)
		if (after->running[i])
			kill(-after->running[i], SIGTERM);
	after->left_out += after->n_waiting;
	while (after->n_waiting) {
		free(after->waiting[after->first]);
		after->first = (after->first + 1) % WAITING_MAX;
		after->n_waiting--;
	}
}

bool after_close(struct after *after, const volatile int *insist)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int insisted = *insist;
	bool good;

	if (!after)
		return true;
	while (after->words && look(after)) {
		if (*insist != insisted) {
			end_all(after);
			insisted = *insist;
		}
		nanosleep(&pause, NULL); /* SIGCHLD ends it */
	}
	if (after->failed)
		fprintf(stderr, "tlspcap: the command of -z failed for %" PRIu64 " file%s\n",
			after->failed, after->failed == 1 ? "" : "s");
	if (after->left_out)
		fprintf(stderr, "tlspcap: the command of -z was not run for %" PRIu64 " file%s\n",
			after->left_out, after->left_out == 1 ? "" : "s");
	good = !after->failed && !after->left_out;
	free_after(after);
	return good;
}
