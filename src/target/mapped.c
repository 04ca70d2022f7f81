/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The files that a process has mapped executable: its program and its TLS libraries.
 *
 * They are opened through /proc/PID/exe and /proc/PID/map_files, which lead to the file
 * that is mapped also when its name is gone or belongs to another file by now.
 */
#include "target_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tlspcap/locate.h>
#include <unistd.h>

/* A file's name as the kernel writes it: each newline takes four characters. */
#define NAME_SIZE (4 * NAME_MAX + 1)

struct mapping {
	uint64_t start, end, inode;
	uint32_t device; /* major << 20 | minor */
	bool executable;
	const char *path; /* as the kernel writes it: newlines as \012, maybe " (deleted)" */
};

/* "start-end perms offset major:minor inode   path", all but the path written by the kernel. */
static bool parse_mapping(char *line, struct mapping *mapping)
{
	unsigned long major, minor;
	char *at;

	mapping->start = strtoull(line, &at, 16);
	if (*at++ != '-')
		return false;
	mapping->end = strtoull(at, &at, 16);
	if (*at++ != ' ' || strnlen(at, 5) < 5)
		return false;
	mapping->executable = at[2] == 'x';
	at += 5;
	strtoull(at, &at, 16); /* offset */
	major = strtoul(at, &at, 16);
	if (*at++ != ':')
		return false;
	minor = strtoul(at, &at, 16);
	mapping->device = (uint32_t)(major << 20 | minor);
	mapping->inode = strtoull(at, &at, 10);
	mapping->path = at + strspn(at, " ");
	return true;
}

/* The last part of a path without the kernel's " (deleted)". */
static void name_of(const char *path, char *name, size_t size)
{
	static const char deleted[] = " (deleted)";
	const char *last = strrchr(path, '/');
	size_t length;

	last = last ? last + 1 : path;
	length = strlen(last);
	if (length >= sizeof(deleted) && !strcmp(last + length - sizeof(deleted) + 1, deleted))
		length -= sizeof(deleted) - 1;
	if (length >= size)
		length = size - 1;
	memcpy(name, last, length);
	name[length] = '\0';
}

static bool is_loader(const char *path)
{
	static const char *const start[] = {"ld-linux", "ld-musl-", "ld-2.", "ld.so"};
	char name[NAME_SIZE];

	name_of(path, name, sizeof(name));
	for (size_t i = 0; i < sizeof(start) / sizeof(start[0]); i++)
		if (!strncmp(name, start[i], strlen(start[i])))
			return true;
	return false;
}

/* "ld.so PROGRAM": the program is a file that the loader mapped, and is named as none. */
static bool is_loaded_program(const char *name)
{
	return !strstr(name, ".so") && strncmp(name, "ld-", 3);
}

/*
 * When map_files is not to be had: by name, below the process's root, and only when the
 * inode shows that it is the same file.
 */
static int open_by_name(const struct process *process, const struct mapping *mapping)
{
	int root, fd, error;
	struct stat status;

	if (mapping->path[0] != '/' || strstr(mapping->path, "\\012"))
		return -EACCES;
	root = openat(process->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	fd = open_below(root, mapping->path, O_PATH);
	close(root);
	if (fd < 0)
		return fd == -ENOENT ? -EACCES : fd;
	error = fstat(fd, &status) ? -errno : status.st_ino != mapping->inode ? -ESTALE : 0;
	if (!error)
		return fd;
	close(fd);
	return error;
}

static int open_mapping(const struct process *process, const struct mapping *mapping)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, mapping->start,
		 mapping->end);
	fd = openat(process->dir, name, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != EPERM && errno != EACCES)
		return -errno;
	return open_by_name(process, mapping);
}

static void set_file(struct scan *scan, const struct process *process, bool is_program,
		     const char *path)
{
	scan->file.mntns = process->mntns;
	scan->file.pid = process->pid;
	scan->file.mapped = true;
	scan->file.is_program = is_program;
	copy_path(scan->file.path, path);
}

