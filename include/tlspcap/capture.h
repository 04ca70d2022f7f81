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
struct mapped_event;   /* <bpf/mapped.h> */
struct mapped_process; /* the same */

/* How files that appear later are noticed; chosen by trying, best first. */
enum capture_mapped_tier {
	CAPTURE_MAPPED_AUTO = 0,
	CAPTURE_MAPPED_FENTRY,	/* at uprobe_mmap() */
	CAPTURE_MAPPED_SYSCALL, /* at the end of mmap(2) */
	CAPTURE_MAPPED_PERF,	/* not by this stage: perf records, see src/perf.h */
};

/* Where in the kernel bytes on sockets are seen: see bpf/hooks.h. The best comes first. */
enum capture_tier {
	CAPTURE_TIER_AUTO = 0, /* the first of the others that can be had */
	CAPTURE_TIER_RAW,
	CAPTURE_TIER_TRACEPOINT,
	CAPTURE_TIER_FENTRY,
	CAPTURE_TIER_KPROBE,
	CAPTURE_TIER_BTF,
	CAPTURE_TIER_SYSCALL,
	CAPTURE_TIERS,
};

const char *capture_tier_name(enum capture_tier tier);
/* In words. Not for AUTO. */
const char *capture_tier_describe(enum capture_tier tier);
/* The tier of that name, or -EINVAL. */
int capture_tier_of(const char *name);
/* Whether it can be had: 0, or negative errno, and `why` says it in words. Not for AUTO. */
int capture_tier_try(enum capture_tier tier, char *why, size_t size);

struct capture_options {
	struct target_scope scope; /* filtered in the kernel */
	bool follow;		   /* the children of scope.pid belong to it */
	bool scope_grows;	   /* mount namespaces are added to it while it runs */
	bool discover;		   /* tell of files and namespaces that appear later */
	bool hold;		   /* and stop processes that map new ones */
	enum capture_mapped_tier mapped_tier;
	bool streams; /* copy the bytes of TLS connections' sockets, too */
	enum capture_tier tier;
	const char *spoiled; /* for tests: names of tiers whose programs the kernel is to refuse */
	bool one_by_one;     /* perf uprobes, even where uprobe_multi can be had */
	size_t ring_bytes;   /* a power of two multiple of the page size; 0: default */
	uint32_t sockets;    /* that can be followed at once; 0: default */
	int verbosity;	     /* 2: libbpf's warnings, 3: all its words; on stderr */
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

/* --- files and namespaces that appear later; by one thread, which may be another ------------- */

/* The tier in use. */
enum capture_mapped_tier capture_mapped_tier(const struct capture *capture);
const char *capture_mapped_tier_name(enum capture_mapped_tier tier);
/* The other way round; -EINVAL: no tier has this name. */
int capture_mapped_tier_of(const char *name);

/* Begins to note them. 0, or negative errno: -EOPNOTSUPP in the perf tier. */
int capture_mapped_open(struct capture *capture);
/* Readable when there are some. It stays the stage's. */
int capture_mapped_fd(const struct capture *capture);

typedef void (*capture_mapped_fn)(void *ctx, const struct mapped_event *event);
/* Delivers what is there. Their number or negative errno. */
int capture_mapped_consume(struct capture *capture, capture_mapped_fn fn, void *ctx);
/* Events that found no room. */
uint64_t capture_mapped_lost(const struct capture *capture);
/*
 * Mappings and programs that the kernel did not let us look at: where it preempts, all of a
 * processor's programs are skipped while a thread of ours waits there with a map in its hand.
 */
uint64_t capture_mapped_skipped(const struct capture *capture);

/*
 * A file was looked at (in this namespace; 0: a program): it is not told of again; when it has
 * TLS functions, as long as capture_probed() holds.
 */
void capture_mapped_done(struct capture *capture, const struct target_identity *identity,
			 uint32_t mntns, bool with);
/* It could not be looked at: it is told of again. */
void capture_mapped_forget(struct capture *capture, const struct target_identity *identity,
			   uint32_t mntns);

/* A file has probes, and has them no more: who maps it need not be held, and sweeps look. */
void capture_probed(struct capture *capture, const struct target_identity *identity);
void capture_not_probed(struct capture *capture, const struct target_identity *identity);
/* Looks at all mappings of the machine. 0 or negative errno. */
int capture_sweep(struct capture *capture);
/* Whether the last sweep found this probed file mapped. */
bool capture_is_mapped(const struct capture *capture, const struct target_identity *identity);

/* Calls take() for every process, with its mount namespace. 0 or negative errno. */
int capture_each_process(const struct capture *capture,
			 void (*take)(void *ctx, const struct mapped_process *process), void *ctx);

/* A mount namespace is known: programs that begin there are no event. */
void capture_namespace_known(struct capture *capture, uint64_t id);

/* The mount namespace with this number, as long as it has this id. 0 or negative errno. */
int capture_scope_add_mntns(struct capture *capture, uint32_t mntns, uint64_t id);
void capture_scope_remove_mntns(struct capture *capture, uint32_t mntns);
/* By the inode number of its folder. 0 or negative errno. */
int capture_scope_add_cgroup(struct capture *capture, uint64_t inode);

/* Says that events are looked at; without that for 250 ms, or with `alive` false, nobody is
 * held. */
void capture_hold_answer(struct capture *capture, bool alive);
/* Processes that could not be held. */
uint64_t capture_hold_refused(const struct capture *capture);
/* The map of held processes, for the watchdog. It stays the stage's. */
int capture_held_map(const struct capture *capture);

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

/* The tier in use, never AUTO. */
enum capture_tier capture_tier(const struct capture *capture);
/* What a capture that is open is made of. */
struct capture_facts {
	bool multi;		    /* one link holds all probes of a library (uprobe_multi) */
	bool legacy;		    /* the programs are those for Linux before 5.17 */
	uint64_t ring_bytes;	    /* size of the ring buffer */
	uint64_t locked_limit;	    /* bytes that maps may take as locked memory; 0: no limit */
	bool shrunk;		    /* tables were made smaller to fit that limit */
	int refused[CAPTURE_TIERS]; /* errno: the kernel refused that tier's programs; 0: no */
};

struct capture_facts capture_get_facts(const struct capture *capture);

/* Of the libbpf in use: "v1.1". */
const char *capture_libbpf_version(void);

#endif
