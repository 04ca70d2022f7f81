/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "older.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCHED_MAX	256
#define SOCKETS_MAX	65536
#define HANDLES_MAX	8 /* libraries of one process */
#define TCP_ESTABLISHED 1
#define TCP_CLOSE_WAIT	8

struct inodes {
	uint64_t *inode; /* sorted */
	size_t n;
};

struct watched {
	pid_t pid;
	int handles[HANDLES_MAX];
	size_t n_handles;
	struct inodes sockets; /* established when the capture began */
};

struct older {
	struct capture *capture;
	const struct options *options;
	struct libraries *libraries;
	struct watched watched[WATCHED_MAX];
	size_t n;
};

static int compare(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

static bool has(const struct inodes *inodes, uint64_t inode)
{
	return inodes->n &&
	       bsearch(&inode, inodes->inode, inodes->n, sizeof(inode), compare) != NULL;
}

static int add(struct inodes *inodes, uint64_t inode)
{
	if (inodes->n >= SOCKETS_MAX)
		return 0; /* one is enough for the process to be watched */
	if (!(inodes->n & (inodes->n - 1))) {
		size_t room = inodes->n ? 2 * inodes->n : 1;
		void *grown = realloc(inodes->inode, room * sizeof(inode));

		if (!grown)
			return -ENOMEM;
		inodes->inode = grown;
	}
	inodes->inode[inodes->n++] = inode;
	return 0;
}

/* Adds the inodes of live connections of a process's network namespace (proc(5), net/tcp). */
static int read_connections(pid_t pid, const char *table, struct inodes *inodes)
{
	char path[64], line[512];
	uint64_t inode;
	unsigned int state;
	int error = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, table);
	file = fopen(path, "re");
	while (file && !error && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*u: %*s %*s %x %*s %*s %*s %*u %*u %" SCNu64, &state, &inode) !=
		    2)
			continue;
		if ((state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT) && inode)
			error = add(inodes, inode);
	}
	if (file)
		fclose(file);
	return error;
}

/* Calls fn for each socket that the process has open, until it returns nonzero. */
static int each_socket(pid_t pid, int (*fn)(void *ctx, uint64_t inode), void *ctx)
{
	char path[64];
	struct dirent *entry;
	int result = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = opendir(path);
	while (folder && !result && (entry = readdir(folder))) {
		char target[32] = "";
		uint64_t inode;
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		if (n > 0 && sscanf(target, "socket:[%" SCNu64 "]", &inode) == 1)
			result = fn(ctx, inode);
	}
	if (folder)
		closedir(folder);
	return result;
}

struct choice {
	const struct inodes *connections;
	struct inodes *chosen;
};

static int choose_connection(void *ctx, uint64_t inode)
{
	struct choice *choice = ctx;

	return has(choice->connections, inode) ? add(choice->chosen, inode) : 0;
}

/* The process's own connections, sorted. 0 or -ENOMEM. */
static int own_connections(pid_t pid, struct inodes *chosen)
{
	struct inodes all = {0};
	struct choice choice = {&all, chosen};
	int error = read_connections(pid, "tcp", &all);

	if (!error)
		error = read_connections(pid, "tcp6", &all);
	if (all.n)
		qsort(all.inode, all.n, sizeof(all.inode[0]), compare);
	if (!error && all.n)
		error = each_socket(pid, choose_connection, &choice);
	if (chosen->n)
		qsort(chosen->inode, chosen->n, sizeof(chosen->inode[0]), compare);
	free(all.inode);
	return error;
}

static void unwatch(struct older *older, struct watched *watched)
{
	for (size_t i = 0; i < watched->n_handles; i++)
		capture_detach(older->capture, watched->handles[i]);
	free(watched->sockets.inode);
	*watched = older->watched[--older->n];
}

struct serving {
	struct older *older;
	struct watched *watched;
};

static int serve_library(void *ctx, const struct target_file *file)
{
	struct serving *serving = ctx;
	struct watched *watched = serving->watched;
	struct library library;
	int handle;

	if (!file->mapped || watched->n_handles == HANDLES_MAX)
		return 0;
	/* Without secrets its plaintext probes are attached for everybody already. */
	if (!libraries_by_identity(serving->older->libraries, &file->identity, &library) ||
	    library.index < 0 || !library.located.secrets)
		return 0;
	handle = capture_attach_process(serving->older->capture, file->fd, &library.located,
					(uint32_t)library.index, watched->pid);
	if (handle >= 0) {
		watched->handles[watched->n_handles++] = handle;
		return 0;
	}
	fprintf(stderr,
		"tlspcap: process %d has connections whose records cannot be read, and its calls "
		"cannot be probed (%s); --source=probes captures them\n",
		watched->pid, strerror(-handle));
	return 0;
}

static int serve_process(struct older *older, pid_t pid)
{
	struct target_scope scope = {.pid = &pid, .n_pid = 1};
	struct target_counts counts;
	struct watched *watched;
	struct inodes sockets = {0};
	int error = own_connections(pid, &sockets);

	if (error || !sockets.n) {
		free(sockets.inode);
		return error;
	}
	if (older->n == WATCHED_MAX) {
		fprintf(stderr,
			"tlspcap: more than %d processes have connections that are older than the "
			"capture; those of process %d are not captured; --source=probes does\n",
			WATCHED_MAX, pid);
		free(sockets.inode);
		return 0;
	}
	watched = &older->watched[older->n++];
	*watched = (struct watched){.pid = pid, .sockets = sockets};
	target_scan(&scope, capture_identify, older->capture, serve_library,
		    &(struct serving){older, watched}, &counts);
	if (!watched->n_handles)
		unwatch(older, watched);
	else if (older->options->verbosity)
		fprintf(stderr,
			"tlspcap: process %d has %zu connections whose records cannot be read: "
			"plaintext of its calls, until these end\n",
			pid, watched->sockets.n);
	return 0;
}

void older_add(struct older *older, pid_t pid)
{
	if (older->options->source != SOURCE_AUTO)
		return;
	for (size_t i = 0; i < older->n; i++)
		if (older->watched[i].pid == pid)
			return;
	serve_process(older, pid);
}

int older_attach(struct capture *capture, const struct options *options,
		 const struct target_scope *scope, struct libraries *libraries, struct older **out)
{
	struct older *older = calloc(1, sizeof(*older));
	struct dirent *entry;
	int error = 0;
	DIR *folder;

	*out = older;
	if (!older)
		return -ENOMEM;
	older->capture = capture;
	older->options = options;
	older->libraries = libraries;
	if (options->source != SOURCE_AUTO || options->command)
		return 0;
	folder = opendir("/proc");
	while (folder && !error && (entry = readdir(folder))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

		if (pid > 0 && pid != getpid() && target_in_scope(scope, pid))
			error = serve_process(older, pid);
	}
	if (folder)
		closedir(folder);
	return error;
}

static int is_old(void *ctx, uint64_t inode)
{
	return has(ctx, inode);
}

void older_check(struct older *older)
{
	for (size_t i = 0; i < older->n;) {
		struct watched *watched = &older->watched[i];

		if (each_socket(watched->pid, is_old, &watched->sockets)) {
			i++;
			continue;
		}
		if (older->options->verbosity)
			fprintf(stderr,
				"tlspcap: process %d has no such connection any more: its "
				"plaintext probes are off\n",
				watched->pid);
		unwatch(older, watched);
	}
}

void older_free(struct older *older)
{
	if (!older)
		return;
	while (older->n)
		unwatch(older, &older->watched[0]);
	free(older);
}
