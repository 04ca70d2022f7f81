/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The TLS libraries in the library folders of a root, also those that nobody uses yet.
 *
 * Everything below the root belongs to the captured: folders may be links, loops or huge.
 * Each walk is bounded, and what a bound cuts off is counted as unreadable.
 */
#include "target_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlspcap/locate.h>
#include <unistd.h>

#define ROOTS_MAX	  4096	/* in one scan */
#define ROOTS_OF_ONE_MAX  64	/* in one namespace: each chroot is one */
#define FOLDERS_MAX	  512	/* in one root */
#define ENTRIES_MAX	  65536 /* read in all folders of one root */
#define FILES_MAX	  1024	/* opened in one root */
#define DEPTH_MAX	  3	/* lib / x86_64-linux-gnu / glibc-hwcaps / x86-64-v3 */
#define CONFIGURATION_MAX 128	/* files in ld.so.conf.d */

struct root {
	struct scan *scan;
	const struct process *process;
	int fd; /* O_PATH */
	struct seen folders;
	unsigned int entries, files, configurations;
	char prefix[PATH_MAX]; /* how we would name the root; for messages */
};

static int visit_folder(struct root *root, const char *path, int depth);

/* Folders in a library folder in which loaders look too. */
static bool is_subfolder(const char *name)
{
	return strstr(name, "-linux-gnu") || strstr(name, "-linux-musl") ||
	       !strcmp(name, "glibc-hwcaps") || !strncmp(name, "x86-64-v", 8);
}

/* Not there, or not what its name says: nothing is missed. */
static bool is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

static int failed(struct root *root, int error)
{
	return is_absent(-error) ? 0 : scan_failed(root->scan, error);
}

/* False, and counted once, when a bound is reached. */
static bool within(struct root *root, unsigned int *count, unsigned int max)
{
	if (*count < max) {
		(*count)++;
		return true;
	}
	if (*count == max) {
		(*count)++;
		root->scan->counts->unreadable++;
	}
	return false;
}

/* False, and counted, when it does not fit. */
static bool join(struct root *root, char *path, const char *folder, const char *name)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	if (length > 0 && length < PATH_MAX)
		return true;
	root->scan->counts->unreadable++;
	return false;
}

/* Names the file as processes in this root do, with links followed where we can tell. */
static void set_path(struct root *root, int fd, const char *path)
{
	char self[40], target[PATH_MAX], whole[PATH_MAX + 1];
	size_t prefix = strlen(root->prefix);
	ssize_t length;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	length = readlink(self, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = '\0';
	if (target[0] == '/' && prefix && !strncmp(target, root->prefix, prefix) &&
	    target[prefix] == '/') {
		copy_path(root->scan->file.path, target + prefix);
		return;
	}
	snprintf(whole, sizeof(whole), "%s%s", path[0] == '/' ? "" : "/", path);
	copy_path(root->scan->file.path, target[0] == '/' && !prefix ? target : whole);
}

static int visit_file(struct root *root, const char *path)
{
	struct scan *scan = root->scan;
	int fd, result;

	if (!within(root, &root->files, FILES_MAX))
		return 0;
	fd = open_below(root->fd, path, O_PATH);
	if (fd < 0)
		return failed(root, fd);
	scan->file.mntns = root->process->mntns;
	scan->file.pid = root->process->pid;
	scan->file.mapped = false;
	scan->file.is_program = false;
	set_path(root, fd, path);
	result = scan_offer(scan, fd);
	close(fd);
	return result;
}

static int visit_entry(struct root *root, const char *folder, const char *name, int depth)
{
	char path[PATH_MAX];

	if (is_subfolder(name))
		return depth < DEPTH_MAX && join(root, path, folder, name)
			       ? visit_folder(root, path, depth + 1)
			       : 0;
	if (locate_name_is_library(name) && join(root, path, folder, name))
		return visit_file(root, path);
	return 0;
}

/* Calls visit for each entry of a folder. 0, its first nonzero value, or negative errno. */
static int each_entry(struct root *root, int fd,
		      int (*visit)(struct root *root, const char *path, const char *name,
				   int depth),
		      const char *path, int depth)
{
	DIR *list = fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!list) {
		result = -errno;
		close(fd);
		return failed(root, result);
	}
	while (!result) {
		errno = 0;
		entry = readdir(list);
		if (!entry) {
			result = errno ? failed(root, -errno) : 0;
			break;
		}
		if (!within(root, &root->entries, ENTRIES_MAX))
			break;
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			result = visit(root, path, entry->d_name, depth);
	}
	closedir(list);
	return result;
}

static int open_folder(struct root *root, const char *path)
{
	return open_below(root->fd, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY);
}

static int visit_folder(struct root *root, const char *path, int depth)
{
	struct seen_key key;
	int fd = open_folder(root, path), result;

	if (fd < 0)
		return failed(root, fd);
	/* lib is usr/lib on most systems: once is enough. */
	result = key_of(fd, SEEN_FOLDER, 0, &key);
	if (!result)
		result = seen_add(&root->folders, &key);
	if (result == 1)
		return each_entry(root, fd, visit_entry, path, depth);
	close(fd);
	return result ? scan_failed(root->scan, result) : 0;
}

