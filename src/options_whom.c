/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The options that say whom to capture. */
#include "options_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <tlspcap/target.h>

static enum options_result add_mntns(struct options *options, const char *value)
{
	uint32_t inode;
	int error;

	if (options->n_mntns == OPTIONS_LIST_MAX)
		return options_list_is_full("--mntns");
	error = target_parse_mntns(value, &inode);
	if (error == -EINVAL) {
		options_say(
			"--mntns=%s: neither an inode number nor a path; `lsns -t mnt` shows the "
			"numbers, /proc/PID/ns/mnt is the path of a process's",
			value);
		return OPTIONS_WRONG;
	}
	if (error) {
		options_say("--mntns=%s: %s; `lsns -t mnt` shows the mount namespaces", value,
			    error == -ENOTTY ? "not a mount namespace" : strerror(-error));
		return OPTIONS_FAILED;
	}
	if (target_find_process(inode) < 0) {
		options_say("--mntns=%s: no process lives in mount namespace %" PRIu32
			    "; `lsns -t mnt` shows those that have one",
			    value, inode);
		return OPTIONS_FAILED;
	}
	options->mntns[options->n_mntns++] = inode;
	return OPTIONS_RUN;
}

static enum options_result add_pid(struct options *options, const char *value)
{
	uint64_t pid;

	if (options->n_pid == OPTIONS_LIST_MAX)
		return options_list_is_full("--pid");
	if (!options_parse_number(value, 1, INT_MAX, &pid)) {
		options_say("--pid=%s: not a process id", value);
		return OPTIONS_WRONG;
	}
	if (kill((pid_t)pid, 0) && errno == ESRCH) {
		options_say("--pid=%s: there is no such process", value);
		return OPTIONS_FAILED;
	}
	options->pid[options->n_pid++] = (pid_t)pid;
	return OPTIONS_RUN;
}

static enum options_result add_uid(struct options *options, const char *value)
{
	struct passwd *user;
	uint64_t uid;

	if (options->n_uid == OPTIONS_LIST_MAX)
		return options_list_is_full("--uid");
	if (!options_parse_number(value, 0, UINT32_MAX - 1, &uid)) {
		user = getpwnam(value);
		if (!user) {
			options_say("--uid=%s: neither a number nor a user of this machine", value);
			return OPTIONS_WRONG;
		}
		uid = user->pw_uid;
	}
	options->uid[options->n_uid++] = (uid_t)uid;
	return OPTIONS_RUN;
}

static enum options_result add_netns(struct options *options, const char *value)
{
	uint32_t inode;
	int error;

	if (options->n_netns == OPTIONS_LIST_MAX)
		return options_list_is_full("--netns");
	error = target_parse_netns(value, &inode);
	if (error == -EINVAL) {
		options_say("--netns=%s: neither an inode number nor a path such as "
			    "/proc/PID/ns/net or /run/netns/NAME",
			    value);
		return OPTIONS_WRONG;
	}
	if (error) {
		options_say("--netns=%s: %s; `lsns -t net` shows the network namespaces", value,
			    error == -ENOTTY ? "not a network namespace" : strerror(-error));
		return OPTIONS_FAILED;
	}
	options->netns[options->n_netns++] = inode;
	return OPTIONS_RUN;
}

/* One more text of a list; an empty one can only be a mistake. */
static enum options_result add_text(const char *option, const char **list, size_t *n,
				    const char *value)
{
	if (*n == OPTIONS_LIST_MAX)
		return options_list_is_full(option);
	if (!value[0]) {
		options_say("%s wants a value", option);
		return OPTIONS_WRONG;
	}
	list[(*n)++] = value;
	return OPTIONS_RUN;
}

static enum options_result add_comm(struct options *options, const char *value)
{
	return add_text("--comm", options->comm, &options->n_comm, value);
}

static enum options_result add_cgroup(struct options *options, const char *value)
{
	return add_text("--cgroup", options->cgroup, &options->n_cgroup, value);
}

static enum options_result add_container(struct options *options, const char *value)
{
	return add_text("--container", options->container, &options->n_container, value);
}

static enum options_result add_pod(struct options *options, const char *value)
{
	return add_text("--pod", options->pod, &options->n_pod, value);
}

static enum options_result add_pod_namespace(struct options *options, const char *value)
{
	return add_text("--pod-namespace", options->pod_namespace, &options->n_pod_namespace,
			value);
}

static enum options_result add_lib(struct options *options, const char *value)
{
	if (options->n_lib == OPTIONS_LIST_MAX)
		return options_list_is_full("--lib");
	options->lib[options->n_lib++] = value;
	return OPTIONS_RUN;
}

const struct options_group options_whom = {
	"Whom to capture (default: the whole machine; each may be repeated, which widens the\n"
	"choice, and different ones narrow it down)",
	{
		{"container", 0, "NAME|ID", add_container,
		 "this container of Docker, Podman, containerd, CRI-O, runc\n"
		 "or crun; four digits of an id will do; it need not be\n"
		 "there yet"},
		{"pod", 0, "POD", add_pod, "this Kubernetes pod: NAME, NAMESPACE/NAME, or its uid"},
		{"pod-namespace", 0, "NAME", add_pod_namespace,
		 "pods of this Kubernetes namespace"},
		{"mntns", 0, "N|PATH", add_mntns,
		 "processes in this mount namespace: its inode number, or\n"
		 "a path such as /proc/PID/ns/mnt"},
		{"pid", 0, "PID", add_pid, "this process"},
		{"uid", 0, "UID|USER", add_uid, "processes of this user"},
		{"comm", 0, "NAME", add_comm, "processes of this name (ps -o comm)"},
		{"cgroup", 0, "PATH", add_cgroup,
		 "processes in this control group or below; it need not be\n"
		 "there yet"},
		{"netns", 0, "N|PATH", add_netns, "processes in this network namespace"},
		{"lib", 0, "FILE", add_lib,
		 "this library or program too, where the search does not\n"
		 "find it"},
	},
};
