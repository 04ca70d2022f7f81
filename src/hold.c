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
 * A parent that waits for stops, as nsenter does, stops itself when its child is held, and waits
 * to be continued; then it continues its child itself. So it goes first, and never while its
 * child is held for the next file: the child would go on before its probes are in place.
 */
#define PARENTS_MAX  256
#define PARENT_NS    (1000ull * 1000 * 1000) /* how long after its child it may do that */
#define PARENT_LOOKS 400		     /* until it has continued its child: */

static const struct timespec parent_pause = {.tv_nsec = 50000}; /* 20 ms at most */

struct parent {
	pid_t pid, child;
	uint64_t until_ns;
};

struct hold {
	struct capture *capture;
	struct parent parents[PARENTS_MAX];
	size_t n_parents;
	pid_t watchdog;
	int pipe; /* our end: its close tells the watchdog, and its error tells us */
	bool stopped;
	atomic_uint_fast64_t held, overdue, broken, total_ns, longest_ns;
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

/* It is stopped, or will be before it runs again. */
static bool is_stopped(pid_t pid, char state)
{
	unsigned long long pending = 0;
	char path[32], line[128];
	FILE *status;

	if (state == 'T' || !state)
		return state;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		return false;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "ShdPnd: %llx", &pending) == 1)
			break;
	fclose(status);
	return pending & 1ull << (SIGSTOP - 1);
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
		if (parent > 1 && state_of(parent, &grandparent) == 'T' &&
		    bpf_map_lookup_elem(map, &(uint32_t){(uint32_t)parent}, &note))
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

/* True: it waits for its probes, and nobody continues it yet. */
static bool is_held(const struct hold *hold, pid_t pid, struct mapped_hold *note)
{
	uint32_t key = (uint32_t)pid;

	return !bpf_map_lookup_elem(capture_held_map(hold->capture), &key, note) && !note->ending;
}

static void note_parent(struct hold *hold, pid_t pid, pid_t child)
{
	if (pid > 1 && hold->n_parents < PARENTS_MAX)
		hold->parents[hold->n_parents++] =
			(struct parent){pid, child, now_ns() + PARENT_NS};
}

/* Returns when it has continued its child, and waits again. */
static void continue_parent(pid_t pid)
{
	pid_t grandparent;
	char state;

	kill(pid, SIGCONT);
	for (int i = 0; i < PARENT_LOOKS; i++) {
		state = state_of(pid, &grandparent);
		if (state != 'T' && state != 'R')
			return;
		nanosleep(&parent_pause, NULL);
	}
}

static void continue_parents(struct hold *hold)
{
	uint64_t now = hold->n_parents ? now_ns() : 0;
	struct mapped_hold note;
	pid_t grandparent;

	for (size_t i = 0; i < hold->n_parents;) {
		struct parent *parent = &hold->parents[i];
		char state = state_of(parent->pid, &grandparent);

		/* hold_end() of the child does it; and one that is held itself waits for its own.
		 */
		if (state == 'T' &&
		    (is_held(hold, parent->child, &note) || is_held(hold, parent->pid, &note))) {
			i++;
			continue;
		}
		if (state == 'T')
			continue_parent(parent->pid);
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

void hold_begin(struct hold *hold, pid_t pid)
{
	struct mapped_hold note;
	pid_t parent;
	char state = state_of(pid, &parent);

	if (!state || is_stopped(pid, state) || !is_held(hold, pid, &note))
		return;
	/* Not after so long that the watchdog is at it as well. */
	if (now_ns() - note.since_ns < HOLD_MAX_MS * 1000000ull / 2)
		kill(pid, SIGSTOP);
}

/* A parent that stopped itself continues its child. False: there is none, or it did not. */
static bool end_by_parent(const struct hold *hold, pid_t parent, pid_t pid)
{
	struct mapped_hold note;
	pid_t other;

	if (parent <= 1 || state_of(parent, &other) != 'T' || is_held(hold, parent, &note))
		return false;
	kill(parent, SIGCONT);
	for (int i = 0; i < PARENT_LOOKS; i++) {
		/* It may be held again already, for its next file. */
		if (state_of(pid, &other) != 'T' || is_held(hold, pid, &note))
			return true;
		nanosleep(&parent_pause, NULL);
	}
	return false;
}

/* Continues a process that is noted or not. Returns for how many ns it was; 0: it was not. */
static uint64_t end_note(struct hold *hold, pid_t parent, pid_t pid)
{
	int map = capture_held_map(hold->capture);
	struct mapped_hold note = {0};
	uint32_t key = (uint32_t)pid;
	bool noted = !bpf_map_lookup_elem(map, &key, &note);
	uint64_t ns;

	/* The note goes after the signal: whoever kills us now leaves it to the watchdog. */
	note.ending = 1; /* from here on a stop is a new one */
	if (noted)
		bpf_map_update_elem(map, &key, &note, BPF_EXIST);
	if (!end_by_parent(hold, parent, pid))
		kill(pid, SIGCONT);
	if (!noted)
		return 0; /* the watchdog was faster */
	ns = now_ns() - note.since_ns;
	if (!bpf_map_lookup_elem(map, &key, &note) && note.ending)
		bpf_map_delete_elem(map, &key);
	return ns;
}

uint64_t hold_end(struct hold *hold, pid_t pid)
{
	pid_t parent = 0;
	char state = state_of(pid, &parent);
	bool stopped = is_stopped(pid, state);
	uint64_t ns = end_note(hold, parent, pid);

	if (state)
		note_parent(hold, parent, pid);
	atomic_fetch_add(&hold->held, 1);
	if (!ns)
		atomic_fetch_add(&hold->overdue, 1);
	else if (!stopped)
		atomic_fetch_add(&hold->broken, 1);
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
		.broken = atomic_load(&hold->broken),
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
