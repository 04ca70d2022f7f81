/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_PAGES 64 /* for each CPU: a record is about 130 bytes */
#define RECORD_MAX 65536

/* One CPU's records of executable mappings and of programs that begin. */
struct ring {
	int fd;
	struct perf_event_mmap_page *page;
};

struct perf {
	struct ring *rings;
	size_t n_rings, page_size;
	uint64_t lost;
	const struct perf_handler *handler; /* while it is drained */
	void *ctx;
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

static int open_ring(struct perf *perf, int cpu)
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
	struct ring *ring = &perf->rings[perf->n_rings];
	size_t size = (1 + RING_PAGES) * perf->page_size;
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
	perf->n_rings++;
	return 0;
}

int perf_open(struct perf **out)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct perf *perf = calloc(1, sizeof(*perf));
	int error = 0;

	*out = NULL;
	if (!perf)
		return -ENOMEM;
	perf->page_size = (size_t)sysconf(_SC_PAGESIZE);
	perf->rings = calloc((size_t)cpus, sizeof(*perf->rings));
	if (!perf->rings)
		error = -ENOMEM;
	for (long cpu = 0; cpu < cpus && !error; cpu++)
		error = open_ring(perf, (int)cpu);
	if (error) {
		perf_free(perf);
		return error;
	}
	*out = perf;
	return 0;
}

static void take_record(struct perf *perf, const struct perf_event_header *header)
{
	const struct mapping_record *mapping = (const void *)header;
	const struct comm_record *comm = (const void *)header;
	const struct lost_record *lost = (const void *)header;

	/* The kernel ends names with NUL; the record's end is a second wall. */
	perf->record[header->size] = '\0';
	if (header->type == PERF_RECORD_MMAP2 && header->size > sizeof(*mapping))
		perf->handler->mapping(perf->ctx, (pid_t)mapping->pid, mapping->address,
				       mapping->address + mapping->length, mapping->name);
	else if (header->type == PERF_RECORD_COMM && (header->misc & PERF_RECORD_MISC_COMM_EXEC))
		perf->handler->program(perf->ctx, (pid_t)comm->pid);
	else if (header->type == PERF_RECORD_LOST)
		perf->lost += lost->lost;
}

/* Copies `size` bytes at `tail`, around the end of the ring. */
static void copy_out(const struct perf *perf, const struct ring *ring, uint64_t tail, void *to,
		     size_t size)
{
	const char *data = (const char *)ring->page + perf->page_size;
	size_t room = RING_PAGES * perf->page_size, at = tail % room;
	size_t first = size < room - at ? size : room - at;

	memcpy(to, data + at, first);
	memcpy((char *)to + first, data, size - first);
}

static void drain_ring(struct perf *perf, struct ring *ring)
{
	uint64_t tail = ring->page->data_tail, head;

	for (;;) {
		struct perf_event_header header;

		head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
		if (head - tail < sizeof(header))
			return;
		copy_out(perf, ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) || header.size > head - tail)
			return;
		copy_out(perf, ring, tail, perf->record, header.size);
		tail += header.size;
		/* Its place is free before the work begins: that may take milliseconds. */
		__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
		take_record(perf, (const void *)perf->record);
	}
}

size_t perf_count(const struct perf *perf)
{
	return perf->n_rings;
}

int perf_fd(const struct perf *perf, size_t i)
{
	return perf->rings[i].fd;
}

void perf_drain(struct perf *perf, const struct perf_handler *handler, void *ctx)
{
	perf->handler = handler;
	perf->ctx = ctx;
	for (size_t i = 0; i < perf->n_rings; i++)
		drain_ring(perf, &perf->rings[i]);
}

uint64_t perf_lost(const struct perf *perf)
{
	return perf->lost;
}

void perf_free(struct perf *perf)
{
	if (!perf)
		return;
	for (size_t i = 0; i < perf->n_rings; i++) {
		munmap(perf->rings[i].page, (1 + RING_PAGES) * perf->page_size);
		close(perf->rings[i].fd);
	}
	free(perf->rings);
	free(perf);
}
