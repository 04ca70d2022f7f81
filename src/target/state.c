/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * State files are read only where nobody but root can write. What they say of names is still
 * anybody's choice who may start a container.
 */
#include "state.h"
#include "target_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATE_MAX   ((size_t)4 << 20)
#define FOLDERS_MAX 64	/* containerd's namespaces */
#define STATES_MAX  256 /* of runc and crun, looked through for one without an id in its path */

/*
 * Where a runtime keeps what it knows of a container; %s: its id. A part with '*' is any
 * folder that fits. */
struct source {
	const char *runtime;
	enum runtime_kind kind;
	const char *path;
};

static const struct source sources[] = {
	{"docker", RUNTIME_DOCKER, "/var/lib/docker/containers/%s/config.v2.json"},
	{"containerd", RUNTIME_OCI,
	 "/run/containerd/io.containerd.runtime.v2.task/*/%s/config.json"},
	{"containerd", RUNTIME_OCI,
	 "/run/k3s/containerd/io.containerd.runtime.v2.task/*/%s/config.json"},
	{"cri-o", RUNTIME_OCI, "/run/containers/storage/*-containers/%s/userdata/config.json"},
	{"podman", RUNTIME_STORAGE, "/var/lib/containers/storage/*-containers/containers.json"},
	{"podman", RUNTIME_STORAGE,
	 "/var/lib/containers/storage/*-containers/volatile-containers.json"},
	{"podman", RUNTIME_STORAGE,
	 "/run/containers/storage/*-containers/volatile-containers.json"},
	{"runc", RUNTIME_RUNC, "/run/runc/%s/state.json"},
	{"runc", RUNTIME_RUNC, "/run/containerd/runc/*/%s/state.json"},
	{"runc", RUNTIME_RUNC, "/run/docker/runtime-runc/moby/%s/state.json"},
	{"crun", RUNTIME_CRUN, "/run/crun/%s/status"},
};

#define N_SOURCES (sizeof(sources) / sizeof(sources[0]))

/* --- state files ------------------------------------------------------------------------------ */

bool state_is_roots(const struct stat *status)
{
	return status->st_uid == 0 && !(status->st_mode & (S_IWGRP | S_IWOTH));
}

/* Not through links, and of root alone. */
static int open_state(const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_NO_MAGICLINKS};
	char folder[PATH_MAX];
	struct stat status;
	int fd;

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (stat(folder, &status))
		return -errno;
	if (!state_is_roots(&status))
		return -EACCES;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) && state_is_roots(&status) &&
	    (size_t)status.st_size < STATE_MAX)
		return fd;
	close(fd);
	return -EACCES;
}

static int read_state(const struct source *source, const char *path, const char *id,
		      struct target_container *container, struct runtime_process *process)
{
	int fd = open_state(path), error = -ENOMEM;
	ssize_t length;
	char *text;

	if (fd < 0)
		return fd;
	text = malloc(STATE_MAX);
	if (text) {
		length = read_small(fd, text, STATE_MAX);
		error = length < 0 ? (int)length
				   : runtime_parse(source->kind, text, (size_t)length, id,
						   container, process);
	}
	free(text);
	close(fd);
	if (!error && !container->runtime[0])
		snprintf(container->runtime, sizeof(container->runtime), "%s", source->runtime);
	return error;
}

bool state_is_file_name(const char *id)
{
	return id[0] && id[0] != '.' && !strchr(id, '/') &&
	       strlen(id) < sizeof(((struct target_container *)NULL)->id);
}

/* "BEFORE/a*b/AFTER": each folder in BEFORE that fits. */
static int read_in_folders(const struct source *source, const char *id,
			   struct target_container *container, struct runtime_process *process)
{
	const char *star = strchr(source->path, '*'), *end = strchr(star, '/');
	char folder[PATH_MAX], fits[PATH_MAX], path[PATH_MAX], rest[PATH_MAX];
	const char *start = star;
	struct dirent *entry;
	int error = -ENOENT;
	DIR *list;

	while (start[-1] != '/')
		start--;
	snprintf(folder, sizeof(folder), "%.*s", (int)(start - source->path), source->path);
	snprintf(fits, sizeof(fits), "%.*s", (int)(end - start), start);
	snprintf(rest, sizeof(rest), end, id);
	list = opendir(folder);
	for (int i = 0; list && error && i < FOLDERS_MAX && (entry = readdir(list)); i++) {
		if (entry->d_name[0] == '.' || fnmatch(fits, entry->d_name, 0) ||
		    snprintf(path, sizeof(path), "%s%s%s", folder, entry->d_name, rest) >=
			    (int)sizeof(path))
			continue;
		error = read_state(source, path, id, container, process);
	}
	if (list)
		closedir(list);
	return error;
}

static int read_source(const struct source *source, const char *id,
		       struct target_container *container, struct runtime_process *process)
{
	char path[PATH_MAX];

	if (strchr(source->path, '*'))
		return read_in_folders(source, id, container, process);
	/* The formats are those of the table, and the id is a file's name. */
	snprintf(path, sizeof(path), source->path, id);
	return read_state(source, path, id, container, process);
}

/* All that the runtimes tell; Docker over containerd over runc has three files for it. */
bool state_read_all(const char *id, struct target_container *container)
{
	bool found = false;

	for (size_t i = 0; i < N_SOURCES; i++)
		found |= !read_source(&sources[i], id, container, NULL);
	return found;
}

/* --- ids that people chose -------------------------------------------------------------------- */

int state_read_process(const char *id,
		       bool (*is_it)(void *ctx, const struct runtime_process *process), void *ctx,
		       struct target_container *container)
{
	for (size_t i = 0; i < N_SOURCES; i++) {
		struct target_container found = {0};
		struct runtime_process process;

		if (sources[i].kind != RUNTIME_RUNC && sources[i].kind != RUNTIME_CRUN)
			continue;
		if (read_source(&sources[i], id, &found, &process) || !is_it(ctx, &process))
			continue;
		*container = found;
		snprintf(container->id, sizeof(container->id), "%s", id);
		return 0;
	}
	return -ENOENT;
}

static const struct state_list lists[] = {
	{"runc", "/run/runc", "state.json"},
	{"crun", "/run/crun", "status"},
};

static bool each_listed(const struct state_list *list,
			bool (*fn)(void *ctx, const struct state_list *list, int folder,
				   const char *id),
			void *ctx)
{
	DIR *folder = opendir(list->path);
	struct dirent *entry;
	bool found = false;

	for (int n = 0; folder && !found && n < STATES_MAX && (entry = readdir(folder)); n++)
		if (state_is_file_name(entry->d_name))
			found = fn(ctx, list, dirfd(folder), entry->d_name);
	if (folder)
		closedir(folder);
	return found;
}

bool state_each(bool (*fn)(void *ctx, const struct state_list *list, int folder, const char *id),
		void *ctx)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (each_listed(&lists[i], fn, ctx))
			return true;
	return false;
}
