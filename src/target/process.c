/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The processes in scope, from /proc.
 *
 * Each is held by a descriptor of its folder in /proc: when the process ends and its number
 * is used again, the descriptor gives ESRCH and never another process's data.
 */
#include "target_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCESS_THREADS_MAX 4096 /* threads looked at in a process whose first one ended */

#define COMM_LENGTH	    15 /* what the kernel keeps of a name */

/* Fields of /proc/PID/stat that we use, numbered as in proc(5). */
enum {
	STAT_FIRST_AFTER_NAME = 3,
	STAT_THREADS = 20,
	STAT_START = 22,
	STAT_MEMORY = 23, /* bytes; 0: no address space, so a kernel thread or a zombie */
	STAT_FIELDS = 24,
};

bool process_ended(int error)
{
	return error == ESRCH || error == ENOENT;
}

static int read_stat(int dir, uint64_t field[STAT_FIELDS])
{
	char text[2048], *at;
	ssize_t length = read_small_at(dir, "stat", text, sizeof(text));

	if (length < 0)
		return (int)length;
	/* The name may hold anything, also ") R 1"; no other field has a parenthesis. */
	at = strrchr(text, ')');
	if (!at || at[1] != ' ')
		return -EBADMSG;
	at += 2;
	for (int i = STAT_FIRST_AFTER_NAME; i < STAT_FIELDS; i++) {
		field[i] = strtoull(at, NULL, 10);
		at = strchr(at, ' ');
		if (!at)
			return -EBADMSG;
		at++;
	}
	return 0;
}

/* A number of /proc/PID/status. The kernel escapes newlines in the name, which comes first. */
static int read_status(int dir, const char *label, unsigned long *value)
{
	char text[4096], *at;
	ssize_t length = read_small_at(dir, "status", text, sizeof(text));

	/* Of a process in many groups the text is long, but what we want comes before them. */
	if (length < 0 && length != -EFBIG)
		return (int)length;
	at = strstr(text, label);
	if (!at)
		return -EBADMSG;
	*value = strtoul(at + strlen(label), NULL, 10);
	return 0;
}

int process_mntns(int dir, uint32_t *mntns)
{
	struct stat status;

	if (fstatat(dir, "ns/mnt", &status, 0))
		return -errno;
	*mntns = (uint32_t)status.st_ino;
	return 0;
}

static bool number_of(const char *name, pid_t *pid)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)name[0]))
		return false;
	errno = 0;
	value = strtol(name, &end, 10);
	if (*end || errno || value <= 0 || value > INT_MAX)
		return false;
	*pid = (pid_t)value;
	return true;
}

static int open_process(int proc, pid_t pid)
{
	char name[16];
	int dir;

	snprintf(name, sizeof(name), "%d", pid);
	dir = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -errno : dir;
}

/*
 * The first thread of a process may end before the others: then /proc/PID shows nothing, and
 * the folder of another thread is read in its place. /proc/TID, although not listed, has all
 * that /proc/PID has; /proc/PID/task/TID has not.
 */
static int open_other_thread(int proc, int dir, pid_t pid)
{
	int tasks = openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = tasks < 0 ? NULL : fdopendir(tasks);
	uint64_t field[STAT_FIELDS];
	struct dirent *entry;
	int found = -ESRCH;
	pid_t tid;

	if (!list) {
		found = -errno;
		if (tasks >= 0)
			close(tasks);
		return found;
	}
	for (int i = 0; found < 0 && i < PROCESS_THREADS_MAX && (entry = readdir(list)); i++) {
		unsigned long group;
		int thread;

		if (!number_of(entry->d_name, &tid) || tid == pid)
			continue;
		thread = open_process(proc, tid);
		if (thread < 0)
			continue;
		if (!read_status(thread, "\nTgid:", &group) && (pid_t)group == pid &&
		    !read_stat(thread, field) && field[STAT_MEMORY])
			found = thread;
		else
			close(thread);
	}
	closedir(list);
	return found;
}

static bool pid_in_scope(const struct target_scope *scope, pid_t pid)
{
	for (size_t i = 0; i < scope->n_pid; i++)
		if (scope->pid[i] == pid)
			return true;
	return !scope->n_pid;
}

static bool mntns_in_scope(const struct target_scope *scope, uint32_t mntns)
{
	for (size_t i = 0; i < scope->n_mntns; i++)
		if (scope->mntns[i] == mntns)
			return true;
	return !scope->n_mntns && !scope->only_listed;
}

static bool netns_in_scope(const struct target_scope *scope, int dir)
{
	struct stat status;

	if (!scope->n_netns)
		return true;
	if (fstatat(dir, "ns/net", &status, 0))
		return false;
	for (size_t i = 0; i < scope->n_netns; i++)
		if (scope->netns[i] == (uint32_t)status.st_ino)
			return true;
	return false;
}

static bool comm_in_scope(const struct target_scope *scope, int dir)
{
	char comm[64];
	ssize_t length;

	if (!scope->n_comm)
		return true;
	length = read_small_at(dir, "comm", comm, sizeof(comm));
	if (length <= 0)
		return false;
	comm[length - 1] = '\0';
	for (size_t i = 0; i < scope->n_comm; i++)
		if (!strncmp(scope->comm[i], comm, COMM_LENGTH))
			return true;
	return false;
}

