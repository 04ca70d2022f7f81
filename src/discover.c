/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "discover.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <tlspcap/locate.h>
#include "scope.h"

#define RING_PAGES     64 /* for each CPU: a record is about 130 bytes */
#define RECORD_MAX     65536
#define PROGRAMS_MAX   8192 /* remembered, a power of two; a forgotten one is read again */
#define NAMESPACES_MAX 65536
#define RELEASE_NS     (10ull * 1000 * 1000 * 1000)
#define WAIT_MS	       1000

/* One CPU's records of executable mappings and of programs that begin. */
struct ring {
	int fd;
	struct perf_event_mmap_page *page;
};

/* A program that was looked at; changed files have another time or size. */
struct program {
	uint64_t device, inode, size, changed_ns;
};

struct discover {
	struct capture *capture;
	const struct options *options;
	const struct target_scope *scope;
	struct libraries *libraries;
	struct ring *rings;
	struct pollfd *polls; /* one for each ring, and one for stop_fd */
	size_t n_rings, page_size;
	int stop_fd;
	pthread_t thread;
	bool running;
	uint64_t next_release_ns;
	atomic_uint_fast64_t attached, gone, lost;
	struct program programs[PROGRAMS_MAX];
	struct target_file file;		 /* of the record in hand */
	_Alignas(8) char record[RECORD_MAX + 1]; /* sizes are 16 bits wide */
};

/* PERF_RECORD_MMAP2 of perf_event_open(2). */
struct mapping_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t address, length, page_offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char name[];
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int open_ring(struct discover *discover, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		/* wakeup_events counts samples only, and there are none. */
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	struct ring *ring = &discover->rings[discover->n_rings];
	size_t size = (1 + RING_PAGES) * discover->page_size;
	int error;

	ring->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		return errno == ENODEV ? 0 : -errno; /* that CPU is off */
	ring->page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (ring->page == MAP_FAILED) {
		error = -errno;
		close(ring->fd);
		return error;
	}
	discover->polls[discover->n_rings] = (struct pollfd){.fd = ring->fd, .events = POLLIN};
	discover->n_rings++;
	return 0;
}

int discover_open(struct discover **out)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct discover *discover = calloc(1, sizeof(*discover));
	int error = 0;

	*out = NULL;
	if (!discover)
		return -ENOMEM;
	discover->page_size = (size_t)sysconf(_SC_PAGESIZE);
	discover->stop_fd = eventfd(0, EFD_CLOEXEC);
	discover->rings = calloc((size_t)cpus, sizeof(*discover->rings));
	discover->polls = calloc((size_t)cpus + 1, sizeof(*discover->polls));
	if (discover->stop_fd < 0)
		error = -errno;
	if (!discover->rings || !discover->polls)
		error = -ENOMEM;
	for (long cpu = 0; cpu < cpus && !error; cpu++)
		error = open_ring(discover, (int)cpu);
	if (error) {
		discover_free(discover);
		return error;
	}
	*out = discover;
	return 0;
}

/* --- what a record leads to ---------------------------------------------------------------- */

static void take_file(struct discover *discover, int fd, pid_t pid, bool is_program,
		      const char *name)
{
	struct target_file *file = &discover->file;
	int n;

	file->fd = fd;
	file->pid = pid;
	file->mapped = true;
	file->is_program = is_program;
	snprintf(file->path, sizeof(file->path), "%s", name);
	if (target_mntns_of(pid, &file->mntns) ||
	    capture_identify(discover->capture, fd, &file->identity))
		return;
	n = libraries_take(discover->capture, discover->options, discover->libraries, file);
	if (n > 0)
		atomic_fetch_add(&discover->attached, 1);
}

static void take_mapping(struct discover *discover, const struct mapping_record *record)
{
	const char *name = strrchr(record->name, '/');
	char path[96];
	int fd;

	if (!name || !locate_name_is_library(name + 1) ||
	    !scope_has(discover->scope, (pid_t)record->pid))
		return;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
		 record->pid, record->address, record->address + record->length);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		atomic_fetch_add(&discover->gone, 1);
		return;
	}
	take_file(discover, fd, (pid_t)record->pid, false, record->name);
	close(fd);
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

static void take_program(struct discover *discover, const struct comm_record *record)
{
	pid_t pid = (pid_t)record->pid;
	char path[64], name[512];
	struct stat status;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &status) || !is_new_program(discover, &status) ||
	    !scope_has(discover->scope, pid))
		return;
	length = readlink(path, name, sizeof(name) - 1);
	name[length > 0 ? length : 0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	take_file(discover, fd, pid, true, name);
	close(fd);
}

