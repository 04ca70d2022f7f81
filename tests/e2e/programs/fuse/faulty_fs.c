/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * faulty_fs FOLDER FAULT MOUNT-POINT [FUSE-OPTION...]: the files of FOLDER, on a disk that goes
 * wrong when it is told to.
 *
 * FAULT is a file that need not be there; each change to a file looks at it. Its words, each with
 * a number behind it:
 *
 *	write=ERRNO	no write is done
 *	change=ERRNO	the same, and no truncation, creation or deletion: a file system read-only
 *	close=ERRNO	a file's close tells it: the disk found out late
 *	after=BYTES	before these, nothing is wrong with a file
 *	most=BYTES	a write takes no more at once
 *	every=N		of the writes, only each Nth is wrong
 *	slow=MS		a write takes so long
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fault {
	long write, change, close, after, most, every, slow;
};

/* Main's arguments; libfuse's callbacks have no other way to them before a mount. */
struct disk {
	int folder;
	const char *fault;
	atomic_long writes;
};

static struct disk *disk(void)
{
	return fuse_get_context()->private_data;
}

static void take_word(struct fault *fault, const char *word)
{
	const struct {
		const char *name;
		long *value;
	} words[] = {
		{"write=", &fault->write}, {"change=", &fault->change}, {"close=", &fault->close},
		{"after=", &fault->after}, {"most=", &fault->most},	{"every=", &fault->every},
		{"slow=", &fault->slow},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(word, words[i].name, strlen(words[i].name)))
			*words[i].value = strtol(word + strlen(words[i].name), NULL, 10);
}

static struct fault fault_now(void)
{
	struct fault fault = {0};
	char word[64];
	FILE *file = fopen(disk()->fault, "re");

	while (file && fscanf(file, "%63s", word) == 1)
		take_word(&fault, word);
	if (file)
		fclose(file);
	return fault;
}

static int changes(void)
{
	return (int)-fault_now().change;
}

static const char *relative(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int result(long value)
{
	return value < 0 ? -errno : (int)value;
}

static int get_attributes(const char *path, struct stat *status, struct fuse_file_info *info)
{
	return result(info ? fstat((int)info->fh, status)
			   : fstatat(disk()->folder, relative(path), status, AT_SYMLINK_NOFOLLOW));
}

static int make(const char *path, mode_t mode, struct fuse_file_info *info)
{
	int error = changes();
	int fd;

	if (error)
		return error;
	fd = openat(disk()->folder, relative(path), info->flags | O_CLOEXEC, mode);
	info->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
	int fd = openat(disk()->folder, relative(path), info->flags | O_CLOEXEC);

	info->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int read_file(const char *path, char *to, size_t size, off_t at, struct fuse_file_info *info)
{
	(void)path;
	return result(pread((int)info->fh, to, size, at));
}

static int write_file(const char *path, const char *from, size_t size, off_t at,
		      struct fuse_file_info *info)
{
	struct fault fault = fault_now();
	const struct timespec pause = {fault.slow / 1000, fault.slow % 1000 * 1000000};
	long number = atomic_fetch_add(&disk()->writes, 1);
	bool due = at + (off_t)size > fault.after && (!fault.every || number % fault.every == 0);

	(void)path;
	nanosleep(&pause, NULL);
	if (due && (fault.write || fault.change)) {
		/* As a disk does: what is before the bad place is written. */
		if (at >= fault.after)
			return (int)-(fault.write ? fault.write : fault.change);
		size = (size_t)(fault.after - at);
	}
	if (fault.most && size > (size_t)fault.most)
		size = (size_t)fault.most;
	return result(pwrite((int)info->fh, from, size, at));
}

static int cut_file(const char *path, off_t size, struct fuse_file_info *info)
{
	int error = changes();

	(void)path;
	if (error)
		return error;
	return info ? result(ftruncate((int)info->fh, size)) : -ENOTSUP;
}

static int change_mode(const char *path, mode_t mode, struct fuse_file_info *info)
{
	int error = changes();

	if (error)
		return error;
	return result(info ? fchmod((int)info->fh, mode)
			   : fchmodat(disk()->folder, relative(path), mode, 0));
}

static int delete_file(const char *path)
{
	int error = changes();

	return error ? error : result(unlinkat(disk()->folder, relative(path), 0));
}

/* What close(2) returns. */
static int flush_file(const char *path, struct fuse_file_info *info)
{
	(void)path;
	(void)info;
	return (int)-fault_now().close;
}

static int release_file(const char *path, struct fuse_file_info *info)
{
	(void)path;
	return result(close((int)info->fh));
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.create = make,
	.open = open_file,
	.read = read_file,
	.write = write_file,
	.truncate = cut_file,
	.chmod = change_mode,
	.unlink = delete_file,
	.flush = flush_file,
	.release = release_file,
};

int main(int argc, char **argv)
{
	struct disk disk = {.folder = -1};

	if (argc < 4) {
		fputs("usage: faulty_fs FOLDER FAULT MOUNT-POINT [FUSE-OPTION...]\n", stderr);
		return 2;
	}
	disk.folder = open(argv[1], O_DIRECTORY | O_CLOEXEC);
	disk.fault = argv[2];
	if (disk.folder < 0) {
		perror(argv[1]);
		return 1;
	}
	argv[2] = argv[0];
	return fuse_main(argc - 2, argv + 2, &operations, &disk);
}
