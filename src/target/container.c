/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which container a process belongs to: by its cgroup's path, and by what the runtimes of the
 * machine have written down. What is below user.slice was chosen by a user, who may not claim
 * what root's runtimes have named.
 */
#include "path.h"
#include "state.h"
#include "target_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CGROUP_TEXT  (16 << 10)
#define PREFIX_LEAST 4	/* digits of an id that name a container */
#define COMING_S     10 /* a folder that is older and has no state was left over */

/* --- containers with ids that people chose -----------------------------------------------------
 */

/* Whom a state file has to be about: the container of the namespace, or of a part of a path. */
struct place {
	uint32_t mntns;
	const char *path; /* NULL: of the namespace only */
	size_t length;
};

/* Whether one of the process's control groups is this one, or below it. */
static bool is_below(pid_t pid, const char *group, size_t length)
{
	char path[32], *text = malloc(CGROUP_TEXT), *state = NULL;
	bool found = false;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0 && read_small(fd, text, CGROUP_TEXT) > 0)
		for (char *line = strtok_r(text, "\n", &state); line && !found;
		     line = strtok_r(NULL, "\n", &state)) {
			const char *its = strstr(line, ":/");

			found = its && !strncmp(its + 1, group, length) &&
				(its[1 + length] == '/' || !its[1 + length]);
		}
	if (fd >= 0)
		close(fd);
	free(text);
	return found;
}

static bool is_of(void *ctx, const struct runtime_process *process)
{
	const struct place *place = ctx;
	uint32_t its;

	if (process->pid <= 0 || target_mntns_of(process->pid, &its))
		return false;
	return its == place->mntns ||
	       (place->path && is_below(process->pid, place->path, place->length));
}

static int from_name(const char *name, struct place *place, struct target_container *container)
{
	int error = state_read_process(name, is_of, place, container);

	/* An engine above runc or crun, which was told to make no control groups. */
	if (!error && container_is_hexadecimal(name))
		state_read_all(name, container);
	return error;
}

/*
 * Each part of the path may be the id that somebody gave to a runtime; the outermost one counts.
 * What is below it may be a container of its own: that one is in this one.
 */
static int from_parts(const char *path, size_t length, uint32_t mntns,
		      struct target_container *container)
{
	char text[PATH_MAX], *state = NULL;

	if (length >= sizeof(text))
		return -ENOENT;
	snprintf(text, sizeof(text), "%.*s", (int)length, path);
	for (char *part = strtok_r(text, "/", &state); part; part = strtok_r(NULL, "/", &state)) {
		struct place place = {mntns, path, (size_t)(part - text) + strlen(part)};

		if (state_is_file_name(part) && !from_name(part, &place, container))
			return 0;
	}
	return -ENOENT;
}

struct named {
	uint32_t mntns;
	struct target_container *container;
};

static bool take_listed(void *ctx, const struct state_list *list, int folder, const char *id)
{
	struct named *named = ctx;

	(void)list;
	(void)folder;
	return !from_name(id, &(struct place){.mntns = named->mntns}, named->container);
}

static int from_lists(uint32_t mntns, struct target_container *container)
{
	struct named named = {mntns, container};

	return state_each(take_listed, &named) ? 0 : -ENOENT;
}

struct coming {
	bool (*fits)(void *ctx, const struct target_container *container);
	void *ctx;
};

static bool is_coming(void *ctx, const struct state_list *list, int folder, const char *id)
{
	const struct coming *coming = ctx;
	struct target_container container = {0};
	struct stat status;
	char state[PATH_MAX];

	snprintf(container.id, sizeof(container.id), "%s", id);
	if (container_is_hexadecimal(id))
		state_read_all(id, &container);
	if (!coming->fits(coming->ctx, &container) || fstatat(folder, id, &status, 0) ||
	    !state_is_roots(&status) || status.st_mtime + COMING_S < time(NULL))
		return false;
	snprintf(state, sizeof(state), "%s/%s", id, list->state);
	return fstatat(folder, state, &status, 0) && errno == ENOENT;
}

bool target_container_is_coming(bool (*fits)(void *ctx, const struct target_container *container),
				void *ctx)
{
	struct coming coming = {fits, ctx};

	return state_each(is_coming, &coming);
}

/* --- both --------------------------------------------------------------------------------------
 */

