/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Executable mappings and programs that begin, from the kernel's perf records: where its
 * hooks of bpf/mapped.bpf.h are not to be had. They cannot hold a process.
 */
#ifndef TLSPCAP_PERF_H
#define TLSPCAP_PERF_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct perf;

struct perf_handler {
	/* `name` is the file's path, as the process sees it. */
	void (*mapping)(void *ctx, pid_t pid, uint64_t start, uint64_t end, const char *name);
	void (*program)(void *ctx, pid_t pid);
};

/* Begins to note them. 0 or negative errno. */
int perf_open(struct perf **perf);

/* One descriptor for each CPU, readable when there is something. They stay perf's. */
size_t perf_count(const struct perf *perf);
int perf_fd(const struct perf *perf, size_t i);

/* Tells what was noted. */
void perf_drain(struct perf *perf, const struct perf_handler *handler, void *ctx);

/* Records that found no room. */
uint64_t perf_lost(const struct perf *perf);

/* NULL is fine. */
void perf_free(struct perf *perf);

#endif
