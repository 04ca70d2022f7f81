/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which of the hooks in bpf/hooks.h this kernel can have: found out by trying with a program
 * that does nothing, never by the kernel's version.
 */
#include "capture_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TIER_PROGRAMS 10
#define PATH_PROGRAMS 4

/* Of two programs at one place one always runs, see bpf/socket.h. */
#define TWINS "socket_state", "socket_state_btf", "socket_destroy", "socket_destroy_btf"

/* The programs of the kernel's life that every tier but `btf` has. */
#define CLASSIC_LIFE TWINS, "process_exit", "process_fork"

struct tier {
	const char *name;
	const char *what;
	const char *gone; /* why it cannot be had, when the kernel does not know it at all */
	const char *programs[TIER_PROGRAMS + 1];
	int (*attempt)(void); /* 0, -ENOENT: not in this kernel, or another negative errno */
	/* Those of Multipath TCP, where the kernel has it and the hooks above are below it. */
	const char *paths[PATH_PROGRAMS + 1];
};

static int attempt_raw(void);
static int attempt_tracepoint(void);
static int attempt_fentry(void);
static int attempt_kprobe(void);
static int attempt_btf(void);
static int attempt_syscall(void);

/* The one that is best comes first. */
static const struct tier tiers[CAPTURE_TIERS] = {
	[CAPTURE_TIER_RAW] = {"raw",
			      "tracepoints at the ends of send and receive, by BTF; nothing "
			      "preempts programs here",
			      "Linux 6.3 and newer have these tracepoints",
			      {"moved_send_btf", "moved_receive_btf", CLASSIC_LIFE},
			      attempt_raw,
			      {NULL}},
	[CAPTURE_TIER_TRACEPOINT] = {"tracepoint",
				     "tracepoints at the ends of send and receive",
				     "Linux 6.3 and newer have these tracepoints",
				     {"moved_send", "moved_receive", CLASSIC_LIFE},
				     attempt_tracepoint,
				     {NULL}},
	[CAPTURE_TIER_FENTRY] = {"fentry",
				 "the ends of tcp_sendmsg() and tcp_recvmsg(), by trampolines",
				 "the kernel has no BPF trampolines (CONFIG_DYNAMIC_FTRACE)",
				 {"moved_send_exit", "moved_receive_exit", CLASSIC_LIFE},
				 attempt_fentry,
				 {"paths_send_exit", "paths_receive_exit"}},
	[CAPTURE_TIER_KPROBE] = {"kprobe",
				 "kprobes on tcp_sendmsg() and tcp_recvmsg()",
				 "the kernel has no kprobes (CONFIG_KPROBE_EVENTS)",
				 {"moved_send_begin", "moved_send_end", "moved_receive_begin",
				  "moved_receive_end", CLASSIC_LIFE},
				 attempt_kprobe,
				 {"paths_send_begin", "paths_send_end", "paths_receive_begin",
				  "paths_receive_end"}},
	[CAPTURE_TIER_BTF] = {"btf",
			      "the same tracepoints by BTF, without the kernel's tracing files",
			      "Linux 6.3 and newer have these tracepoints",
			      {"moved_send_btf", "moved_receive_btf", "socket_state_btf",
			       "socket_destroy_btf", "process_exit_btf", "process_fork_btf"},
			      attempt_btf,
			      {NULL}},
	[CAPTURE_TIER_SYSCALL] = {"syscall",
				  "the end of every system call",
				  "the kernel has no system call tracepoints "
				  "(CONFIG_FTRACE_SYSCALLS)",
				  {"moved_by_call", CLASSIC_LIFE},
				  attempt_syscall,
				  {NULL}},
};

static const struct bpf_insn nothing[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
	{.code = BPF_JMP | BPF_EXIT},
};

/* A program of nothing, attached by BTF to `name` and taken off again. */
static int attempt_by_btf(const char *name, uint32_t kind, enum bpf_attach_type type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, name, kind) : -ENOENT;
	int program, link, error = 0;

	btf__free(btf);
	if (id < 0)
		return -ENOENT;
	options.attach_btf_id = (uint32_t)id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "tlspcap_try", "GPL", nothing,
				sizeof(nothing) / sizeof(nothing[0]), &options);
	if (program < 0)
		return program;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0)
		error = -errno;
	else
		close(link);
	close(program);
	return error;
}

/* The number in a file of the kernel's. */
static int read_number(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? atoi(text) : -EIO;
}