static int from_path(const char *path, uint32_t mntns, bool host,
		     struct target_container *container)
{
	struct target_container found;
	struct container_path about;
	bool has = container_path_parse(path, &found, &about), known = false;

	if (!host && !from_parts(path, about.at, mntns, container))
		return 0;
	if (!has)
		return -ENOENT;
	*container = found;
	if (container_is_hexadecimal(container->id))
		known = state_read_all(container->id, container);
	/* A user's control group with the name of root's container is nobody's. */
	return about.of_user && known ? -EPERM : 0;
}

/* The path in each hierarchy, until one tells. */
static int from_paths(char *text, uint32_t mntns, bool host, struct target_container *container)
{
	int result = -ENOENT;
	char *state = NULL;

	for (char *line = strtok_r(text, "\n", &state); line && result == -ENOENT;
	     line = strtok_r(NULL, "\n", &state)) {
		char *path = strstr(line, ":/");

		if (path)
			result = from_path(path + 1, mntns, host, container);
	}
	return result;
}

int target_container_of(pid_t pid, struct target_container *container)
{
	char path[32], *text = malloc(CGROUP_TEXT);
	uint32_t mntns, hosts;
	int dir, error = -ENOMEM;
	bool host;

	memset(container, 0, sizeof(*container));
	if (!text)
		return error;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	error = dir < 0 ? -errno : process_mntns(dir, &mntns);
	if (!error && read_small_at(dir, "cgroup", text, CGROUP_TEXT) < 0)
		error = -ESRCH;
	if (error)
		goto out;
	host = !target_mntns_of(1, &hosts) && hosts == mntns;
	error = from_paths(text, mntns, host, container);
	if (error == -ENOENT && !host)
		error = from_lists(mntns, container);
out:
	if (error)
		memset(container, 0, sizeof(*container));
	if (dir >= 0)
		close(dir);
	free(text);
	return error;
}

/* One pair; what would close it too early is replaced. */
static void put_pair(char *text, size_t size, const char *key, const char *value, const char *more)
{
	size_t length = strlen(text), start;
	int n;

	if (!value[0])
		return;
	n = snprintf(text + length, size - length, "%s=%s%s;", key, value, more);
	if (n < 0 || (size_t)n >= size - length) {
		text[length] = '\0'; /* whole pairs only */
		return;
	}
	start = length + strlen(key) + 1;
	for (size_t i = start; i + 1 < length + (size_t)n; i++)
		if (text[i] == ';')
			text[i] = '?';
}

void target_container_pairs(const struct target_container *container, char *text, size_t size)
{
	char pod[sizeof(container->pod_namespace) + 1] = "";

	text[0] = '\0';
	if (!container->id[0])
		return;
	if (container->pod_namespace[0])
		snprintf(pod, sizeof(pod), "%s/", container->pod_namespace);
	put_pair(text, size, "container", container->name[0] ? container->name : container->id, "");
	if (container->name[0])
		put_pair(text, size, "container-id", container->id, "");
	put_pair(text, size, "image", container->image, "");
	if (container->pod[0])
		put_pair(text, size, "pod", pod[0] ? pod : container->pod,
			 pod[0] ? container->pod : "");
	else
		put_pair(text, size, "pod-uid", container->pod_uid, "");
}

/* --- what people write --------------------------------------------------------------------------
 */

static bool is_prefix(const char *value, const char *id)
{
	size_t length = strlen(value);

	return length >= PREFIX_LEAST && !strncmp(value, id, length) &&
	       strspn(value, "0123456789abcdef-") == length;
}

bool target_container_is(const struct target_container *container, const char *value)
{
	return container->id[0] &&
	       (!strcmp(container->name, value) || !strcmp(container->id, value) ||
		is_prefix(value, container->id));
}

bool target_container_is_in_pod(const struct target_container *container, const char *value)
{
	const char *slash = strchr(value, '/');

	if (slash)
		return container->pod[0] && !strcmp(container->pod, slash + 1) &&
		       strlen(container->pod_namespace) == (size_t)(slash - value) &&
		       !strncmp(container->pod_namespace, value, (size_t)(slash - value));
	return (container->pod[0] && !strcmp(container->pod, value)) ||
	       (container->pod_uid[0] && is_prefix(value, container->pod_uid));
}
