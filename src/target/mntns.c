/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Mount namespaces as people write them, and as they like to read them. */
#include "target_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CONTAINER_ID_LENGTH 64
#define CONTAINER_ID_SHOWN  12
/* PROC_PID_INIT_INO of the kernel's proc_ns.h, the same since Linux 3.8. */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu
#define CGROUP_TEXT	      (16 << 10)
#define TEXT_MAX	      768

/* Digits that fill the text up to `end`. */
static int parse_number(const char *text, char end, uint32_t *mntns)
{
	char *rest;
	unsigned long long value;

	/* strtoull() would take spaces and signs. */
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &rest, 10);
	if (errno || !value || value > UINT32_MAX || rest[0] != end || (end && rest[1]))
		return -EINVAL;
	*mntns = (uint32_t)value;
	return 0;
}

/* Whether an open file of the nsfs file system is such a namespace: 0 or -ENOTTY. */
static int check_kind(int fd, int kind)
{
	return ioctl(fd, NS_GET_NSTYPE) == kind ? 0 : -ENOTTY;
}

static int parse_path(const char *path, int kind, uint32_t *mntns)
{
	struct statfs system;
	struct stat status;
	char self[40];
	int fd, path_fd = open(path, O_PATH | O_CLOEXEC), error = -ENOTTY;

	if (path_fd < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	/* Only what is a namespace is opened: a FIFO would wait, a device might act. */
	if (fstatfs(path_fd, &system) || system.f_type != NSFS_MAGIC)
		goto out;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		error = -errno;
		goto out;
	}
	error = check_kind(fd, kind);
	if (!error && fstat(fd, &status))
		error = -errno;
	if (!error)
		*mntns = (uint32_t)status.st_ino;
	close(fd);
out:
	close(path_fd);
	return error;
}

static int parse_namespace(const char *text, const char *prefix, int kind, uint32_t *inode)
{
	size_t length = strlen(prefix);

	if (strchr(text, '/'))
		return parse_path(text, kind, inode);
	if (!strncmp(text, prefix, length))
		return parse_number(text + length, ']', inode);
	return parse_number(text, '\0', inode);
}

int target_parse_mntns(const char *text, uint32_t *mntns)
{
	return parse_namespace(text, "mnt:[", CLONE_NEWNS, mntns);
}

int target_parse_netns(const char *text, uint32_t *netns)
{
	return parse_namespace(text, "net:[", CLONE_NEWNET, netns);
}

/* printf() to a text of a given size; what does not fit ends with "...". */
__attribute__((format(printf, 3, 4))) static void put(char *text, size_t size, const char *format,
						      ...)
{
	va_list arguments;
	int length;

	if (!size)
		return;
	va_start(arguments, format);
	length = vsnprintf(text, size, format, arguments);
	va_end(arguments);
	if (length < 0)
		text[0] = '\0';
	else if ((size_t)length >= size && size > 4)
		memcpy(text + size - 4, "...", 4);
}

/* A process's name and its cgroup are its own words: terminals see plain characters only. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

static void read_name(int dir, char *name, size_t size)
{
	ssize_t length = read_small_at(dir, "comm", name, size);

	if (length <= 0) {
		put(name, size, "?");
		return;
	}
	if (name[length - 1] == '\n')
		name[length - 1] = '\0';
	make_plain(name);
}

/*
 * The cgroup's path: that of version 2, or where it tells nothing, of the first hierarchy of
 * version 1 that does. Lines are "number:controllers:path".
 */
static void read_cgroup(int dir, char *path, size_t size)
{
	char *text = malloc(CGROUP_TEXT), *state = NULL;
	const char *best = "";

	path[0] = '\0';
	if (!text)
		return;
	if (read_small_at(dir, "cgroup", text, CGROUP_TEXT) <= 0)
		goto out;
	for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		const char *at = strchr(line, ':');

		at = at ? strchr(at + 1, ':') : NULL;
		if (!at)
			continue;
		if (!strncmp(line, "0::", 3) && (at[1] != '/' || at[2]))
			best = at + 1;
		else if (!best[0] || !strcmp(best, "/"))
			best = at + 1;
	}
	put(path, size, "%s", best);
	make_plain(path);
