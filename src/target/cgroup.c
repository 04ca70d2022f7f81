/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Control groups as people name them: by a folder below /sys/fs/cgroup, or by the path that
 * /proc/PID/cgroup shows. Version 2 has one hierarchy; of version 1, each controller may have
 * one of its own.
 */
#include "target_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOUNTS_MAX 32
#define LINE_MAX_  8192

struct mounts {
	struct target_cgroup mount[MOUNTS_MAX]; /* folder: the mount point; path: empty */
	size_t n;
};

/* What the kernel's enum cgroup_subsys_id has: the mount's other options are none. */
static bool is_controller(const char *name)
{
	static const char *const names[] = {"cpuset",	  "cpu",      "cpuacct", "blkio",
					    "memory",	  "devices",  "freezer", "net_cls",
					    "perf_event", "net_prio", "hugetlb", "pids"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* "36 35 0:31 / /sys/fs/cgroup/memory rw,… shared:1 - cgroup cgroup rw,memory" */
static void add_mount(struct mounts *mounts, char *line)
{
	char *rest = strstr(line, " - "), *state = NULL, type[32], options[256], point[PATH_MAX];
	struct target_cgroup *mount = &mounts->mount[mounts->n];

	if (!rest || mounts->n == MOUNTS_MAX ||
	    sscanf(rest, " - %31s %*s %255s", type, options) != 2 ||
	    sscanf(line, "%*d %*d %*s / %4095s", point) != 1)
		return;
	*mount = (struct target_cgroup){0};
	snprintf(mount->folder, sizeof(mount->folder), "%s", point);
	if (!strcmp(type, "cgroup2")) {
		mounts->n++;
		return;
	}
	if (strcmp(type, "cgroup"))
		return;
	for (char *word = strtok_r(options, ",", &state); word; word = strtok_r(NULL, ",", &state))
		if (is_controller(word) && !mount->controller[0])
			snprintf(mount->controller, sizeof(mount->controller), "%s", word);
	/* A hierarchy with a name only (name=systemd) has no place in a task. */
	mounts->n += mount->controller[0] != '\0';
}

static void read_mounts(struct mounts *mounts)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = malloc(LINE_MAX_);

	mounts->n = 0;
	while (file && line && fgets(line, LINE_MAX_, file))
		add_mount(mounts, line);
	free(line);
	if (file)
		fclose(file);
}

static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

/* Joins a mount and a path in it; false: it does not fit. */
static bool set_path(struct target_cgroup *cgroup, const struct target_cgroup *mount,
		     const char *path)
{
	size_t length;
	int n;

	*cgroup = *mount;
	while (*path == '/')
		path++;
	n = snprintf(cgroup->path, sizeof(cgroup->path), "/%s", path);
	if (n < 0 || (size_t)n >= sizeof(cgroup->path))
		return false;
	for (length = (size_t)n; length > 1 && cgroup->path[length - 1] == '/'; length--)
		cgroup->path[length - 1] = '\0';
	n = snprintf(cgroup->folder, sizeof(cgroup->folder), "%s%s", mount->folder, cgroup->path);
	return n >= 0 && (size_t)n < sizeof(cgroup->folder);
}

static int choose(const struct mounts *mounts, const char *value, struct target_cgroup *cgroup)
{
	const struct target_cgroup *best = NULL;
	uint64_t inode;

	for (size_t i = 0; i < mounts->n; i++)
		if (is_below(value, mounts->mount[i].folder) &&
		    (!best || strlen(mounts->mount[i].folder) > strlen(best->folder)))
			best = &mounts->mount[i];
	if (best)
		return set_path(cgroup, best, value + strlen(best->folder)) ? 0 : -EINVAL;
	/* Not a folder: a path in a hierarchy, the first that has it. */
	for (size_t i = 0; i < mounts->n; i++)
		if (set_path(cgroup, &mounts->mount[i], value) &&
		    !target_cgroup_inode(cgroup, &inode))
			return 0;
	/* It is not there yet: where runtimes make one first. */
	for (size_t i = 0; i < mounts->n; i++)
		if (!best || !strcmp(mounts->mount[i].controller, "memory"))
			best = &mounts->mount[i];
	return best && set_path(cgroup, best, value) ? 0 : -EINVAL;
}

int target_cgroup_parse(const char *value, struct target_cgroup *cgroup)
{
	struct mounts *mounts = malloc(sizeof(*mounts));
	int error = -ENOMEM;

	if (!mounts)
		return error;
	read_mounts(mounts);
	error = mounts->n ? choose(mounts, value, cgroup) : -EOPNOTSUPP;
	free(mounts);
	return error;
}

int target_cgroup_inode(const struct target_cgroup *cgroup, uint64_t *inode)
{
	struct stat status;

	if (stat(cgroup->folder, &status))
		return -errno;
	*inode = status.st_ino;
	return 0;
}

/* Whether "N:controllers:path" is the line of this hierarchy; its path, or NULL. */
static const char *path_of(char *line, const char *controller)
{
	char *controllers = strchr(line, ':'), *path, *state = NULL;

	path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return NULL;
	*path++ = '\0';
	controllers++;
	if (!controller[0])
		return controllers[0] ? NULL : path;
	for (char *word = strtok_r(controllers, ",", &state); word;
	     word = strtok_r(NULL, ",", &state))
		if (!strcmp(word, controller))
			return path;
	return NULL;
}

bool cgroup_has(const struct target_cgroup *cgroup, int dir)
{
	char *text = malloc(SCAN_BUFFER), *state = NULL;
	bool has = false;

	if (text && read_small_at(dir, "cgroup", text, SCAN_BUFFER) > 0) {
		for (char *line = strtok_r(text, "\n", &state); line && !has;
		     line = strtok_r(NULL, "\n", &state)) {
			const char *path = path_of(line, cgroup->controller);

			has = path && (!cgroup->path[1] || is_below(path, cgroup->path));
		}
	}
	free(text);
	return has;
}
