/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "process_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void process_file_name(int fd, pid_t pid, char *name, size_t size)
{
	char path[64], root[64], base[PATH_MAX];
	ssize_t length, base_length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	length = readlink(path, name, size - 1);
	name[length > 0 ? length : 0] = '\0';
	base_length = readlink(root, base, sizeof(base) - 1);
	if (base_length > 1 && !strncmp(name, base, (size_t)base_length) &&
	    name[base_length] == '/')
		memmove(name, name + base_length, strlen(name + base_length) + 1);
}

static int open_range(pid_t pid, uint64_t start, uint64_t end)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Where the mapping that begins there ends now; 0: there is none. */
static uint64_t end_of_mapping(pid_t pid, uint64_t start)
{
	uint64_t from = 0, to = 0;
	char path[32], *line = NULL;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return 0;
	while (from < start && getline(&line, &room, maps) > 0)
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) != 2)
			break;
	free(line);
	fclose(maps);
	return from == start ? to : 0;
}

/*
 * A loader maps all of a library as its first segment, and the others over it: where code is the
 * first one, as on AArch64, the mapping ends earlier soon after it was made.
 */
int process_open_mapping(pid_t pid, uint64_t start, uint64_t end)
{
	int fd = open_range(pid, start, end);

	for (int tries = 0; fd == -ENOENT && tries < 3; tries++) {
		end = end_of_mapping(pid, start);
		if (!end)
			break;
		fd = open_range(pid, start, end);
	}
	return fd;
}