out:
	free(text);
}

/* Whether our /proc is that of the initial pid namespace, where pid 2 is the kernel's. */
static bool sees_kernel_threads(void)
{
	struct stat status;

	return !stat("/proc/self/ns/pid", &status) && status.st_ino == INITIAL_PID_NAMESPACE;
}

/*
 * Pid 1's namespace. Where pid 1 is closed even to root, the first kernel thread tells: it
 * lives where the system was started.
 */
static bool is_host(uint32_t mntns)
{
	uint32_t host;
	int error = target_mntns_of(1, &host);

	if ((error == -EACCES || error == -EPERM) && sees_kernel_threads())
		error = target_mntns_of(2, &host);
	return !error && host == mntns;
}

/* What people see of an id: of 64 digits the first ones, of a name that was chosen all. */
static int shown(const struct target_container *container)
{
	return strlen(container->id) == CONTAINER_ID_LENGTH ? CONTAINER_ID_SHOWN : INT_MAX;
}

/* "web (docker 0123456789ab, image nginx, pod default/web-1)": what is known of it. */
static void put_container(char *text, size_t size, const struct target_container *container)
{
	put(text, size, "%s%s%s %.*s%s%s%s%s%s%s", container->name, container->name[0] ? " (" : "",
	    container->runtime[0] ? container->runtime : "container", shown(container),
	    container->id, container->image[0] ? ", image " : "", container->image,
	    container->pod[0] ? ", pod " : "", container->pod_namespace,
	    container->pod[0] ? "/" : "", container->pod);
	if (container->name[0] && strlen(text) + 2 < size)
		strcat(text, ")");
}

static void put_name(char *name, size_t size, const char *comm, bool host,
		     const struct target_container *container)
{
	if (host)
		put(name, size, "host");
	else if (container->name[0] && container->pod[0])
		put(name, size, "%s %.*s %s/%s", container->name, shown(container), container->id,
		    container->pod_namespace, container->pod);
	else if (container->id[0])
		put(name, size, "%s %.*s", container->name[0] ? container->name : comm,
		    shown(container), container->id);
	else
		put(name, size, "%s", comm);
}

static void describe(const struct process *process, const struct target_container *container,
		     char *name, size_t name_size, char *description, size_t description_size)
{
	char comm[64], cgroup[PATH_MAX], text[TEXT_MAX] = "";
	const bool host = is_host(process->mntns);

	read_name(process->dir, comm, sizeof(comm));
	read_cgroup(process->dir, cgroup, sizeof(cgroup));
	put_name(name, name_size, comm, host, container);
	if (container->id[0])
		put_container(text, sizeof(text), container);
	put(description, description_size,
	    "mount namespace %u%s%s%s: first process %d (%s), root /proc/%d/root%s%s",
	    process->mntns, host ? " (the host's)" : "", text[0] ? ", container " : "", text,
	    process->pid, comm, process->pid, cgroup[0] ? ", cgroup " : "", cgroup);
}

static void describe_empty(uint32_t mntns, char *name, size_t name_size, char *description,
			   size_t description_size)
{
	if (is_host(mntns))
		put(name, name_size, "host");
	else
		put(name, name_size, "mntns %u", mntns);
	put(description, description_size,
	    "mount namespace %u: no process that we can see lives in it", mntns);
}

void target_describe_mntns(uint32_t mntns, char *name, size_t name_size, char *description,
			   size_t description_size)
{
	struct target_container container;
	struct process first;

	if (process_oldest(mntns, &first)) {
		describe_empty(mntns, name, name_size, description, description_size);
		return;
	}
	target_container_of(first.pid, &container);
	describe(&first, &container, name, name_size, description, description_size);
	close(first.dir);
}

void target_describe_process(pid_t pid, uint32_t mntns, const struct target_container *container,
			     char *name, size_t name_size, char *description,
			     size_t description_size)
{
	struct process process = {.pid = pid, .mntns = mntns};
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	process.dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process.dir < 0) {
		describe_empty(mntns, name, name_size, description, description_size);
		return;
	}
	describe(&process, container, name, name_size, description, description_size);
	close(process.dir);
}
