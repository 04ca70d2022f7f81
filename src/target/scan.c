/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The scan: first what processes have mapped, then what lies in the library folders of
 * their roots, so that a file in both is reported as mapped.
 */
#include "target_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SCAN_FILES_MAX 65536
#define SCAN_MET_MAX   (1 << 18) /* beyond it things are only looked at more than once */

int scan_failed(struct scan *scan, int error)
{
	if (error_is_ours(-error))
		return error;
	scan->counts->unreadable++;
	return 0;
}

static int identify(struct scan *scan, int fd, struct target_identity *identity)
{
	struct stat status;

	*identity = (struct target_identity){0};
	if (scan->identify)
		return scan->identify(scan->identify_ctx, fd, identity);
	if (fstat(fd, &status))
		return -errno;
	identity->inode = status.st_ino;
	identity->device = (uint32_t)(major(status.st_dev) << 20 | minor(status.st_dev));
	return 0;
}

static int report(struct scan *scan, int fd)
{
	struct target_identity *identity = &scan->file.identity;
	struct seen_key key;
	int result = identify(scan, fd, identity);

	if (result < 0)
		return scan_failed(scan, result);
	key.one = identity->inode;
	key.two = (uint64_t)identity->device << 32 | identity->generation;
	key.kind = SEEN_FILE;
	result = seen_add(&scan->files, &key);
	if (result <= 0)
		return result ? scan_failed(scan, result) : 0;
	scan->counts->files++;
	scan->file.fd = fd;
	return scan->found(scan->found_ctx, &scan->file);
}

int scan_offer(struct scan *scan, int path_fd)
{
	struct seen_key key;
	struct stat status;
	int fd, result;

	if (fstat(path_fd, &status))
		return scan_failed(scan, -errno);
	/* What is no file, or has no bytes, holds no functions. */
	if (!S_ISREG(status.st_mode) || !status.st_size)
		return 0;
	result = key_of(path_fd, SEEN_STAT, scan->file.mntns, &key);
	if (result)
		return scan_failed(scan, result);
	result = seen_add(&scan->met, &key);
	if (!result || result == -ENOMEM)
		return result;
	fd = open_regular(path_fd);
	if (fd < 0)
		return scan_failed(scan, fd);
	result = report(scan, fd);
	close(fd);
	return result;
}

static int mapped_of(void *ctx, const struct process *process)
{
	struct scan *scan = ctx;
	const struct seen_key key = {.one = process->mntns, .kind = SEEN_NAMESPACE};

	scan->counts->processes++;
	if (process->mntns && seen_add(&scan->met, &key) == 1)
		scan->counts->namespaces++;
	return scan_mapped(scan, process);
}

static int root_of(void *ctx, const struct process *process)
{
	return scan_root(ctx, process);
}

/*
 * Whose roots' library folders are looked at: in namespaces that are chosen, not only those of
 * processes with the name or the user that is asked for, since such ones may begin later.
 */
static struct target_scope scope_of_roots(const struct target_scope *scope)
{
	struct target_scope roots = *scope;

	if (scope->n_mntns)
		roots.n_comm = roots.n_uid = 0;
	return roots;
}

int target_scan(const struct target_scope *scope, target_identify_fn identify_fn,
		void *identify_ctx, target_file_fn found, void *found_ctx,
		struct target_counts *counts)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	const struct target_scope roots = scope_of_roots(scope);
	struct target_counts own = {0};
	int result = -ENOMEM;

	if (!scan)
		return -ENOMEM;
	scan->scope = scope;
	scan->identify = identify_fn;
	scan->identify_ctx = identify_ctx;
	scan->found = found;
	scan->found_ctx = found_ctx;
	scan->counts = &own;
	scan->buffer = malloc(SCAN_BUFFER);
	if (!scan->buffer || seen_init(&scan->met, SCAN_MET_MAX) ||
	    seen_init(&scan->files, SCAN_FILES_MAX))
		goto out;
	result = process_each(scope, mapped_of, scan);
	if (!result && !scope->mapped_only)
		result = process_each(&roots, root_of, scan);
out:
	if (counts)
		*counts = own;
	seen_free(&scan->met);
	seen_free(&scan->files);
	free(scan->buffer);
	free(scan);
	return result;
}
