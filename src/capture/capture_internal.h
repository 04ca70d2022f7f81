/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files of the capture stage share. */
#ifndef TLSPCAP_CAPTURE_INTERNAL_H
#define TLSPCAP_CAPTURE_INTERNAL_H

#include <pthread.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
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
	struct bpf_link *identity_link; /* NULL: mapping_search is run instead */
	uint32_t n_libraries;
	capture_event_fn fn; /* during capture_poll() */
	void *fn_ctx;
	int look_events; /* taken since the last look at the ring began */
	size_t look_bytes;
	int found_events;	/* since it last waited; or BUSY_EVENTS and some more */
	uint64_t last_event_ns; /* CLOCK_MONOTONIC, for how to wait */
	uint32_t untold_count;	/* what the programs' count was when it was last looked at */
	bool has_messages;	/* it was tried to attach the hooks on sendmmsg and recvmmsg */
	int verbosity;
	bool stopped;
	bool told_heads; /* after that */
	enum capture_mapped_tier tier;
	struct ring_buffer *mapped_ring;
	capture_mapped_fn mapped_fn; /* during capture_mapped_consume() */
	void *mapped_fn_ctx;
	pthread_mutex_t search_lock; /* the answer of mapping_search is in one place */
	enum capture_tier socket_tier;
	int refused[CAPTURE_TIERS]; /* why the kernel refused the programs of a tier; 0: it did not
				     */
	bool no_mapped_fentry;	    /* the same of CAPTURE_MAPPED_FENTRY */
	bool shrunk;		    /* tables were made smaller to fit the limit of locked memory */
	bool legacy;		    /* the object for Linux before 5.17 */
	int cookies_fd;		    /* legacy: the map of the probes' cookies */
	bool has_mappings_of_one;   /* the iterator over mappings can be told of which process */
};

/* Whether it is one of the programs that notice what is mapped. */
bool mapped_is_of(const char *program);

/* Chooses the hooks of mapped.c, before the programs are loaded. */
void mapped_configure(struct capture *capture, const struct capture_options *options);

int capture_fail(char **why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

struct bpf_object *capture_object(const struct capture *capture);

/* --- kernel.c: what there is ----------------------------------------------------------------- */

struct kernel_features {
	bool mappings;	      /* an iterator over mappings */
	bool mappings_of_one; /* … of one process (Linux 6.1) */
	bool grown_maps;      /* maps may grow while programs run (Linux 6.1) */
};

const char *kernel_release(void);

/* Whether anything can be done here at all. As capture_open(). */
int kernel_check(char **why);
void kernel_find_features(struct kernel_features *features);
/* Whether it may take the processor from a program of ours; true where that cannot be known. */
bool kernel_preempts(void);
bool kernel_has_multi(void);
/* Whether it lacks helpers that the programs for newer kernels use. */
bool kernel_is_legacy(void);
/* Whether BPF maps count as locked memory, of which there may be *limit bytes. */
bool kernel_counts_maps(uint64_t *limit);
/* Puts the reason of a failed load into words. Returns an errno as capture_open(). */
int kernel_explain(int error, char **why);
/* The same of a tier that was asked for. */
int kernel_explain_tier(int error, enum capture_tier tier, char **why);

/* --- tiers.c: which hooks --------------------------------------------------------------------- */

/*
 * 0 and *chosen, none of those with an errno in `refused`; or why there is none: of the last one
 * that was tried.
 */
int tiers_choose(enum capture_tier wanted, const int refused[CAPTURE_TIERS],
		 enum capture_tier *chosen, char *why, size_t size);
/* Of all tiers' programs, only those of the chosen one are to be loaded. */
void tiers_select(struct bpf_object *object, enum capture_tier chosen);
/*
 * For tests: makes programs of these tiers, named with commas between them, such that the kernel
 * refuses them; `mapped` is the one that notices mapped files by fentry. NULL: none.
 */
void tiers_spoil(struct bpf_object *object, enum capture_tier chosen, const char *names);
/* Attaches them; on failure *failed is the name of the program. */
int tiers_attach(struct capture *capture, const char **failed);
/* How often the kernel skipped a program because it interrupted another one. */
uint64_t tiers_skipped(const struct bpf_object *object);
uint64_t tiers_skipped_runs(const struct bpf_program *program);

/* Of which programs, on stderr. */
void tiers_print_skipped(const struct bpf_object *object);
uint32_t tiers_receive_arguments(void);

/* --- load.c ----------------------------------------------------------------------------------- */

/* Between the two, constants for the programs may be set. As capture_open(). */
int load_open(struct capture *capture, const struct capture_options *options, char **why);
int load_finish(struct capture *capture, const struct capture_options *options, char **why);

/* --- identify.c: see capture_identify() ------------------------------------------------------- */

void identify_open(struct capture *capture);

/* --- attach.c --------------------------------------------------------------------------------- */

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

/* The hooks are off: tells the headers that wait for their records' rest. Returns how many. */
int heads_tell(struct capture *capture, uint64_t time_ns);

#endif