static int offer_mapping(struct scan *scan, const struct process *process,
			 const struct mapping *mapping, bool is_program)
{
	const struct seen_key key = {
		.one = mapping->inode,
		.two = (uint64_t)process->mntns << 32 | mapping->device,
		.kind = SEEN_MAPPED,
	};
	int fd, result;

	if (seen_has(&scan->met, &key))
		return 0;
	fd = open_mapping(process, mapping);
	/* Unmapped or ended: whoever maps it too is still to come. */
	if (fd < 0 && process_ended(-fd))
		return 0;
	if (seen_add(&scan->met, &key) == -ENOMEM) {
		result = -ENOMEM;
	} else if (fd < 0) {
		return scan_failed(scan, fd);
	} else {
		set_file(scan, process, is_program, mapping->path);
		result = scan_offer(scan, fd);
	}
	if (fd >= 0)
		close(fd);
	return result;
}

static int visit_line(struct scan *scan, const struct process *process, char *line, bool by_loader)
{
	struct mapping mapping;
	char name[NAME_SIZE];
	bool is_program;

	if (!parse_mapping(line, &mapping)) {
		scan->counts->unreadable++;
		return 0;
	}
	if (!mapping.executable || !mapping.inode)
		return 0;
	name_of(mapping.path, name, sizeof(name));
	is_program = by_loader && is_loaded_program(name);
	/* "ssl": the copies that Python packages bring are named libssl-1a2b3c4d.so.3. */
	if (!is_program && !locate_name_is_library(name) && !strstr(name, "ssl"))
		return 0;
	return offer_mapping(scan, process, &mapping, is_program);
}

/* Makes room in a line that fills the buffer: the name and the numbers are what matters. */
static size_t shorten(char *line, size_t length)
{
	static const char dots[] = "/...";
	char *first = memchr(line, '/', length), *last = memrchr(line, '/', length);
	size_t rest;

	if (!first || last < first + sizeof(dots))
		return 0;
	rest = length - (size_t)(last - line);
	memcpy(first, dots, sizeof(dots) - 1);
	memmove(first + sizeof(dots) - 1, last, rest);
	return (size_t)(first - line) + sizeof(dots) - 1 + rest;
}

static int read_maps(struct scan *scan, const struct process *process, int maps, bool by_loader)
{
	char *buffer = scan->buffer;
	size_t used = 0;

	for (;;) {
		ssize_t n = read(maps, buffer + used, SCAN_BUFFER - used);
		char *line = buffer, *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return process_ended(errno) ? 0 : scan_failed(scan, -errno);
		if (!n)
			return 0;
		used += (size_t)n;
		while ((end = memchr(line, '\n', used))) {
			int result;

			*end = '\0';
			result = visit_line(scan, process, line, by_loader);
			if (result)
				return result;
			used -= (size_t)(end + 1 - line);
			line = end + 1;
		}
		memmove(buffer, line, used);
		if (used < SCAN_BUFFER)
			continue;
		used = shorten(buffer, used);
		if (!used)
			return scan_failed(scan, -EOVERFLOW);
	}
}

/* Sets *closed when this process is closed to us altogether, which is counted once. */
static int offer_program(struct scan *scan, const struct process *process, bool *by_loader,
			 bool *closed)
{
	char path[PATH_MAX];
	ssize_t length;
	int fd, result;

	fd = openat(process->dir, "exe", O_PATH | O_CLOEXEC);
	if (fd < 0) {
		*closed = errno == EACCES || errno == EPERM;
		return process_ended(errno) ? 0 : scan_failed(scan, -errno);
	}
	length = readlinkat(process->dir, "exe", path, sizeof(path) - 1);
	/* It is too long, or the process has just ended: the file is open all the same. */
	if (length < 0)
		length = snprintf(path, sizeof(path), "the program of process %d", process->pid);
	path[length] = '\0';
	*by_loader = is_loader(path);
	set_file(scan, process, true, path);
	result = scan_offer(scan, fd);
	close(fd);
	return result;
}

int scan_mapped(struct scan *scan, const struct process *process)
{
	bool by_loader = false, closed = false;
	int maps, result;

	result = offer_program(scan, process, &by_loader, &closed);
	if (result || closed)
		return result;
	maps = openat(process->dir, "maps", O_RDONLY | O_CLOEXEC);
	if (maps < 0)
		return process_ended(errno) ? 0 : scan_failed(scan, -errno);
	result = read_maps(scan, process, maps, by_loader);
	close(maps);
	return result;
}
