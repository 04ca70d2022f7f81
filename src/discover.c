/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "discover.h"

#include <bpf/mapped.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <tlspcap/locate.h>
#include "perf.h"
#include "process_file.h"
#include "unnamed.h"

#define PROGRAMS_MAX   8192 /* remembered, a power of two; a forgotten one is read again */
#define NAMESPACES_MAX 65536
#define RELEASE_NS     (10ull * 1000 * 1000 * 1000)
#define LOOK_NS	       (1000ull * 1000 * 1000)
#define WAIT_MS	       1000
#define WAIT_HOLD_MS   50 /* who is held waits for a word that we are alive */

/* A program that was looked at; changed files have another time or size. */
struct program {
	uint64_t device, inode, size, changed_ns;
};

struct discover {
	struct capture *capture;
	const struct options *options;
	const struct target_scope *scope;
	struct libraries *libraries;
	struct namespaces *namespaces;
	struct unnamed *unnamed;
	struct hold *hold; /* NULL: nobody is held */
	struct perf *perf; /* NULL: the kernel's own hooks tell */
	struct pollfd *polls;
	size_t n_polls, stop_at, hold_at;
	int stop_fd;
	pthread_t thread;
	bool running;
	uint64_t next_release_ns, next_look_ns;
	atomic_uint_fast64_t attached, released, gone, perf_lost, skipped;
	struct program programs[PROGRAMS_MAX];
	struct target_file file; /* of the event in hand */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

int discover_open(struct capture *capture, struct discover **out)
{
	struct discover *discover = calloc(1, sizeof(*discover));
	int error = 0;

	*out = NULL;
	if (!discover)
		return -ENOMEM;
	discover->capture = capture;
	discover->unnamed = unnamed_new();
	discover->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (!discover->unnamed)
		error = -ENOMEM;
	else if (discover->stop_fd < 0)
		error = -errno;
	if (!error)
		error = capture_mapped_open(capture);
	if (error == -EOPNOTSUPP)
		error = perf_open(&discover->perf);
	if (error) {
		discover_free(discover);
		return error;
	}
	*out = discover;
	return 0;
}

/* --- files -------------------------------------------------------------------------------------
 */

static void take_file(struct discover *discover, int fd, pid_t pid, bool is_program,
		      const char *name)
{
	struct target_file *file = &discover->file;
	bool with;
	int n;

	file->fd = fd;
	file->pid = pid;
	file->mapped = true;
	file->is_program = is_program;
	snprintf(file->path, sizeof(file->path), "%s", name);
	if (target_mntns_of(pid, &file->mntns) ||
	    capture_identify(discover->capture, fd, &file->identity))
		return;
	n = libraries_take(discover->capture, discover->options, discover->libraries, file, &with);
	if (n > 0)
		atomic_fetch_add(&discover->attached, 1);
	capture_mapped_done(discover->capture, &file->identity, is_program ? 0 : file->mntns, with);
}

static bool take_mapping(struct discover *discover, pid_t pid, uint64_t start, uint64_t end)
{
	char name[PATH_MAX];
	int fd = process_open_mapping(pid, start, end);

	if (fd < 0) {
		atomic_fetch_add(&discover->gone, 1);
		return false;
	}
	process_file_name(fd, pid, name, sizeof(name));
	take_file(discover, fd, pid, false, name);
	close(fd);
	return true;
}

static bool take_program(struct discover *discover, pid_t pid)
{
	char path[64], name[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	process_file_name(fd, pid, name, sizeof(name));
	take_file(discover, fd, pid, true, name);
	close(fd);
	return true;
}

/* Everything that a process has mapped, and what lies in its library folders. */
static void take_all_of(struct discover *discover, const struct target_scope *scope)
{
	int n = libraries_take_namespace(discover->capture, discover->options, discover->libraries,
					 scope);

	if (n > 0)
		atomic_fetch_add(&discover->attached, (uint64_t)n);
}

/* --- containers that come to be in scope -------------------------------------------------------
 */

static void add_namespace(void *ctx, const struct namespace_info *info, pid_t pid)
{
	struct discover *discover = ctx;
	struct target_scope scope = *discover->scope;

	scope.mntns = &info->mntns;
	scope.n_mntns = 1;
	scope.only_listed = false;
	/* First the scope: what is mapped from here on is told of; then what was before. */
	capture_scope_add_mntns(discover->capture, info->mntns, info->id);
	take_all_of(discover, &scope);
	if (!discover->options->quiet)
		fprintf(stderr,
			"tlspcap: capturing container %s (mount namespace %u, process %d)\n",
			info->container.name[0] ? info->container.name : info->container.id,
			info->mntns, pid);
}

static void drop_namespace(void *ctx, const struct namespace_info *info)
{
	struct discover *discover = ctx;

	capture_scope_remove_mntns(discover->capture, info->mntns);
	if (discover->options->verbosity)
		fprintf(stderr, "tlspcap: container %s (mount namespace %u) has ended\n",
			info->container.name[0] ? info->container.name : info->container.id,
			info->mntns);
}

/* Asks whose the new namespace is, and begins to capture it when it is wanted. */
static enum unnamed_answer ask(void *ctx, const struct mapped_event *event)
{
	struct discover *discover = ctx;
	struct namespace_info info;
	bool coming = false;
	uint32_t mntns;

	if (target_mntns_of((pid_t)event->pid, &mntns) || mntns != event->mntns)
		return UNNAMED_SETTLED; /* not by this process any more */
	/* First this: what comes in between is found in the end. */
	if (event->held)
		coming = namespaces_are_coming(discover->namespaces);
	if (namespaces_note(discover->namespaces, event->mntns, event->namespace_id,
			    (pid_t)event->pid) &&
	    namespaces_find(discover->namespaces, event->mntns, &info)) {
		add_namespace(discover, &info, (pid_t)event->pid);
		return UNNAMED_SETTLED;
	}
	if (!namespaces_are_chosen(discover->options) ||
	    (namespaces_find(discover->namespaces, event->mntns, &info) && info.container.id[0]))
		return UNNAMED_SETTLED;
	return coming ? UNNAMED_COMING : UNNAMED_NOTHING;
}

/* --- what the kernel's hooks tell --------------------------------------------------------------
 */

/* A name that was cut may be any. */
static bool may_be_library(const struct mapped_event *event)
{
	return !event->name[0] || strlen(event->name) == sizeof(event->name) - 1 ||
	       locate_name_is_library(event->name);
}

static void set_identity(struct target_identity *identity, const struct mapped_event *event)
{
	identity->inode = event->inode;
	identity->device = event->device;
	identity->generation = event->generation;
}

static void take_library(struct discover *discover, const struct mapped_event *event)
{
	const pid_t pid = (pid_t)event->pid;
	struct target_identity identity;
	bool taken;

	set_identity(&identity, event);
	if (!event->end) {
		/* The kernel could not look at the mapping: all that the process has, then. */
		take_all_of(discover, &(struct target_scope){.pid = &pid, .n_pid = 1});
		return;
	}
	if (!may_be_library(event)) {
		capture_mapped_done(discover->capture, &identity, event->mntns, false);
		return;
	}
	taken = take_mapping(discover, pid, event->start, event->end);
	if (!taken)
		capture_mapped_forget(discover->capture, &identity, event->mntns);
}

/* Continues the process, which was held for this event. */
static void end_hold(void *ctx, const struct mapped_event *event)
{
	struct discover *discover = ctx;
	uint64_t ns = hold_end(discover->hold, (pid_t)event->pid);

	if (discover->options->verbosity)
		fprintf(stderr, "tlspcap: held process %u for %.3f ms (%s)\n", event->pid,
			(double)ns / 1e6, event->name[0] ? event->name : "its namespace is new");
}

static void on_mapped(void *ctx, const struct mapped_event *event)
{
	struct discover *discover = ctx;
	struct target_identity identity;
	bool waits = false;

	if (discover->hold && event->held)
		hold_begin(discover->hold, (pid_t)event->pid);
	if (event->kind == MAPPED_NAMESPACE)
		waits = unnamed_take(discover->unnamed, event, ask(discover, event), now_ns());
	else if (event->kind == MAPPED_LIBRARY)
		take_library(discover, event);
	set_identity(&identity, event);
	if (event->kind == MAPPED_PROGRAM && !take_program(discover, (pid_t)event->pid))
		capture_mapped_forget(discover->capture, &identity, 0);
	if (!discover->hold)
		return;
	hold_answer(discover->hold);
	if (event->held && !waits)
		end_hold(discover, event);
}

/* --- what perf records tell --------------------------------------------------------------------
 */

/* The scope as user space can tell it: containers by what is known of their namespaces. */
static bool is_in_scope(struct discover *discover, pid_t pid)
{
	struct target_scope scope = *discover->scope;
	struct namespace_info info;
	uint32_t mntns;

	if (namespaces_are_chosen(discover->options)) {
		if (target_mntns_of(pid, &mntns) ||
		    !namespaces_find(discover->namespaces, mntns, &info) || !info.wanted)
			return false;
		scope.mntns = &mntns;
		scope.n_mntns = 1;
	}
	return target_in_scope(&scope, pid);
}

static void on_perf_mapping(void *ctx, pid_t pid, uint64_t start, uint64_t end, const char *path)
{
	struct discover *discover = ctx;
	const char *name = strrchr(path, '/');

	if (name && locate_name_is_library(name + 1) && is_in_scope(discover, pid))
		take_mapping(discover, pid, start, end);
}

/* True the first time; programs are many and libraries inside of them few. */
static bool is_new_program(struct discover *discover, const struct stat *status)
{
	const struct program program = {
		.device = status->st_dev,
		.inode = status->st_ino,
		.size = (uint64_t)status->st_size,
		.changed_ns = (uint64_t)status->st_ctim.tv_sec * 1000000000ull +
			      (uint64_t)status->st_ctim.tv_nsec,
	};
	uint64_t hash = (program.inode * 0x9e3779b97f4a7c15ull) ^ program.device;
	struct program *slot = &discover->programs[(hash >> 20) % PROGRAMS_MAX];

	if (!memcmp(slot, &program, sizeof(program)))
		return false;
	*slot = program;
	return true;
}

static void on_perf_program(void *ctx, pid_t pid)
{
	struct discover *discover = ctx;
	struct namespace_info info;
	struct stat status;
	char path[64];
	uint32_t mntns;

	/* Without the kernel's word, a namespace's number is all there is to know it by. */
	if (!target_mntns_of(pid, &mntns) && !namespaces_find(discover->namespaces, mntns, &info))
		discover->next_look_ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (!stat(path, &status) && is_in_scope(discover, pid) && is_new_program(discover, &status))
		take_program(discover, pid);
}

/* --- files that nobody uses any more -----------------------------------------------------------
 */

struct alive {
	struct libraries_process *processes;
	size_t n;
};

static void add_alive(void *ctx, const struct mapped_process *process)
{
	struct alive *alive = ctx;

	/* One of each will do, and most neighbours share theirs. */
	if (alive->n == NAMESPACES_MAX ||
	    (alive->n && alive->processes[alive->n - 1].mntns == process->mntns))
		return;
	alive->processes[alive->n++] =
		(struct libraries_process){process->mntns, (pid_t)process->pid};
}

static void release(struct discover *discover)
{
	uint64_t now = now_ns();
	struct alive alive = {0};

	if (now < discover->next_release_ns)
		return;
	discover->next_release_ns = now + RELEASE_NS;
	namespaces_sweep(discover->namespaces, discover->capture, drop_namespace, discover);
	alive.processes = calloc(NAMESPACES_MAX, sizeof(*alive.processes));
	if (!alive.processes)
		return;
	if (!capture_each_process(discover->capture, add_alive, &alive))
		atomic_fetch_add(&discover->released,
				 libraries_release(discover->capture, discover->options,
						   discover->libraries, alive.processes, alive.n));
	free(alive.processes);
}

/* What the kernel skipped may have been the first of a library: so everybody is searched again. */
static void make_up(struct discover *discover)
{
	uint64_t skipped = discover->perf ? 0 : capture_mapped_skipped(discover->capture);

	if (skipped == atomic_load(&discover->skipped))
		return;
	atomic_store(&discover->skipped, skipped);
	take_all_of(discover, discover->scope);
}

/* What no event tells: containers that are named late, control groups that come to be. */
static void look(struct discover *discover)
{
	uint64_t now = now_ns();

	if (now < discover->next_look_ns)
		return;
	discover->next_look_ns = now + LOOK_NS;
	make_up(discover);
	if (namespaces_are_chosen(discover->options))
		namespaces_note_all(discover->namespaces, discover->capture, add_namespace,
				    discover);
	for (size_t i = 0; i < discover->scope->n_cgroup; i++) {
		uint64_t inode;

		if (!target_cgroup_inode(&discover->scope->cgroup[i], &inode))
			capture_scope_add_cgroup(discover->capture, inode);
	}
}

/* --- the thread --------------------------------------------------------------------------------
 */

static const struct perf_handler perf_handler = {on_perf_mapping, on_perf_program};

static void drain(struct discover *discover)
{
	if (!discover->perf) {
		capture_mapped_consume(discover->capture, on_mapped, discover);
		return;
	}
	perf_drain(discover->perf, &perf_handler, discover);
	atomic_store(&discover->perf_lost, perf_lost(discover->perf));
}

static void lose_watchdog(struct discover *discover)
{
	hold_stop(discover->hold);
	discover->polls[discover->hold_at].fd = -1;
	fputs("tlspcap: the watchdog of --hold has ended; no process is held from here on\n",
	      stderr);
}

static void *run(void *ctx)
{
	struct discover *discover = ctx;
	int wait = discover->hold ? WAIT_HOLD_MS : WAIT_MS;

	for (;;) {
		if (discover->hold)
			hold_answer(discover->hold);
		poll(discover->polls, discover->n_polls,
		     unnamed_wait(discover->unnamed, now_ns(), wait));
		if (discover->polls[discover->stop_at].revents) {
			make_up(discover); /* also what was skipped since the last look */
			return NULL;
		}
		if (discover->hold && discover->polls[discover->hold_at].revents)
			lose_watchdog(discover);
		drain(discover);
		unnamed_look(discover->unnamed, now_ns(), false, ask, end_hold, discover);
		look(discover);
		release(discover);
	}
}

static int fill_polls(struct discover *discover)
{
	size_t n = discover->perf ? perf_count(discover->perf) : 1;

	discover->polls = calloc(n + 2, sizeof(*discover->polls));
	if (!discover->polls)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		discover->polls[i] = (struct pollfd){
			.fd = discover->perf ? perf_fd(discover->perf, i)
					     : capture_mapped_fd(discover->capture),
			.events = POLLIN,
		};
	discover->stop_at = n;
	discover->polls[n++] = (struct pollfd){.fd = discover->stop_fd, .events = POLLIN};
	discover->hold_at = n;
	if (discover->hold)
		discover->polls[n++] = (struct pollfd){.fd = hold_fd(discover->hold)};
	discover->n_polls = n;
	return 0;
}

int discover_start(struct discover *discover, const struct options *options,
		   const struct target_scope *scope, struct libraries *libraries,
		   struct namespaces *namespaces, struct hold *hold)
{
	sigset_t all, before;
	int error;

	discover->options = options;
	discover->scope = scope;
	discover->libraries = libraries;
	discover->namespaces = namespaces;
	discover->hold = hold;
	discover->next_release_ns = now_ns() + RELEASE_NS;
	error = fill_polls(discover);
	if (error)
		return error;
	sigfillset(&all); /* signals are the first thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&discover->thread, NULL, run, discover);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	discover->running = !error;
	return -error;
}

struct discover_counts discover_counts(const struct discover *discover)
{
	struct discover_counts counts = {
		.attached = atomic_load(&discover->attached),
		.released = atomic_load(&discover->released),
		.gone = atomic_load(&discover->gone),
		.lost = atomic_load(&discover->perf_lost),
	};

	if (!discover->perf)
		counts.lost += capture_mapped_lost(discover->capture);
	/* The search is of those that were chosen at the start. */
	if (namespaces_are_chosen(discover->options))
		counts.lost += atomic_load(&discover->skipped);
	else
		counts.skipped = atomic_load(&discover->skipped);
	if (discover->hold)
		counts.hold = hold_counts(discover->hold);
	return counts;
}

void discover_stop(struct discover *discover)
{
	uint64_t one = 1;

	if (!discover || !discover->running)
		return;
	if (discover->hold)
		hold_stop(discover->hold);
	if (write(discover->stop_fd, &one, sizeof(one)) != sizeof(one))
		return; /* an eventfd takes it */
	pthread_join(discover->thread, NULL);
	discover->running = false;
	drain(discover); /* who is held still is continued */
	unnamed_look(discover->unnamed, now_ns(), true, ask, end_hold, discover);
}

void discover_free(struct discover *discover)
{
	if (!discover)
		return;
	discover_stop(discover);
	perf_free(discover->perf);
	unnamed_free(discover->unnamed);
	if (discover->stop_fd >= 0)
		close(discover->stop_fd);
	free(discover->polls);
	free(discover);
}
