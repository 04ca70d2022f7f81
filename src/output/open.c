/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Opening the file that will hold secrets. What exists already is looked at through an
 * O_PATH descriptor, which touches nothing, and only then opened for writing through that
 * same descriptor: nobody can put another file in its place in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "output/open.h"

#define ATTEMPTS 8 /* when files come and go under our hands */

static int __attribute__((format(printf, 3, 4)))
explain(char **why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(why, format, args) < 0)
		*why = NULL;
	va_end(args);
	return error;
}

static int explain_errno(const char *path, int error, char **why)
{
	static const struct {
		int error;
		const char *hint;
	} hints[] = {
		{EACCES, "choose a folder that you may write to"},
		{ENOENT, "create its folder first"},
		{ENOTDIR, "a part of its path is not a folder; name another file"},
		{EROFS, "choose a file system that is not read-only"},
		{ENOSPC, "free some space or choose another file system"},
		{ENAMETOOLONG, "choose a shorter name"},
		{ETXTBSY, "it is a program that runs; name another file"},
		{ENXIO, "it is a socket or a device that is not there; name another file"},
		{EINTR, "nobody had opened it for reading yet; start the reader first"},
		{ELOOP, "its path has symbolic links that lead in a circle; name another file"},
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (hints[i].error == error)
			return explain(why, -error, "cannot write %s: %s; %s", path,
				       strerror(error), hints[i].hint);
	}
	return explain(why, -error, "cannot write %s: %s; name another file", path,
		       strerror(error));
}

static int check_existing(const char *path, const struct stat *status, char **why)
{
	switch (status->st_mode & S_IFMT) {
	case S_IFLNK:
		return explain(why, -ELOOP,
			       "%s is a symbolic link, and secrets are not written through one; "
			       "name the file that it points to, or remove the link",
			       path);
	case S_IFDIR:
		return explain(why, -EISDIR, "%s is a folder; name a file in it", path);
	case S_IFBLK:
		return explain(why, -EINVAL,
			       "%s is a block device, and writing would destroy what is on it; "
			       "name a file",
			       path);
	case S_IFSOCK:
		return explain(why, -ENXIO, "%s is a socket; name a file, or use -w - and a pipe",
			       path);
	case S_IFCHR:
		return 0; /* /dev/null is not ours, and need not be */
	}
	if (status->st_uid != geteuid())
		return explain(why, -EPERM,
			       "%s belongs to another user, who could read the secrets in it; "
			       "remove it or name another file",
			       path);
	if (S_ISREG(status->st_mode) && status->st_nlink > 1)
		return explain(why, -EMLINK,
			       "%s has more than one name (hard links); remove it or name "
			       "another file",
			       path);
	return 0;
}

/* Opens what an O_PATH descriptor stands for. Waits for the reader of a FIFO; a signal ends
 * the wait. */
static int reopen(int path_fd)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Mode and contents of a regular file that passed the checks. */
static int make_private(int fd)
{
	if (fchmod(fd, 0600) || ftruncate(fd, 0))
		return -errno;
	return 0;
}

static int open_existing(const char *path, int path_fd, char **why)
{
	struct stat status;
	int fd, error;

	if (fstat(path_fd, &status))
		return explain_errno(path, errno, why);
	error = check_existing(path, &status, why);
	if (error)
		return error;
	fd = reopen(path_fd);
	if (fd < 0)
		return explain_errno(path, -fd, why);
	error = S_ISREG(status.st_mode) ? make_private(fd) : 0;
	if (error) {
		close(fd);
		return explain_errno(path, -error, why);
	}
	return fd;
}

/* O_EXCL: neither what is there nor a link that appears now is written to. */
int output_create_fd(int folder, const char *name)
{
	int fd = openat(folder, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	int error;

	if (fd < 0)
		return -errno;
	error = make_private(fd); /* whatever the umask is */
	if (!error)
		return fd;
	close(fd);
	return error;
}

static int open_path(const char *path, char **why)
{
	int fd;

	for (int i = 0; i < ATTEMPTS; i++) {
		int path_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (path_fd >= 0) {
			fd = open_existing(path, path_fd, why);
			close(path_fd);
			return fd;
		}
		if (errno != ENOENT)
			return explain_errno(path, errno, why);
		fd = output_create_fd(AT_FDCWD, path);
		if (fd == -EEXIST)
			continue;
		return fd < 0 ? explain_errno(path, -fd, why) : fd;
	}
	return explain(why, -EAGAIN,
		       "%s is created and removed by somebody else all the time; name another file",
		       path);
}

static int open_standard_output(char **why)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return explain(why, -errno,
			       "standard output is closed; redirect it, or use -w FILE");
	if (isatty(fd)) {
		close(fd);
		return explain(why, -ENOTTY,
			       "a capture is not text for a terminal; redirect standard output, or "
			       "use -w FILE");
	}
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
		close(fd);
		return explain(why, -EBADF,
			       "standard output is open for reading only; redirect it, or use -w "
			       "FILE");
	}
	return fd;
}

int output_open_fd(const char *path, char **why)
{
	*why = NULL;
	return strcmp(path, "-") ? open_path(path, why) : open_standard_output(why);
}

int output_identify(int folder, const char *name, int flags, struct output_identity *identity,
		    mode_t *type)
{
	struct statx status;

	if (statx(folder, name, flags, STATX_TYPE | STATX_INO | STATX_BTIME, &status))
		return -errno;
	*identity = (struct output_identity){
		.device = makedev(status.stx_dev_major, status.stx_dev_minor),
		.inode = status.stx_ino,
	};
	if (status.stx_mask & STATX_BTIME)
		identity->birth_ns =
			(uint64_t)status.stx_btime.tv_sec * 1000000000 + status.stx_btime.tv_nsec;
	*type = status.stx_mode & S_IFMT;
	return 0;
}

bool output_is_there(int folder, const char *name, const struct output_identity *identity)
{
	struct output_identity there;
	mode_t type;

	return !output_identify(folder, name, AT_SYMLINK_NOFOLLOW, &there, &type) &&
	       S_ISREG(type) && there.device == identity->device &&
	       there.inode == identity->inode && there.birth_ns == identity->birth_ns;
}
