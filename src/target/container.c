/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which container a process belongs to: by its cgroup's path, and by what the runtimes of the
 * machine have written down.
 *
 * Who may make cgroups inside of a container can give them any name, another container's too.
 * So the outermost id in the path counts, which the runtime of the machine chose. What is
 * below user.slice was chosen by a user, who may not claim what root's runtimes have named.
 * State files are read only where nobody but root can write.
 */
#include "runtime.h"
#include "target_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ID_DIGITS    64
#define STATE_MAX    ((size_t)4 << 20)
#define FOLDERS_MAX  64	 /* containerd's namespaces */
#define STATES_MAX   256 /* of runc and crun, looked through for one without an id in its path */
#define CGROUP_TEXT  (16 << 10)
#define PREFIX_LEAST 4	/* digits of an id that name a container */
#define COMING_S     10 /* a folder that is older and has no state was left over */

/* Where a runtime keeps what it knows of a container; %s: its id. One '*' is any folder. */
struct source {
	const char *runtime;
	enum runtime_kind kind;
	const char *path;
};

static const struct source sources[] = {
	{"docker", RUNTIME_DOCKER, "/var/lib/docker/containers/%s/config.v2.json"},
	{"containerd", RUNTIME_OCI,
	 "/run/containerd/io.containerd.runtime.v2.task/*/%s/config.json"},
	{"cri-o", RUNTIME_OCI,
	 "/run/containers/storage/overlay-containers/%s/userdata/config.json"},
	{"podman", RUNTIME_STORAGE,
	 "/var/lib/containers/storage/overlay-containers/containers.json"},
	{"podman", RUNTIME_STORAGE,
	 "/var/lib/containers/storage/overlay-containers/volatile-containers.json"},
	{"runc", RUNTIME_RUNC, "/run/runc/%s/state.json"},
	{"runc", RUNTIME_RUNC, "/run/containerd/runc/*/%s/state.json"},
	{"runc", RUNTIME_RUNC, "/run/docker/runtime-runc/moby/%s/state.json"},
	{"crun", RUNTIME_CRUN, "/run/crun/%s/status"},
};

#define N_SOURCES (sizeof(sources) / sizeof(sources[0]))

/* Folders whose entries are ids that people chose, and what the runtime writes there. */
static const struct list {
	const char *runtime, *path, *state;
} lists[] = {
	{"runc", "/run/runc", "state.json"},
	{"crun", "/run/crun", "status"},
};

#define N_LISTS (sizeof(lists) / sizeof(lists[0]))

/* --- state files ------------------------------------------------------------------------------ */

static bool is_roots(const struct stat *status)
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
	if (!is_roots(&status))
		return -EACCES;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) && is_roots(&status) &&
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

/* An id that people chose becomes part of a path. */
static bool is_file_name(const char *id)
{
	return id[0] && id[0] != '.' && !strchr(id, '/') &&
	       strlen(id) < sizeof(((struct target_container *)NULL)->id);
}

static int read_in_folders(const struct source *source, const char *id,
			   struct target_container *container, struct runtime_process *process)
{
	const char *star = strchr(source->path, '*');
	char folder[PATH_MAX], path[PATH_MAX], rest[PATH_MAX];
	struct dirent *entry;
	int error = -ENOENT;
	DIR *list;

