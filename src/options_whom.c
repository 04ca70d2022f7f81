/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The options that say whom to capture. */
#include "options_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
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

static enum options_result add_lib(struct options *options, const char *value)
{
	if (options->n_lib == OPTIONS_LIST_MAX)
		return options_list_is_full("--lib");
	options->lib[options->n_lib++] = value;
	return OPTIONS_RUN;
}

const struct options_group options_whom = {
	"Whom to capture (without one of these: the whole machine; several narrow it down)",
	{
		{"mntns", 0, "N|PATH", add_mntns,
		 "processes in this mount namespace: its inode number, or\n"
		 "a path such as /proc/PID/ns/mnt; may be repeated"},
		{"pid", 0, "PID", add_pid, "this process; may be repeated"},
		{"uid", 0, "UID|USER", add_uid, "processes of this user; may be repeated"},
		{"lib", 0, "FILE", add_lib,
		 "this library or program too, where the search does not\n"
		 "find it; may be repeated"},
	},
};
