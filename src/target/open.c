/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Opening what belongs to others, without leaving their root and without waiting. */
#include "target_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A rename in the tree makes the kernel give up; one who renames all day gets no more. */
#define OPEN_TRIES 16

int open_below(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int open_regular(int path_fd)
{
	char self[40];
	struct stat status;
	int fd;

	/* Opening a FIFO waits, and opening a device may do anything: look first. */
	if (fstat(path_fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOTSUP;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	/* O_NONBLOCK: somebody's lease on the file must not hold us up. */
	fd = open(self, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int target_open_in(pid_t pid, const char *path)
{
	char name[32];
	int root, path_fd, fd;

	snprintf(name, sizeof(name), "/proc/%d/root", pid);
	root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	path_fd = open_below(root, path, O_PATH);
	close(root);
	if (path_fd < 0)
		return path_fd;
	fd = open_regular(path_fd);
	close(path_fd);
	return fd;
}

ssize_t read_small(int fd, char *buffer, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buffer + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n) {
			buffer[used] = '\0';
			return (ssize_t)used;
		}
		used += (size_t)n;
	}
	buffer[size - 1] = '\0';
	return -EFBIG;
}

ssize_t read_small_at(int dir, const char *name, char *buffer, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read_small(fd, buffer, size);
	close(fd);
	return length;
}

int key_of(int fd, enum seen_kind kind, uint32_t mntns, struct seen_key *key)
{
	struct statx status;
	uint64_t mount = 0;

	/* The mount's id is there since Linux 5.8; without it fewer roots look different. */
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &status))
		return -errno;
	if (kind != SEEN_STAT && status.stx_mask & STATX_MNT_ID)
		mount = status.stx_mnt_id;
	key->one = status.stx_ino;
	key->two = (uint64_t)mntns << 32 | status.stx_dev_major << 20 | status.stx_dev_minor;
	key->kind = (uint64_t)kind | mount << 8;
	return 0;
}

void copy_path(char *to, const char *path)
{
	static const char dots[] = "/...";
	size_t length = strlen(path), room = PATH_MAX - sizeof(dots);
	const char *end;

	if (length < PATH_MAX) {
		memcpy(to, path, length + 1);
		return;
	}
	end = strchr(path + length - room, '/');
	if (!end)
		end = path + length - room;
	memcpy(to, dots, sizeof(dots) - 1);
	memcpy(to + sizeof(dots) - 1, end, strlen(end) + 1);
}

bool error_is_ours(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE || error == ENOSYS;
}