static int visit_opt(struct root *root, const char *folder, const char *name, int depth)
{
	static const char *const lib[] = {"lib", "lib64"};
	char package[PATH_MAX], path[PATH_MAX];
	int result = 0;

	if (!join(root, package, folder, name))
		return 0;
	for (size_t i = 0; !result && i < sizeof(lib) / sizeof(lib[0]); i++)
		if (join(root, path, package, lib[i]))
			result = visit_folder(root, path, depth);
	return result;
}

/*
 * Folders of ld.so.conf, one in a line, or of musl's list, with colons between them.
 * "include" lines need no care: all of ld.so.conf.d is read anyway.
 */
static int visit_configured(struct root *root, char *text)
{
	char *state = NULL;
	int result = 0;

	for (char *line = strtok_r(text, "\n:", &state); line && !result;
	     line = strtok_r(NULL, "\n:", &state)) {
		line += strspn(line, " \t\r");
		line[strcspn(line, " \t\r#=")] = '\0';
		if (line[0] == '/')
			result = visit_folder(root, line, 0);
	}
	return result;
}

static int visit_configuration(struct root *root, const char *path)
{
	char *text = root->scan->buffer;
	ssize_t length;
	int path_fd = open_below(root->fd, path, O_PATH), fd;

	if (path_fd < 0)
		return failed(root, path_fd);
	fd = open_regular(path_fd);
	close(path_fd);
	if (fd < 0)
		return fd == -ENOTSUP ? 0 : scan_failed(root->scan, fd);
	length = read_small(fd, text, SCAN_BUFFER);
	close(fd);
	if (length < 0) {
		int result = scan_failed(root->scan, (int)length);

		/* Of one that is too long, the beginning is still good. */
		if (result || length != -EFBIG)
			return result;
	}
	return visit_configured(root, text);
}

static int visit_conf_d(struct root *root, const char *folder, const char *name, int depth)
{
	size_t length = strlen(name);
	char path[PATH_MAX];

	(void)depth;
	if (length < 6 || strcmp(name + length - 5, ".conf") || !join(root, path, folder, name))
		return 0;
	if (!within(root, &root->configurations, CONFIGURATION_MAX))
		return 0;
	return visit_configuration(root, path);
}

static int visit_entries_of(struct root *root, const char *path,
			    int (*visit)(struct root *root, const char *path, const char *name,
					 int depth))
{
	int fd = open_folder(root, path);

	return fd < 0 ? failed(root, fd) : each_entry(root, fd, visit, path, 0);
}

static int visit_root(struct root *root)
{
	static const char *const folder[] = {"usr/lib", "usr/lib64",	 "lib",
					     "lib64",	"usr/local/lib", "usr/local/lib64"};
	static const char *const configuration[] = {"etc/ld.so.conf", "etc/ld-musl-x86_64.path",
						    "etc/ld-musl-aarch64.path"};
	int result = 0;

	for (size_t i = 0; !result && i < sizeof(folder) / sizeof(folder[0]); i++)
		result = visit_folder(root, folder[i], 0);
	for (size_t i = 0; !result && i < sizeof(configuration) / sizeof(configuration[0]); i++)
		result = visit_configuration(root, configuration[i]);
	if (!result)
		result = visit_entries_of(root, "etc/ld.so.conf.d", visit_conf_d);
	if (!result)
		result = visit_entries_of(root, "opt", visit_opt);
	return result;
}

/* 1: this root is to be visited; 0: it was, or there are too many; or negative errno. */
static int root_is_new(struct root *root)
{
	struct seen *met = &root->scan->met;
	struct seen_key key, number = {.one = root->process->mntns, .kind = SEEN_ROOT_NUMBER};
	int result = key_of(root->fd, SEEN_ROOT, root->process->mntns, &key);

	if (result)
		return failed(root, result);
	if (seen_has(met, &key))
		return 0;
	result = seen_add(met, &key);
	if (result < 0)
		return scan_failed(root->scan, result);
	if (root->scan->roots >= ROOTS_MAX)
		return scan_failed(root->scan, -ENOSPC);
	/* One namespace must not use up what is for all. */
	while (number.two < ROOTS_OF_ONE_MAX && seen_has(met, &number))
		number.two++;
	if (number.two == ROOTS_OF_ONE_MAX)
		return scan_failed(root->scan, -ENOSPC);
	result = seen_add(met, &number);
	root->scan->roots++;
	return result < 0 ? scan_failed(root->scan, result) : 1;
}

int scan_root(struct scan *scan, const struct process *process)
{
	struct root root = {.scan = scan, .process = process};
	char self[40];
	ssize_t length;
	int namespace, result;

	/* While this is open, the namespace keeps its mounts even when the process ends. */
	namespace = openat(process->dir, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (namespace < 0)
		return error_is_ours(errno) ? -errno : 0;
	root.fd = openat(process->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0) {
		/* When it has ended, another process of its namespace will do. */
		result = process_ended(errno) ? 0 : scan_failed(scan, -errno);
		goto out_namespace;
	}
	result = root_is_new(&root);
	if (result != 1)
		goto out;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", root.fd);
	length = readlink(self, root.prefix, sizeof(root.prefix) - 1);
	root.prefix[length < 0 || !strcmp(root.prefix, "/") ? 0 : length] = '\0';
	result = seen_init(&root.folders, FOLDERS_MAX);
	if (!result)
		result = visit_root(&root);
	seen_free(&root.folders);
out:
	close(root.fd);
out_namespace:
	close(namespace);
	return result;
}