	snprintf(folder, sizeof(folder), "%.*s", (int)(star - source->path), source->path);
	snprintf(rest, sizeof(rest), star + 1, id);
	list = opendir(folder);
	for (int i = 0; list && error && i < FOLDERS_MAX && (entry = readdir(list)); i++) {
		if (entry->d_name[0] == '.' || snprintf(path, sizeof(path), "%s%s%s", folder,
							entry->d_name, rest) >= (int)sizeof(path))
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
static bool read_all(const char *id, struct target_container *container)
{
	bool found = false;

	for (size_t i = 0; i < N_SOURCES; i++)
		found |= !read_source(&sources[i], id, container, NULL);
	return found;
}

/* --- the cgroup's path ------------------------------------------------------------------------ */

/* The outermost 64 hexadecimal digits with no others beside them; NULL: there are none. */
static const char *find_id(const char *path)
{
	static const char digits[] = "0123456789abcdef";

	while (*path) {
		size_t length = strspn(path, digits);

		if (length == ID_DIGITS)
			return path;
		path += length;
		path += strcspn(path, digits);
	}
	return NULL;
}

/* "…-pod<uid>.slice" and "/pod<uid>/": systemd writes '_' where the uid has '-'. */
static void find_pod(const char *path, struct target_container *container)
{
	const char *at = strstr(path, "kubepods");
	size_t length;

	if (!at || container->pod_uid[0])
		return;
	for (at = strstr(at, "pod"); at; at = strstr(at + 1, "pod")) {
		length = strspn(at + 3, "0123456789abcdef-_");
		if (length < 32 || length >= sizeof(container->pod_uid))
			continue;
		snprintf(container->pod_uid, sizeof(container->pod_uid), "%.*s", (int)length,
			 at + 3);
		for (char *c = container->pod_uid; *c; c++)
			*c = *c == '_' ? '-' : *c;
		return;
	}
}

/* Seen from a control group namespace of our own, paths of others begin with "/..". */
static bool is_users(const char *path)
{
	while (!strncmp(path, "/..", 3))
		path += 3;
	return !strncmp(path, "/user.slice/", 12);
}

static int from_path(const char *path, struct target_container *container)
{
	const char *id = find_id(path);
	bool known;

	if (!id)
		return -ENOENT;
	memset(container, 0, sizeof(*container));
	snprintf(container->id, sizeof(container->id), "%.*s", ID_DIGITS, id);
	known = read_all(container->id, container);
	if (is_users(path) && known)
		return -EPERM; /* a user's cgroup with the name of root's container */
	find_pod(path, container);
	return 0;
}

/* --- containers without such an id ------------------------------------------------------------ */

/* Whether the process that a state file names lives in the namespace. */
static bool lives_in(const struct runtime_process *process, uint32_t mntns)
{
	uint32_t its;

	return process->pid > 0 && !target_mntns_of(process->pid, &its) && its == mntns;
}

static int from_name(const char *name, uint32_t mntns, struct target_container *container)
{
	for (size_t i = 0; i < N_SOURCES; i++) {
		struct target_container found = {0};
		struct runtime_process process;

		if (sources[i].kind != RUNTIME_RUNC && sources[i].kind != RUNTIME_CRUN)
			continue;
		if (read_source(&sources[i], name, &found, &process) || !lives_in(&process, mntns))
			continue;
		*container = found;
		snprintf(container->id, sizeof(container->id), "%s", name);
		return 0;
	}
	return -ENOENT;
}

/* Each part of the path may be the id that somebody gave to runc. */
static int from_parts(const char *path, uint32_t mntns, struct target_container *container)
{
	char text[PATH_MAX], *state = NULL;

	snprintf(text, sizeof(text), "%s", path);
	for (char *part = strtok_r(text, "/", &state); part; part = strtok_r(NULL, "/", &state))
		if (is_file_name(part) && !from_name(part, mntns, container))
			return 0;
	return -ENOENT;
}

/* Calls fn for the folder of each id, until it returns true. */
static bool each_listed(const struct list *list,
			bool (*fn)(void *ctx, const struct list *list, int folder, const char *id),
			void *ctx)
{
	DIR *folder = opendir(list->path);
	struct dirent *entry;
	bool found = false;

	for (int n = 0; folder && !found && n < STATES_MAX && (entry = readdir(folder)); n++)
		if (is_file_name(entry->d_name))
			found = fn(ctx, list, dirfd(folder), entry->d_name);
	if (folder)
		closedir(folder);
	return found;
}

struct named {
	uint32_t mntns;
	struct target_container *container;
};

static bool take_listed(void *ctx, const struct list *list, int folder, const char *id)
{
	struct named *named = ctx;

	(void)list;
	(void)folder;
	return !from_name(id, named->mntns, named->container);
}

static int from_lists(uint32_t mntns, struct target_container *container)
{
	struct named named = {mntns, container};

	for (size_t i = 0; i < N_LISTS; i++)
		if (each_listed(&lists[i], take_listed, &named))
			return 0;
	return -ENOENT;
}

struct coming {
	bool (*fits)(void *ctx, const struct target_container *container);
	void *ctx;
};

static bool is_coming(void *ctx, const struct list *list, int folder, const char *id)
{
	const struct coming *coming = ctx;
	struct target_container container = {0};
	struct stat status;
	char state[PATH_MAX];

	snprintf(container.id, sizeof(container.id), "%s", id);
	snprintf(container.runtime, sizeof(container.runtime), "%s", list->runtime);
	if (!coming->fits(coming->ctx, &container) || fstatat(folder, id, &status, 0) ||
	    !is_roots(&status) || status.st_mtime + COMING_S < time(NULL))
		return false;
	snprintf(state, sizeof(state), "%s/%s", id, list->state);
	return fstatat(folder, state, &status, 0) && errno == ENOENT;
}

bool target_container_is_coming(bool (*fits)(void *ctx, const struct target_container *container),
				void *ctx)
{
	struct coming coming = {fits, ctx};

	for (size_t i = 0; i < N_LISTS; i++)
		if (each_listed(&lists[i], is_coming, &coming))
			return true;
	return false;
}

/* --- both --------------------------------------------------------------------------------------
 */

/* Calls fn for the path in each hierarchy, until it returns 0. */
static int each_path(char *text,
		     int (*fn)(const char *path, uint32_t mntns,
			       struct target_container *container),
		     uint32_t mntns, struct target_container *container)
{
	char *copy = strdup(text), *state = NULL;
	int result = copy ? -ENOENT : -ENOMEM;

	for (char *line = copy ? strtok_r(copy, "\n", &state) : NULL; line && result;
	     line = strtok_r(NULL, "\n", &state)) {
		char *at = strchr(line, ':');

		at = at ? strchr(at + 1, ':') : NULL;
		if (!at)
			continue;
		result = fn(at + 1, mntns, container);
		if (result == -EPERM)
			break;
	}
	free(copy);
	return result;
}

static int by_path(const char *path, uint32_t mntns, struct target_container *container)
{
	(void)mntns;
	return from_path(path, container);
}

int target_container_of(pid_t pid, struct target_container *container)
{
	char path[32], *text = malloc(CGROUP_TEXT);
	uint32_t mntns, host = 0;
	int dir, error = -ENOMEM;

	memset(container, 0, sizeof(*container));
	if (!text)
		return error;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	error = dir < 0 ? -errno : 0;
	if (!error)
		error = process_mntns(dir, &mntns);
	if (!error && read_small_at(dir, "cgroup", text, CGROUP_TEXT) < 0)
		error = -ESRCH;
	if (!error)
		error = each_path(text, by_path, mntns, container);
	if (error == -ENOENT && (target_mntns_of(1, &host) || host != mntns)) {
		error = each_path(text, from_parts, mntns, container);
		if (error == -ENOENT)
			error = from_lists(mntns, container);
	}
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