static void take_record(struct discover *discover, const struct perf_event_header *header)
{
	const struct lost_record *lost = (const void *)header;

	/* The kernel ends names with NUL; the record's end is a second wall. */
	discover->record[header->size] = '\0';
	if (header->type == PERF_RECORD_MMAP2 && header->size > sizeof(struct mapping_record))
		take_mapping(discover, (const void *)header);
	else if (header->type == PERF_RECORD_COMM && (header->misc & PERF_RECORD_MISC_COMM_EXEC))
		take_program(discover, (const void *)header);
	else if (header->type == PERF_RECORD_LOST)
		atomic_fetch_add(&discover->lost, lost->lost);
}

/* Copies `size` bytes at `tail`, around the end of the ring. */
static void copy_out(const struct discover *discover, const struct ring *ring, uint64_t tail,
		     void *to, size_t size)
{
	const char *data = (const char *)ring->page + discover->page_size;
	size_t room = RING_PAGES * discover->page_size, at = tail % room;
	size_t first = size < room - at ? size : room - at;

	memcpy(to, data + at, first);
	memcpy((char *)to + first, data, size - first);
}

static void drain_ring(struct discover *discover, struct ring *ring)
{
	uint64_t tail = ring->page->data_tail, head;

	for (;;) {
		struct perf_event_header header;

		head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
		if (head - tail < sizeof(header))
			return;
		copy_out(discover, ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) || header.size > head - tail)
			return;
		copy_out(discover, ring, tail, discover->record, header.size);
		tail += header.size;
		/* Its place is free before the work begins: that may take milliseconds. */
		__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
		take_record(discover, (const void *)discover->record);
	}
}

/* --- namespaces that have ended ------------------------------------------------------------ */

static size_t read_alive(uint32_t *alive, size_t room)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	while (folder && n < room && (entry = readdir(folder))) {
		uint32_t mntns;

		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    target_mntns_of(atoi(entry->d_name), &mntns))
			continue;
		if (!n || alive[n - 1] != mntns) /* most neighbours share theirs */
			alive[n++] = mntns;
	}
	if (folder)
		closedir(folder);
	return n;
}

static void release(struct discover *discover)
{
	uint64_t now = now_ns();
	uint32_t *alive;
	size_t n;

	if (now < discover->next_release_ns)
		return;
	discover->next_release_ns = now + RELEASE_NS;
	alive = calloc(NAMESPACES_MAX, sizeof(*alive));
	if (!alive)
		return;
	n = read_alive(alive, NAMESPACES_MAX);
	if (n && n < NAMESPACES_MAX)
		libraries_release(discover->capture, discover->options, discover->libraries, alive,
				  n);
	free(alive);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void *run(void *ctx)
{
	struct discover *discover = ctx;
	struct pollfd *stop = &discover->polls[discover->n_rings];

	*stop = (struct pollfd){.fd = discover->stop_fd, .events = POLLIN};
	for (;;) {
		poll(discover->polls, discover->n_rings + 1, WAIT_MS);
		if (stop->revents)
			return NULL;
		for (size_t i = 0; i < discover->n_rings; i++)
			drain_ring(discover, &discover->rings[i]);
		release(discover);
	}
}

int discover_start(struct discover *discover, struct capture *capture,
		   const struct options *options, const struct target_scope *scope,
		   struct libraries *libraries)
{
	sigset_t all, before;
	int error;

	discover->capture = capture;
	discover->options = options;
	discover->scope = scope;
	discover->libraries = libraries;
	discover->next_release_ns = now_ns() + RELEASE_NS;
	sigfillset(&all); /* signals are the first thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&discover->thread, NULL, run, discover);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	discover->running = !error;
	return -error;
}

struct discover_counts discover_counts(const struct discover *discover)
{
	return (struct discover_counts){
		.attached = atomic_load(&discover->attached),
		.gone = atomic_load(&discover->gone),
		.lost = atomic_load(&discover->lost),
	};
}

void discover_stop(struct discover *discover)
{
	uint64_t one = 1;

	if (!discover || !discover->running)
		return;
	if (write(discover->stop_fd, &one, sizeof(one)) != sizeof(one))
		return; /* an eventfd takes it */
	pthread_join(discover->thread, NULL);
	discover->running = false;
}

void discover_free(struct discover *discover)
{
	if (!discover)
		return;
	discover_stop(discover);
	for (size_t i = 0; i < discover->n_rings; i++) {
		munmap(discover->rings[i].page, (1 + RING_PAGES) * discover->page_size);
		close(discover->rings[i].fd);
	}
	if (discover->stop_fd >= 0)
		close(discover->stop_fd);
	free(discover->rings);
	free(discover->polls);
	free(discover);
}
