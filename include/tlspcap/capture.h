/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * capture: loads the kernel programs, attaches them, and hands over their events.
 *
 * Attaching and detaching may be done by one other thread while the first one polls.
 */
#ifndef TLSPCAP_CAPTURE_H
#define TLSPCAP_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tlspcap/event.h>
#include <tlspcap/locate.h>
#include <tlspcap/target.h>

struct capture;

struct capture_options {
	struct target_scope scope; /* filtered in the kernel */
	bool follow;		   /* the children of scope.pid belong to it */
	bool streams;		   /* copy the bytes of TLS connections' sockets, too */
	size_t ring_bytes;	   /* a power of two multiple of the page size; 0: default */
	int verbosity;		   /* 2: libbpf's warnings, 3: all its words; on stderr */
};

#define CAPTURE_RING_DEFAULT ((size_t)64 << 20)

/* Gets every event in the order of the ring. Must not keep `event`. */
typedef void (*capture_event_fn)(void *ctx, const struct tlspcap_event *event);

/*
 * Loads the programs. On failure *why (never NULL then) is a sentence for the user that
 * says what is missing and what to do; free() it. Returns 0 or negative errno:
 * -EPERM no privilege, -EOPNOTSUPP the kernel lacks something.
 */
int capture_open(const struct capture_options *options, struct capture **capture, char **why);

/* Attaches the hooks that belong to no library (sockets, process life). As capture_open(). */
int capture_attach_system(struct capture *capture, char **why);

/*
 * Attaches the probes of one library family in one real file that serve any of `purposes`
 * (enum locate_purpose, or-ed). `fd` stays the caller's.
 * Returns the library's index (0 …), or negative errno: -ENOSPC too many libraries.
 */
int capture_attach_library(struct capture *capture, int fd, const struct locate_result *located,
			   unsigned int purposes);

/*
 * Undoes it, when nobody uses the file any more; its index may be given again. Perf links,
 * before Linux 6.6, stay until capture_stop().
 */
void capture_detach_library(struct capture *capture, uint32_t library);

/*
 * Attaches a known library's remaining plaintext probes, for one process only. Returns a
 * handle for capture_detach(), or negative errno: -EOPNOTSUPP the kernel cannot limit probes
 * to a process (before Linux 6.6).
 */
int capture_attach_process(struct capture *capture, int fd, const struct locate_result *located,
			   uint32_t library, pid_t pid);
void capture_detach(struct capture *capture, int handle);

/* For target_scan(): reads the kernel's real inode of an open file. ctx is the capture. */
int capture_identify(void *capture, int fd, struct target_identity *identity);

/* Adds a process to the pid set while running (-- COMMAND). */
int capture_add_pid(struct capture *capture, pid_t pid);

/*
 * Waits at most timeout_ms for events and delivers what is there, or so much of it that the
 * caller is not kept for long. Returns the number of events, or negative errno (-EINTR: a
 * signal came).
 */
int capture_poll(struct capture *capture, int timeout_ms, capture_event_fn fn, void *ctx);

/* Sums the kernel's drop counters; index: enum tlspcap_loss. */
int capture_loss(const struct capture *capture, __u64 count[TLSPCAP_LOSS_MAX]);

/* Detaches all; events that are in the ring can still be polled. */
void capture_stop(struct capture *capture);

void capture_close(struct capture *capture);

/* Of the libbpf in use: "v1.1". */
const char *capture_libbpf_version(void);

#endif
