/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A kill -9 stops a write between any two pages of memory, so that a file could end in the
 * middle of a block. A process of its own waits for this one's end and then cuts each file that
 * was open back to its last whole block.
 *
 * It is forked before there is anything else, shares nothing with this process but a table of
 * the files, and keeps no right but the one to find them.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "output/guard.h"

#define SLOTS 512

struct guard_slot {
	atomic_bool used;
	bool gzip;
	struct output_identity identity;
	_Atomic uint64_t safe; /* the file's blocks are whole up to here */
	char path[PATH_MAX];
};

struct output_guard {
	int pipe; /* its closing is our end */
	struct guard_slot *slots;
};

/* Where the last whole block ends, from the offset of one on. */
static off_t last_boundary(int fd, off_t at, off_t size)
{
	uint32_t head[2], length, again;

	for (;;) {
		if (pread(fd, head, sizeof(head), at) != sizeof(head))
			return at;
		length = head[1]; /* little-endian, as this machine is */
		if (length < 12 || length % 4 || length > size - at)
			return at;
		if (pread(fd, &again, sizeof(again), at + length - 4) != sizeof(again) ||
		    again != length)
			return at;
		at += length;
	}
}

static void mend(const struct guard_slot *slot)
{
	struct stat status;
	off_t end;
	int fd;

	if (!output_is_there(AT_FDCWD, slot->path, &slot->identity))
		return;
	fd = open(slot->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (!fstat(fd, &status) && status.st_ino == slot->identity.inode &&
	    status.st_size > (off_t)slot->safe) {
		end = slot->gzip ? (off_t)slot->safe
				 : last_boundary(fd, (off_t)slot->safe, status.st_size);
		if (end < status.st_size && ftruncate(fd, end))
			_exit(1); /* nobody is left to be told */
	}
	close(fd);
}

static void keep_one_right(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data))
		return;
	data[0].permitted &= 1u << CAP_DAC_READ_SEARCH;
	data[0].effective = data[0].permitted;
	data[1] = (struct __user_cap_data_struct){0};
	data[0].inheritable = 0;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	syscall(SYS_capset, &header, data);
}

static void watch(int pipe_fd, const struct guard_slot *slots)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE};
	char byte;
	ssize_t n;

	/* A signal to the group, from a terminal or a killer, is not meant for this one. */
	setsid();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "tlspcap-guard");
	if (dup2(pipe_fd, 3) < 0)
		_exit(1);
	close_range(4, ~0u, 0);
	for (int fd = 0; fd < 3; fd++)
		close(fd); /* a reader of our output must not wait for us */
	keep_one_right();
	do
		n = read(3, &byte, 1);
	while (n < 0 && errno == EINTR);
	for (size_t i = 0; i < SLOTS; i++)
		if (slots[i].used)
			mend(&slots[i]);
	_exit(0);
}

struct output_guard *output_guard_start(void)
{
	struct output_guard *guard = calloc(1, sizeof(*guard));
	int ends[2] = {-1, -1};
	pid_t pid;

	if (!guard)
		return NULL;
	guard->slots = mmap(NULL, SLOTS * sizeof(*guard->slots), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (guard->slots == MAP_FAILED || pipe2(ends, O_CLOEXEC)) {
		free(guard);
		return NULL;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		watch(ends[0], guard->slots);
	}
	close(ends[0]);
	guard->pipe = ends[1];
	if (pid > 0)
		return guard;
	output_guard_end(guard);
	return NULL;
}

void output_guard_end(struct output_guard *guard)
{
	if (!guard)
		return;
	close(guard->pipe);
	munmap(guard->slots, SLOTS * sizeof(*guard->slots));
	free(guard);
}

struct guard_slot *guard_take(struct output_guard *guard, const char *path,
			      struct output_identity identity, bool gzip)
{
	for (size_t i = 0; guard && path && i < SLOTS; i++) {
		struct guard_slot *slot = &guard->slots[i];

		if (slot->used || strlen(path) >= sizeof(slot->path))
			continue;
		strcpy(slot->path, path);
		slot->identity = identity;
		slot->gzip = gzip;
		slot->safe = 0;
		slot->used = true;
		return slot;
	}
	return NULL;
}

void guard_note(struct guard_slot *slot, uint64_t safe)
{
	if (slot)
		slot->safe = safe;
}

void guard_release(struct guard_slot *slot)
{
	if (slot)
		slot->used = false;
}
