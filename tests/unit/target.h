/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Children that stand for containers, and what a scan found. For the tests of target. */
#ifndef TESTS_UNIT_TARGET_H
#define TESTS_UNIT_TARGET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <tlspcap/target.h>
#include <time.h>
#include <unistd.h>

/* ---- what a scan found ---- */

#define FOUND_MAX 256

struct found {
	size_t n;
	struct {
		struct target_identity identity;
		char path[PATH_MAX], text[32]; /* the first bytes of the file */
		uint32_t mntns;
		pid_t pid;
		bool mapped, is_program;
	} file[FOUND_MAX];
	int answer;
};

static inline int keep(void *ctx, const struct target_file *file)
{
	struct found *found = ctx;
	struct stat status;
	ssize_t n;

	assert_true(found->n < FOUND_MAX);
	assert_int_equal(fstat(file->fd, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(fcntl(file->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	n = pread(file->fd, found->file[found->n].text, 31, 0);
	assert_true(n > 0);
	found->file[found->n].text[n] = '\0';
	snprintf(found->file[found->n].path, PATH_MAX, "%s", file->path);
	found->file[found->n].identity = file->identity;
	found->file[found->n].mntns = file->mntns;
	found->file[found->n].pid = file->pid;
	found->file[found->n].mapped = file->mapped;
	found->file[found->n].is_program = file->is_program;
	found->n++;
	return found->answer;
}

/* The place of the file with these first bytes, or -1; fails when it is there twice. */
static inline int find_text(const struct found *found, const char *text)
{
	int at = -1;

	for (size_t i = 0; i < found->n; i++) {
		if (strcmp(found->file[i].text, text))
			continue;
		assert_int_equal(at, -1);
		at = (int)i;
	}
	return at;
}

static inline int find_path(const struct found *found, const char *part)
{
	for (size_t i = 0; i < found->n; i++)
		if (strstr(found->file[i].path, part))
			return (int)i;
	return -1;
}

/* As the kernel would: the same bytes "inode=N" are the same real file. */
static inline int identify_by_text(void *ctx, int fd, struct target_identity *identity)
{
	char text[32] = "";

	++*(unsigned int *)ctx;
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (strncmp(text, "inode=", 6))
		return -ENODATA;
	*identity = (struct target_identity){.inode = strtoull(text + 6, NULL, 10), .device = 1};
	return 0;
}

static inline struct found *new_found(void)
{
	struct found *found = calloc(1, sizeof(*found));

	assert_non_null(found);
	return found;
}

static inline int scan_pid(pid_t pid, target_identify_fn identify, void *ctx, struct found *found,
			   struct target_counts *counts)
{
	const struct target_scope scope = {.pid = &pid, .n_pid = 1};

	memset(counts, 0xff, sizeof(*counts));
	return target_scan(&scope, identify, ctx, keep, found, counts);
}

/* ---- children that stand for containers ---- */

struct child {
	pid_t pid;
	int stop; /* a byte ends the child; so does our own end */
};

/* Runs `prepare` in a child, and returns when it has succeeded; the child then waits. */
static inline struct child start_child(int (*prepare)(void *ctx), void *ctx)
{
	int ready[2], stop[2];
	struct child child;
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (!child.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stop[1]);
		close(ready[0]);
		if (prepare(ctx))
			_exit(1);
		if (write(ready[1], "r", 1) != 1 || read(stop[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(stop[0]);
	child.stop = stop[1];
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static inline void stop_child(struct child *child)
{
	int status;

	/* Not by closing alone: children started later have this end of the pipe too. */
	assert_int_equal(write(child->stop, "s", 1), 1);
	close(child->stop);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

static inline void need_root(void)
{
	if (geteuid()) {
		print_message("skipped: making mount namespaces needs root\n");
		skip();
	}
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "child: %s: %s\n", #condition, strerror(errno));           \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

/* A namespace of its own with an empty tmpfs at /mnt, which is the working directory. */
static inline int own_namespace(void)
{
	CHECK(!unshare(CLONE_NEWNS));
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK(!mount("tmpfs", "/mnt", "tmpfs", 0, "size=64m"));
	CHECK(!chdir("/mnt"));
	return 0;
}

static inline int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CHECK(file);
	CHECK(fputs(text, file) >= 0);
	CHECK(!fclose(file));
	return 0;
}

/* Makes the folder and those above it. */
static inline int make_folder(const char *path)
{
	char part[PATH_MAX];

	for (const char *at = path; at; at = strchr(at + 1, '/')) {
		const char *end = strchr(at + 1, '/');
		size_t length = end ? (size_t)(end - path) : strlen(path);

		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		CHECK(!mkdir(part, 0755) || errno == EEXIST);
		if (!end)
			break;
	}
	return 0;
}

static inline int enter(void)
{
	CHECK(!chroot("/mnt"));
	CHECK(!chdir("/"));
	return 0;
}

#endif