static bool cgroup_in_scope(const struct target_scope *scope, int dir)
{
	for (size_t i = 0; i < scope->n_cgroup; i++)
		if (cgroup_has(&scope->cgroup[i], dir))
			return true;
	return !scope->n_cgroup;
}

static bool uid_in_scope(const struct target_scope *scope, int dir)
{
	unsigned long uid;

	if (!scope->n_uid)
		return true;
	if (read_status(dir, "\nUid:", &uid))
		return false;
	for (size_t i = 0; i < scope->n_uid; i++)
		if (scope->uid[i] == (uid_t)uid)
			return true;
	return false;
}

/* All but the pid, cheap questions first. */
static bool folder_in_scope(const struct target_scope *scope, int dir, uint32_t mntns)
{
	return mntns_in_scope(scope, mntns) && netns_in_scope(scope, dir) &&
	       uid_in_scope(scope, dir) && comm_in_scope(scope, dir) && cgroup_in_scope(scope, dir);
}

bool target_in_scope(const struct target_scope *scope, pid_t pid)
{
	char path[32];
	uint32_t mntns = 0;
	bool fits;
	int dir;

	if (!pid_in_scope(scope, pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	fits = !process_mntns(dir, &mntns) && folder_in_scope(scope, dir, mntns);
	close(dir);
	return fits;
}

static int visit(int proc, pid_t pid, const struct target_scope *scope, process_fn fn, void *ctx)
{
	struct process process = {.pid = pid, .dir = open_process(proc, pid)};
	uint64_t field[STAT_FIELDS];
	int error, other;

	if (process.dir < 0)
		return error_is_ours(-process.dir) ? process.dir : 0;
	error = read_stat(process.dir, field);
	if (error)
		goto out;
	process.start = field[STAT_START];
	if (!field[STAT_MEMORY]) {
		if (field[STAT_THREADS] < 2)
			goto out;
		other = open_other_thread(proc, process.dir, pid);
		if (other < 0)
			goto out;
		close(process.dir);
		process.dir = other;
	}
	/* A namespace that we may not read is 0: of a scope that names namespaces it is none. */
	error = process_mntns(process.dir, &process.mntns);
	if (error && process_ended(-error))
		goto out;
	error = 0;
	if (folder_in_scope(scope, process.dir, process.mntns))
		error = fn(ctx, &process);
	close(process.dir);
	return error;
out:
	close(process.dir);
	return error_is_ours(-error) ? error : 0;
}

int process_each(const struct target_scope *scope, process_fn fn, void *ctx)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int result = 0;
	pid_t pid;

	if (!proc)
		return -errno;
	while (!result) {
		errno = 0;
		entry = readdir(proc);
		if (!entry) {
			result = -errno;
			break;
		}
		if (number_of(entry->d_name, &pid) && pid_in_scope(scope, pid))
			result = visit(dirfd(proc), pid, scope, fn, ctx);
	}
	closedir(proc);
	return result;
}

struct each {
	int (*fn)(void *ctx, pid_t pid, uint32_t mntns);
	void *ctx;
};

static int call_each(void *ctx, const struct process *process)
{
	struct each *each = ctx;

	return each->fn(each->ctx, process->pid, process->mntns);
}

int target_each_process(const struct target_scope *scope,
			int (*fn)(void *ctx, pid_t pid, uint32_t mntns), void *ctx)
{
	struct each each = {fn, ctx};

	return process_each(scope, call_each, &each);
}

static int keep_oldest(void *ctx, const struct process *process)
{
	struct process *oldest = ctx;
	int dir;

	/* Started in the same tick: the lower number, as long as numbers did not wrap. */
	if (oldest->dir >= 0 && oldest->start <= process->start)
		return 0;
	dir = fcntl(process->dir, F_DUPFD_CLOEXEC, 3);
	if (dir < 0)
		return -errno;
	if (oldest->dir >= 0)
		close(oldest->dir);
	*oldest = *process;
	oldest->dir = dir;
	return 0;
}

int process_oldest(uint32_t mntns, struct process *oldest)
{
	const struct target_scope scope = {.mntns = &mntns, .n_mntns = 1};
	int error;

	*oldest = (struct process){.dir = -1};
	if (!mntns)
		return -ESRCH;
	error = process_each(&scope, keep_oldest, oldest);
	if (error && oldest->dir >= 0)
		close(oldest->dir);
	if (error)
		return error;
	return oldest->dir < 0 ? -ESRCH : 0;
}

pid_t target_find_process(uint32_t mntns)
{
	struct process oldest;
	int error = process_oldest(mntns, &oldest);

	if (error)
		return error;
	close(oldest.dir);
	return oldest.pid;
}

int target_mntns_of(pid_t pid, uint32_t *mntns)
{
	char path[32];
	int dir, error;

	if (pid <= 0)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	error = process_mntns(dir, mntns);
	close(dir);
	return error == -ENOENT ? -ESRCH : error;
}

int target_living_mntns(const uint32_t *mntns, size_t n, bool *is_living)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	uint32_t one;

	if (!proc)
		return -errno;
	memset(is_living, 0, n * sizeof(*is_living));
	while ((entry = readdir(proc))) {
		if (target_mntns_of(atoi(entry->d_name), &one))
			continue;
		for (size_t i = 0; i < n; i++)
			is_living[i] |= mntns[i] == one;
	}
	closedir(proc);
	return 0;
}