static int attempt_event(struct perf_event_attr *attr, enum bpf_prog_type type)
{
	int fd, program, error = 0;

	attr->size = sizeof(*attr);
	attr->sample_period = 1;
	attr->wakeup_events = 1;
	fd = (int)syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	program = bpf_prog_load(type, "tlspcap_try", "GPL", nothing,
				sizeof(nothing) / sizeof(nothing[0]), NULL);
	if (program < 0)
		error = program;
	else if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program))
		error = -errno;
	if (program >= 0)
		close(program);
	close(fd);
	return error;
}

static int attempt_classic(const char *event)
{
	static const char *const folders[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT};
	char path[128];
	int id = -ENOENT;

	for (size_t i = 0; i < 2 && id == -ENOENT; i++) {
		snprintf(path, sizeof(path), "%s/events/%s/id", folders[i], event);
		id = read_number(path);
	}
	if (id < 0)
		return id;
	attr.config = (uint64_t)id;
	return attempt_event(&attr, BPF_PROG_TYPE_TRACEPOINT);
}

static int attempt_tracepoint(void)
{
	return attempt_classic("sock/sock_recv_length");
}

/* Its state and life programs are at classic tracepoints. */
static int attempt_raw(void)
{
	int error = attempt_btf();

	if (!error)
		error = attempt_classic("sock/inet_sock_set_state");
	return !error && kernel_preempts() ? -ENOTSUP : error;
}

static int attempt_fentry(void)
{
	int error = attempt_by_btf("tcp_recvmsg", BTF_KIND_FUNC, BPF_TRACE_FEXIT);

	/* Its other programs are at classic tracepoints. */
	return error ? error : attempt_classic("sock/inet_sock_set_state");
}

static int attempt_kprobe(void)
{
	struct perf_event_attr attr = {.config1 = (uintptr_t) "tcp_recvmsg"};
	int type = read_number("/sys/bus/event_source/devices/kprobe/type");

	if (type < 0)
		return type;
	attr.type = (uint32_t)type;
	return attempt_event(&attr, BPF_PROG_TYPE_KPROBE);
}

static int attempt_btf(void)
{
	return attempt_by_btf("btf_trace_sock_recv_length", BTF_KIND_TYPEDEF, BPF_TRACE_RAW_TP);
}

static int attempt_syscall(void)
{
	return attempt_classic("raw_syscalls/sys_exit");
}

const char *capture_tier_name(enum capture_tier tier)
{
	return tier == CAPTURE_TIER_AUTO ? "auto" : tiers[tier].name;
}

const char *capture_tier_describe(enum capture_tier tier)
{
	return tiers[tier].what;
}

int capture_tier_of(const char *name)
{
	for (int i = CAPTURE_TIER_AUTO + 1; i < CAPTURE_TIERS; i++)
		if (!strcmp(tiers[i].name, name))
			return i;
	return -EINVAL;
}

int capture_tier_try(enum capture_tier tier, char *why, size_t size)
{
	int error = tiers[tier].attempt();

	if (error == -ENOENT)
		snprintf(why, size, "%s", tiers[tier].gone);
	else if (error == -EPERM || error == -EACCES)
		snprintf(why, size, "the kernel, its lockdown or a missing capability forbids it");
	else if (error == -ENOTSUP)
		snprintf(why, size, "this kernel preempts programs, and would skip some events");
	else
		snprintf(why, size, "%s", error ? strerror(-error) : "");
	return error;
}

