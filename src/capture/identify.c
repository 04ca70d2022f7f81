/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The kernel's real inode of an open file.
 *
 * A uprobe belongs to the inode below any overlay, and stat() shows another one. A mapping
 * holds the real file, so we map it and read our own mappings with a BPF iterator, or with a
 * program that we run ourselves where there is no such iterator.
 */
#include "capture_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tlspcap.skel.h"

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

void identify_open(struct capture *capture)
{
	union bpf_iter_link_info info = {};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));

	if (!capture->has_mappings_of_one)
		return;
	info.task.tid = (uint32_t)getpid();
	capture->identity_link =
		bpf_program__attach_iter(capture->skeleton->progs.mapping_identity, &options);
}

static int list_mappings(struct capture *capture, uint64_t start, struct target_identity *identity)
{
	int iterator = bpf_iter_create(bpf_link__fd(capture->identity_link)), error;

	if (iterator < 0)
		return -errno;
	error = find_mapping(iterator, start, identity);
	close(iterator);
	return error;
}

/* Runs a program in this process: it looks through the mappings of whoever runs it. */
static int search_mappings(struct capture *capture, uint64_t start,
			   struct target_identity *identity)
{
	const struct bpf_program *program = capture->skeleton->progs.mapping_search;
	uint64_t arguments[] = {start};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments,
		    .ctx_size_in = sizeof(arguments));
	int error;

	if (bpf_program__fd(program) < 0)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&capture->search_lock);
	error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
	if (!error && options.retval)
		error = -ENOENT;
	if (!error) {
		identity->inode = capture->skeleton->bss->mapping_inode;
		identity->device = capture->skeleton->bss->mapping_device;
		identity->generation = capture->skeleton->bss->mapping_generation;
	}
	pthread_mutex_unlock(&capture->search_lock);
	return error;
}

int capture_identify(void *ctx, int fd, struct target_identity *identity)
{
	struct capture *capture = ctx;
	struct stat status;
	void *mapping;
	int error;
	long page = sysconf(_SC_PAGESIZE);

	if (fstat(fd, &status))
		return -errno;
	if (status.st_size <= 0)
		return -ENOEXEC;
	mapping = mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	error = capture->identity_link ? list_mappings(capture, (uintptr_t)mapping, identity)
				       : search_mappings(capture, (uintptr_t)mapping, identity);
	munmap(mapping, (size_t)page);
	return error;
}
