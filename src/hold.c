/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "hold.h"

#include <bpf/bpf.h>
#include <bpf/mapped.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "privileges.h"

#define LOOK_MS	   100
#define LINGER_MS  1000 /* after tlspcap's end: the kernel takes the hooks away in its own time */
#define KEYS_MAX   1024 /* the map's size */
#define FIRST_FREE 3	/* file descriptors above standard error */

/*
 * A parent that waits for stops, as nsenter does, stops itself when its child is held, and
 * waits to be continued by whoever continued the child.
 */
#define PARENTS_MAX 256
#define PARENT_NS   (1000ull * 1000 * 1000) /* how long after its child it may do that */

struct parent {
	pid_t pid;
	uint64_t until_ns;
};

struct hold {
	struct capture *capture;
	struct parent parents[PARENTS_MAX];
	size_t n_parents;
	pid_t watchdog;
	int pipe; /* our end: its close tells the watchdog, and its error tells us */
	bool stopped;
	atomic_uint_fast64_t held, overdue, total_ns, longest_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Its state, as in /proc/PID/stat, and its parent. 0: it has ended. */
static char state_of(pid_t pid, pid_t *parent)
{
	char path[32], text[512], *end, state = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	end = strrchr(text, ')'); /* the name before it may hold anything */
	if (!end || sscanf(end + 1, " %c %d", &state, parent) != 2)
		return 0;
	return state;
}

/* --- the watchdog ------------------------------------------------------------------------------
 */

/* Continues who was held before `before_ns`. Returns how many are held still. */
static int release(int map, uint64_t before_ns)
{
	uint32_t keys[KEYS_MAX], *previous = NULL;
	struct mapped_hold note;
	pid_t parent, grandparent;
	int n = 0, left = 0;

	/* First all keys: a walk over a map that shrinks would begin again. */
	while (n < KEYS_MAX && !bpf_map_get_next_key(map, previous, &keys[n])) {
		previous = &keys[n];
		n++;
	}
	for (int i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(map, &keys[i], &note))
			continue;
		if (note.since_ns > before_ns) {
			left++;
			continue;
		}
		parent = 0;
		state_of((pid_t)keys[i], &parent);
		kill((pid_t)keys[i], SIGCONT);
		bpf_map_delete_elem(map, &keys[i]);
		if (parent > 1 && state_of(parent, &grandparent) == 'T')
			kill(parent, SIGCONT);
	}
	return left;
}

/* Only the map and the pipe stay open: a link would keep the hooks alive. */
static void close_others(int *map, int *pipe)
{
	dup2(*map, FIRST_FREE + 2);
	dup2(*pipe, FIRST_FREE + 3);
	dup2(FIRST_FREE + 2, FIRST_FREE);
	dup2(FIRST_FREE + 3, FIRST_FREE + 1);
	syscall(SYS_close_range, FIRST_FREE + 2, ~0u, 0);
	*map = FIRST_FREE;
	*pipe = FIRST_FREE + 1;
}

static void watch(int map, int pipe)
{
	struct pollfd end = {.events = POLLIN};
	uint64_t until;
	char byte;

	close_others(&map, &pipe);
	end.fd = pipe;
	prctl(PR_SET_NAME, "tlspcap-watch");
	while (poll(&end, 1, LOOK_MS) <= 0)
		release(map, now_ns() - HOLD_MAX_MS * 1000000ull);
	if (read(pipe, &byte, 1) == 1) { /* an orderly end: the hooks are gone */
		release(map, UINT64_MAX);
		_exit(0);
	}
	for (until = now_ns() + LINGER_MS * 1000000ull; now_ns() < until;) {
		release(map, UINT64_MAX);
		poll(NULL, 0, 5);
	}
	release(map, UINT64_MAX);
	_exit(0);
}

/* It must outlive us, whatever ends us. */
static void become_watchdog(int map, int pipe)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGTSTP};

	setsid();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	if (privileges_keep_watch())
		_exit(1);
	watch(map, pipe);
}

int hold_open(struct capture *capture, struct hold **out)
{
	struct hold *hold = calloc(1, sizeof(*hold));
	int ends[2], error;

	*out = NULL;
	if (!hold)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC)) {
		error = -errno;
		free(hold);
		return error;
	}
	hold->capture = capture;
	hold->pipe = ends[1];
	hold->watchdog = fork();
	if (hold->watchdog < 0) {
		error = -errno;
		close(ends[0]);
		close(ends[1]);
		free(hold);
		return error;
	}
	if (!hold->watchdog) {
		close(ends[1]);
		become_watchdog(capture_held_map(capture), ends[0]);
	}
	close(ends[0]);
	*out = hold;
	return 0;
}

/* --- tlspcap's side -----------------------------------------------------------------------------
 */

int hold_fd(const struct hold *hold)
{
	return hold->pipe;
}

static void note_parent(struct hold *hold, pid_t pid)
{
	pid_t parent = 0;

	if (!state_of(pid, &parent) || parent <= 1 || hold->n_parents == PARENTS_MAX)
		return;
	hold->parents[hold->n_parents++] = (struct parent){parent, now_ns() + PARENT_NS};
}

static void continue_parents(struct hold *hold)
{
	uint64_t now = hold->n_parents ? now_ns() : 0;
	pid_t grandparent;

	for (size_t i = 0; i < hold->n_parents;) {
		struct parent *parent = &hold->parents[i];
		char state = state_of(parent->pid, &grandparent);

		if (state == 'T')
			kill(parent->pid, SIGCONT);
		if (state && state != 'T' && now < parent->until_ns)
			i++;
		else
			*parent = hold->parents[--hold->n_parents];
	}
}

void hold_answer(struct hold *hold)
{
	continue_parents(hold);
	if (!hold->stopped)
		capture_hold_answer(hold->capture, true);
}

uint64_t hold_end(struct hold *hold, pid_t pid)
{
	uint64_t ns;

	note_parent(hold, pid);
	ns = capture_hold_end(hold->capture, pid);
	atomic_fetch_add(&hold->held, 1);
	if (!ns)
		atomic_fetch_add(&hold->overdue, 1);
	atomic_fetch_add(&hold->total_ns, ns);
	if (ns > atomic_load(&hold->longest_ns))
		atomic_store(&hold->longest_ns, ns);
	return ns;
}

void hold_stop(struct hold *hold)
{
	hold->stopped = true;
	capture_hold_answer(hold->capture, false);
}

struct hold_counts hold_counts(const struct hold *hold)
{
	return (struct hold_counts){
		.held = atomic_load(&hold->held),
		.overdue = atomic_load(&hold->overdue),
		.refused = capture_hold_refused(hold->capture),
		.total_ns = atomic_load(&hold->total_ns),
		.longest_ns = atomic_load(&hold->longest_ns),
	};
}

void hold_free(struct hold *hold)
{
	if (!hold)
		return;
	hold_stop(hold);
	if (write(hold->pipe, "x", 1) != 1)
		kill(hold->watchdog, SIGKILL); /* it has ended already */
	close(hold->pipe);
	while (waitpid(hold->watchdog, NULL, 0) < 0 && errno == EINTR)
		;
	free(hold);
}