/* The tracing files are looked up by tracepoints only, and are not mounted everywhere. */
static void mount_tracing(void)
{
	if (access("/sys/kernel/tracing/events", F_OK) &&
	    access("/sys/kernel/debug/tracing/events", F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", MS_NOSUID | MS_NOEXEC | MS_NODEV,
		      NULL);
}

int tiers_choose(enum capture_tier wanted, const int refused[CAPTURE_TIERS],
		 enum capture_tier *chosen, char *why, size_t size)
{
	int error = -EOPNOTSUPP;

	mount_tracing();
	if (wanted != CAPTURE_TIER_AUTO) {
		*chosen = wanted;
		return capture_tier_try(wanted, why, size);
	}
	for (int i = CAPTURE_TIER_AUTO + 1; i < CAPTURE_TIERS; i++) {
		if (refused[i])
			continue;
		*chosen = (enum capture_tier)i;
		error = capture_tier_try(*chosen, why, size);
		if (!error)
			return 0;
	}
	return error;
}

static bool is_one_of(const char *const *programs, const char *program)
{
	for (size_t i = 0; programs[i]; i++)
		if (!strcmp(programs[i], program))
			return true;
	return false;
}

static bool is_among(const struct tier *tier, const char *program)
{
	return is_one_of(tier->programs, program) || is_one_of(tier->paths, program);
}

static bool is_of_any(const char *program)
{
	for (int i = CAPTURE_TIER_AUTO + 1; i < CAPTURE_TIERS; i++)
		if (is_among(&tiers[i], program))
			return true;
	return false;
}

/* How many arguments a function of the kernel's has by its BTF; 0: that does not say it. */
static uint32_t arguments_of(const char *function)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) : -1;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	uint32_t n = 0;

	if (type)
		type = btf__type_by_id(btf, type->type);
	if (type)
		n = btf_vlen(type);
	btf__free(btf);
	return n;
}

uint32_t tiers_receive_arguments(void)
{
	return arguments_of("tcp_recvmsg");
}

void tiers_select(struct bpf_object *object, enum capture_tier chosen)
{
	bool has_paths = arguments_of("mptcp_sendmsg") &&
			 arguments_of("mptcp_recvmsg") == tiers_receive_arguments();
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		const char *name = bpf_program__name(program);

		if (is_of_any(name))
			bpf_program__set_autoload(
				program,
				is_one_of(tiers[chosen].programs, name) ||
					(has_paths && is_one_of(tiers[chosen].paths, name)));
	}
}

static bool is_in_list(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (; names; names = strchr(names, ',')) {
		names += *names == ',';
		if (!strncmp(names, name, length) && (!names[length] || names[length] == ','))
			return true;
	}
	return false;
}

/* Of another type, most of the helpers that it calls are forbidden. */
static void spoil(struct bpf_object *object, const char *program)
{
	bpf_program__set_type(bpf_object__find_program_by_name(object, program),
			      BPF_PROG_TYPE_SOCKET_FILTER);
}

void tiers_spoil(struct bpf_object *object, enum capture_tier chosen, const char *names)
{
	if (is_in_list(names, tiers[chosen].name))
		spoil(object, tiers[chosen].programs[0]);
	if (is_in_list(names, "mapped"))
		spoil(object, "mapped_by_kernel");
}

int tiers_attach(struct capture *capture, const char **failed)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, capture_object(capture)) {
		const char *name = bpf_program__name(program);
		struct bpf_link *link;
		int error;

		if (!is_among(&tiers[capture->socket_tier], name) ||
		    !bpf_program__autoload(program))
			continue;
		link = bpf_program__attach(program);
		error = link ? attach_keep(capture, link) : -errno;
		if (error) {
			*failed = name;
			return error;
		}
	}
	return 0;
}

/* Whether the program's like by BTF, or without, is there too: one of the two always runs. */
static bool has_twin(const struct bpf_object *object, const struct bpf_program *program)
{
	static const char end[] = "_btf";
	const char *name = bpf_program__name(program);
	size_t length = strlen(name);
	const struct bpf_program *twin;
	char other[64];

	if (length > sizeof(end) && !strcmp(name + length - (sizeof(end) - 1), end))
		snprintf(other, sizeof(other), "%.*s", (int)(length - (sizeof(end) - 1)), name);
	else
		snprintf(other, sizeof(other), "%s%s", name, end);
	twin = bpf_object__find_program_by_name(object, other);
	return twin && bpf_program__autoload(twin);
}

uint64_t tiers_skipped_runs(const struct bpf_program *program)
{
	struct bpf_prog_info info = {};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length))
		return 0;
	return info.recursion_misses;
}

uint64_t tiers_skipped(const struct bpf_object *object)
{
	struct bpf_program *program;
	uint64_t sum = 0;

	bpf_object__for_each_program (program, object)
		if (!has_twin(object, program) && !mapped_is_of(bpf_program__name(program)))
			sum += tiers_skipped_runs(program);
	return sum;
}

void tiers_print_skipped(const struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		uint64_t runs = tiers_skipped_runs(program);

		if (runs)
			fprintf(stderr, "tlspcap: the kernel skipped runs of %s: %llu%s\n",
				bpf_program__name(program), (unsigned long long)runs,
				has_twin(object, program) ? " (its twin had them)" : "");
	}
}
