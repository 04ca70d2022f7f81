/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files of the capture stage share. */
#ifndef TLSPCAP_CAPTURE_INTERNAL_H
#define TLSPCAP_CAPTURE_INTERNAL_H

#include <pthread.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/mapped.h>
#include <tlspcap/capture.h>

struct tlspcap_bpf;

/* As in bpf/emit.h. */
enum consumer_state {
	CONSUMER_BUSY = 0,
	CONSUMER_POLLING = 1,
	CONSUMER_ASLEEP = 2,
};

/* Kinds of probes, each of which has a link: leave, leave-at, enter. */
#define ATTACH_LINKS 3

/* The links of one library or of one process in it. */
struct attach_links {
	bool used;
	int fds[ATTACH_LINKS]; /* -1: none */
};

struct capture {
	struct tlspcap_bpf *skeleton;
	struct ring_buffer *ring;
	bool has_multi;		 /* uprobe_multi links: one for all probes of a library and kind */
	struct bpf_link **links; /* perf uprobes and tracepoints */
	size_t n_links, links_room;
	pthread_mutex_t lock;		    /* what is attached: links, process_links, libraries */
	struct attach_links *libraries;	    /* uprobe_multi links; index: library */
	struct attach_links *process_links; /* probes of one process; index: handle */
	size_t n_process_links, process_links_room;
	struct bpf_link *identity_link;
	uint32_t n_libraries;
	capture_event_fn fn; /* during capture_poll() */
	void *fn_ctx;
	int look_events; /* taken since the last look at the ring began */
	size_t look_bytes;
	uint64_t last_event_ns; /* CLOCK_MONOTONIC, for how to wait */
	uint32_t untold_count;	/* what the programs' count was when it was last looked at */
	bool has_messages;	/* the hooks on sendmmsg and recvmmsg are attached */
	bool stopped;
	enum capture_mapped_tier tier;
	struct ring_buffer *mapped_ring;
	capture_mapped_fn mapped_fn; /* during capture_mapped_consume() */
	void *mapped_fn_ctx;
};

/* Chooses the hooks of mapped.c, before the programs are loaded. */
void mapped_configure(struct capture *capture, const struct capture_options *options);

/* Whether the kernel has uprobe_multi for a program loaded for it. */
bool attach_has_multi(int program_fd);

/* Keep a link until capture_stop(). 0 or -ENOMEM (the link is destroyed then). */
int attach_keep(struct capture *capture, struct bpf_link *link);

void attach_close(int fds[ATTACH_LINKS]);

/* Remembers the links of one process's probes. A handle, or -ENOMEM. */
int attach_process(struct capture *capture, const int fds[ATTACH_LINKS]);
void attach_detach(struct capture *capture, int handle);

/* Detaches everything that attach_keep() and capture_attach_library() made. */
void attach_release(struct capture *capture);

struct attach_choice {
	unsigned int purposes; /* probes that serve one of these … */
	unsigned int without;  /* … and none of these */
	pid_t pid;	       /* in this process only; 0: in all */
};

/*
 * Attaches one library file; `library` is its index, in every cookie. 0 or negative errno.
 * fds gets the uprobe_multi links, -1 where there is none; perf links are kept.
 */
int attach_library(struct capture *capture, struct bpf_program *enter, struct bpf_program *leave,
		   int fd, const struct locate_result *located, uint32_t library,
		   const struct attach_choice *choice, int fds[ATTACH_LINKS]);

#define ATTACH_TYPE_UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI, newer than our headers */

#endif
