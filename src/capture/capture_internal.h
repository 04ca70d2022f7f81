/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files of the capture stage share. */
#ifndef TLSPCAP_CAPTURE_INTERNAL_H
#define TLSPCAP_CAPTURE_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <tlspcap/capture.h>

struct tlspcap_bpf;

/* As in bpf/emit.h. */
enum consumer_state {
	CONSUMER_BUSY = 0,
	CONSUMER_POLLING = 1,
	CONSUMER_ASLEEP = 2,
};

struct capture {
	struct tlspcap_bpf *skeleton;
	struct ring_buffer *ring;
	bool has_multi;		 /* uprobe_multi links: one for all probes of a library and kind */
	struct bpf_link **links; /* perf uprobes and tracepoints */
	size_t n_links, links_room;
	int *link_fds; /* uprobe_multi links */
	size_t n_link_fds, link_fds_room;
	struct bpf_link *identity_link;
	uint32_t n_libraries;
	capture_event_fn fn; /* during capture_poll() */
	void *fn_ctx;
	uint64_t last_event_ns; /* CLOCK_MONOTONIC, for how to wait */
	bool stopped;
};

/* Whether the kernel has uprobe_multi for a program loaded for it. */
bool attach_has_multi(int program_fd);

/* Keep a link until capture_stop(). 0 or -ENOMEM (the link is destroyed then). */
int attach_keep(struct capture *capture, struct bpf_link *link);

/* Detaches everything that attach_keep() and capture_attach_library() made. */
void attach_release(struct capture *capture);

/* Attaches one library file; `library` is its index, in every cookie. 0 or negative errno. */
int attach_library(struct capture *capture, struct bpf_program *enter, struct bpf_program *leave,
		   int fd, const struct locate_result *located, uint32_t library);

#define ATTACH_TYPE_UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI, newer than our headers */

#endif
