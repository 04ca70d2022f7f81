/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "privileges.h"

static void wait_and_run(int go, const struct command_options *options)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGCHLD, SIGUSR1};
	char byte;
	int error;
	ssize_t n;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
	do
		n = read(go, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(1); /* the capture did not start */
	close(go);
	if (!options->keep_stdout)
		dup2(STDERR_FILENO, STDOUT_FILENO);
	error = options->as_user ? privileges_become_only(options->user, options->group) : 0;
	if (error) {
		fprintf(stderr, "tlspcap: another user: %s\n", strerror(-error));
		_exit(126);
	}
	execvp(options->argv[0], options->argv);
	n = errno;
	fprintf(stderr, "tlspcap: %s: %s\n", options->argv[0], strerror((int)n));
	_exit(n == ENOENT ? 127 : 126);
}

int command_prepare(struct command *command, const struct command_options *options)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int error = -errno;

		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (pid == 0) {
		close(ends[1]);
		wait_and_run(ends[0], options);
	}
	close(ends[0]);
	command->pid = pid;
	command->go = ends[1];
	return 0;
}

int command_run(struct command *command)
{
	ssize_t n = write(command->go, "g", 1);
	int error = n == 1 ? 0 : -errno;

	close(command->go);
	command->go = -1;
	return error;
}

bool command_ended(struct command *command)
{
	int status;

	if (command->ended || !command->pid)
		return command->ended;
	if (waitpid(command->pid, &status, WNOHANG) != command->pid)
		return false;
	command->ended = true;
	command->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return true;
}

void command_release(struct command *command)
{
	if (!command->pid || command->go < 0)
		return;
	close(command->go); /* its read ends, and so does it */
	command->go = -1;
	while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
