/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CAP_BPF /* Linux 5.8 */
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif
#ifndef CAP_CHECKPOINT_RESTORE /* Linux 5.9 */
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define BIT(capability) (1ull << (capability))

static int read_capabilities(struct __user_cap_header_struct *header,
			     struct __user_cap_data_struct data[2])
{
	memset(header, 0, sizeof(*header));
	header->version = _LINUX_CAPABILITY_VERSION_3;
	return syscall(SYS_capget, header, data) ? -errno : 0;
}

/*
 * Debian's kernels, and others with that patch, want CAP_SYS_ADMIN for every perf event when
 * kernel.perf_event_paranoid is above 2, as it is there; CAP_PERFMON is not enough. Tried with a
 * cgroup that is none: what comes after that question is EINVAL, and no event is made.
 */
static bool perf_wants_admin(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.exclude_kernel = 1,
	};
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2] = {0}, saved[2];
	bool wants;

	if (read_capabilities(&header, data))
		return false;
	memcpy(saved, data, sizeof(saved));
	data[0].effective = data[0].permitted & ~(uint32_t)BIT(CAP_SYS_ADMIN);
	data[1].effective = data[1].permitted;
	if (syscall(SYS_capset, &header, data))
		return false;
	wants = syscall(SYS_perf_event_open, &attr, -1, -1, -1, PERF_FLAG_PID_CGROUP) < 0 &&
		errno == EACCES;
	syscall(SYS_capset, &header, saved);
	return wants;
}

/* `permitted` can be put into effect again; `keep` is in effect. */
static int keep_only(uint64_t keep, uint64_t permitted)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2] = {0};
	int error = read_capabilities(&header, data);

	if (error)
		return error;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(permitted >> (32 * i));
		data[i].effective = data[i].permitted & (uint32_t)(keep >> (32 * i));
		data[i].inheritable = 0;
	}
	/* No program that is run from here can get them back. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (syscall(SYS_capset, &header, data))
		return -errno;
	return 0;
}

int privileges_drop(bool files, bool hold)
{
	const uint64_t keep = BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_PTRACE) |
			      BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_CHECKPOINT_RESTORE) |
			      (hold ? BIT(CAP_KILL) : 0) |
			      (perf_wants_admin() ? BIT(CAP_SYS_ADMIN) : 0);

	return keep_only(keep, keep | (files ? BIT(CAP_DAC_OVERRIDE) : 0));
}

/* A user without an entry has its group only. */
static int change_user(const struct passwd *entry, uid_t user, gid_t group)
{
	if (entry ? initgroups(entry->pw_name, group) : setgroups(0, NULL))
		return -errno;
	if (setresgid(group, group, group) || setresuid(user, user, user))
		return -errno;
	return 0;
}

int privileges_become(uid_t user, gid_t group, bool hold)
{
	int error;

	/* What is permitted survives the change; privileges_drop() puts it into effect. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return -errno;
	error = change_user(getpwuid(user), user, group);
	return error ? error : privileges_drop(false, hold);
}

int privileges_become_only(uid_t user, gid_t group)
{
	const struct passwd *entry = getpwuid(user);
	int error = change_user(entry, user, group);

	if (error)
		return error;
	if (entry && (setenv("HOME", entry->pw_dir, 1) || setenv("USER", entry->pw_name, 1) ||
		      setenv("LOGNAME", entry->pw_name, 1)))
		return -errno;
	return 0;
}

int privileges_keep_watch(void)
{
	const uint64_t keep = BIT(CAP_BPF) | BIT(CAP_KILL);

	return keep_only(keep, keep);
}

void privileges_for_files(bool on)
{
	const uint32_t bit = (uint32_t)BIT(CAP_DAC_OVERRIDE);
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2] = {0};
	bool dropped = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;

	if (!dropped || read_capabilities(&header, data) || !(data[0].permitted & bit))
		return;
	data[0].effective = on ? data[0].effective | bit : data[0].effective & ~bit;
	/* Where it fails the file cannot be made, which is told. */
	syscall(SYS_capset, &header, data);
}

int privileges_drop_all(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

struct row {
	int number;
	const char *name;
	bool needed;
	bool in_sys_admin; /* CAP_SYS_ADMIN includes it */
	const char *what_for;
};

static const struct row rows[] = {
	{CAP_BPF, "CAP_BPF", true, true, "the programs cannot be loaded"},
	{CAP_PERFMON, "CAP_PERFMON", true, true, "the programs cannot be attached"},
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE", true, false,
	 "other users' processes and namespaces cannot be looked at"},
	{CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", false, true,
	 "libraries that were replaced since they were mapped, or that appear later, may be "
	 "missed"},
	{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false, false,
	 "libraries that only others may read are missed; so are the kernel's tracing files, "
	 "unless "
	 "this is root"},
	/* The last one: only where perf_wants_admin(). */
	{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", false, false,
	 "kernel.perf_event_paranoid is above 2, for which this kernel wants it for tracepoints, "
	 "kprobes and, before Linux 6.6, all probes; or sysctl kernel.perf_event_paranoid=2"},
};

size_t privileges_count(void)
{
	return sizeof(rows) / sizeof(rows[0]) - (perf_wants_admin() ? 0 : 1);
}

struct privilege privileges_get(size_t i)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2] = {0};
	uint64_t held = 0;

	if (!read_capabilities(&header, data))
		held = (uint64_t)data[1].effective << 32 | data[0].effective;
	return (struct privilege){
		.name = rows[i].name,
		.what_for = rows[i].what_for,
		.needed = rows[i].needed,
		.held = (held & BIT(rows[i].number)) ||
			(rows[i].in_sys_admin && (held & BIT(CAP_SYS_ADMIN))),
	};
}
