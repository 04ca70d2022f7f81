/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The kernel's real inode of an open file.
 *
 * A uprobe belongs to the inode below any overlay, and stat() shows another one. A mapping
 * holds the real file, so we map it and read our own mappings with a BPF iterator.
 */
#include "capture_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* As bpf/process.h prints it. */
struct mapping_line {
	uint64_t start;
	uint64_t inode;
	uint32_t device;
	uint32_t generation;
};

static int find_mapping(int iterator, uint64_t start, struct target_identity *identity)
{
	struct mapping_line lines[256];
	ssize_t n;

	/* The iterator gives whole lines as long as the buffer holds whole lines. */
	while ((n = read(iterator, lines, sizeof(lines))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(lines[0]); i++) {
			if (lines[i].start != start)
				continue;
			identity->inode = lines[i].inode;
			identity->device = lines[i].device;
			identity->generation = lines[i].generation;
			return 0;
		}
		if ((size_t)n % sizeof(lines[0]))
			return -EIO;
	}
	return n < 0 ? -errno : -ENOENT;
}

int capture_identify(void *ctx, int fd, struct target_identity *identity)
{
	struct capture *capture = ctx;
	struct stat status;
	void *mapping;
	int iterator, error;
	long page = sysconf(_SC_PAGESIZE);

	if (!capture->identity_link)
		return -EOPNOTSUPP;
	if (fstat(fd, &status))
		return -errno;
	if (status.st_size <= 0)
		return -ENOEXEC;
	mapping = mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	iterator = bpf_iter_create(bpf_link__fd(capture->identity_link));
	if (iterator < 0) {
		error = -errno;
	} else {
		error = find_mapping(iterator, (uintptr_t)mapping, identity);
		close(iterator);
	}
	munmap(mapping, (size_t)page);
	return error;
}
