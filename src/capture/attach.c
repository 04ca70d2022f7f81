/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Probes in files. With uprobe_multi (Linux 6.6) one link holds all probes of a library; perf
 * uprobes are undone one by one, in about 0.1 s each. libbpf 1.1 does not know the former yet,
 * so the link is made with bpf(2) itself.
 */
#include "capture_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINK_CREATE	    28 /* BPF_LINK_CREATE */
#define UPROBE_MULTI_RETURN 1  /* BPF_F_UPROBE_MULTI_RETURN */

/* Beside the one that asks; a capture of a few libraries has as many links. */
#define RELEASE_THREADS 15

/* The part of union bpf_attr for BPF_LINK_CREATE with uprobe_multi (linux/bpf.h of 6.6). */
struct multi_attr {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t reserved;
};

static int multi_create(int program_fd, const char *path, const unsigned long *offsets,
			const uint64_t *cookies, uint32_t count, uint32_t flags, pid_t pid)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)program_fd,
		.attach_type = ATTACH_TYPE_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.count = count,
		.multi_flags = flags,
		.pid = (uint32_t)pid,
	};
	long fd = syscall(SYS_bpf, LINK_CREATE, &attr, offsetof(struct multi_attr, reserved));

	return fd < 0 ? -errno : (int)fd;
}

bool attach_has_multi(int program_fd)
{
	unsigned long offset = 0;
	uint64_t cookie = 0;
	int fd = multi_create(program_fd, "/", &offset, &cookie, 1, 0, 0);

	if (fd >= 0)
		close(fd);
	/* A kernel that knows it complains about the file only: "/" is none. */
	return fd == -EBADF;
}

int attach_keep(struct capture *capture, struct bpf_link *link)
{
	if (capture->n_links == capture->links_room) {
		size_t room = capture->links_room ? capture->links_room * 2 : 32;
		void *grown = realloc(capture->links, room * sizeof(*capture->links));

		if (!grown) {
			bpf_link__destroy(link);
			return -ENOMEM;
		}
		capture->links = grown;
		capture->links_room = room;
	}
	capture->links[capture->n_links++] = link;
	return 0;
}

/* As in bpf/legacy.h. */
struct probe_place {
	uint64_t inode;
	uint64_t offset;
	uint32_t device;
	uint32_t generation;
};

/* One kind (enum locate_when) of one library's probes. */
struct batch {
	struct bpf_program *program;
	bool at_return;
	unsigned int when;
	pid_t pid; /* 0: every process */
	unsigned long offsets[LOCATE_PROBES_MAX];
	uint64_t cookies[LOCATE_PROBES_MAX];
	uint32_t count;
};

static void batch_fill(struct batch *batch, const struct locate_result *located, uint32_t library,
		       const struct attach_choice *choice)
{
	for (size_t i = 0; i < located->n_probes; i++) {
		const struct locate_probe *probe = &located->probes[i];

		if (!(probe->when & batch->when) || !(probe->purpose & choice->purposes) ||
		    (probe->purpose & choice->without))
			continue;
		batch->offsets[batch->count] = probe->offset;
		batch->cookies[batch->count] = TLSPCAP_COOKIE(library, probe->function);
		batch->count++;
	}
}

/*
 * Linux before 5.15 keeps no cookies: the programs look them up by the place (bpf/legacy.h).
 * A place that is used again gets its new cookie.
 */
static int note_cookies(struct capture *capture, const struct batch *batch, int fd)
{
	struct target_identity identity;
	int error = capture_identify(capture, fd, &identity);

	for (uint32_t i = 0; i < batch->count && !error; i++) {
		struct probe_place place = {
			.inode = identity.inode,
			.offset = batch->offsets[i],
			.device = identity.device,
			.generation = identity.generation,
		};

		if (bpf_map_update_elem(capture->cookies_fd, &place, &batch->cookies[i], BPF_ANY))
			error = -errno;
	}
	return error;
}

static int batch_attach_perf(struct capture *capture, const struct batch *batch, const char *path)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = batch->at_return,
			    .bpf_cookie = capture->legacy ? 0 : batch->cookies[i]);
		struct bpf_link *link = bpf_program__attach_uprobe_opts(
			batch->program, -1, path, batch->offsets[i], &options);
		int error;

		if (!link)
			return -errno;
		error = attach_keep(capture, link);
		if (error)
			return error;
	}
	return 0;
}

static int batch_attach(struct capture *capture, const struct batch *batch, const char *path,
			int *fd_out)
{
	int fd;

	if (!batch->count)
		return 0;
	if (!capture->has_multi)
		return batch->pid ? -EOPNOTSUPP : batch_attach_perf(capture, batch, path);
	fd = multi_create(bpf_program__fd(batch->program), path, batch->offsets, batch->cookies,
			  batch->count, batch->at_return ? UPROBE_MULTI_RETURN : 0, batch->pid);
	if (fd < 0)
		return fd;
	*fd_out = fd;
	return 0;
}

void attach_close(int fds[ATTACH_LINKS])
{
	for (int i = 0; i < ATTACH_LINKS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Leave before enter: a call that is entered in between has its return seen. */
int attach_library(struct capture *capture, struct bpf_program *enter, struct bpf_program *leave,
		   int fd, const struct locate_result *located, uint32_t library,
		   const struct attach_choice *choice, int fds[ATTACH_LINKS])
{
	struct batch batches[ATTACH_LINKS] = {
		{.program = leave, .when = LOCATE_LEAVE, .at_return = true},
		{.program = leave, .when = LOCATE_LEAVE_AT},
		{.program = enter, .when = LOCATE_ENTER},
	};
	char path[64];
	int error = 0;

	/* The kernel resolves the link to the open file: no path can be exchanged under us. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int i = 0; i < ATTACH_LINKS; i++)
		fds[i] = -1;
	for (int i = 0; i < ATTACH_LINKS && !error; i++) {
		batches[i].pid = choice->pid;
		batch_fill(&batches[i], located, library, choice);
		if (capture->legacy)
			error = note_cookies(capture, &batches[i], fd);
		if (!error)
			error = batch_attach(capture, &batches[i], path, &fds[i]);
	}
	if (error)
		attach_close(fds);
	return error;
}

/* Everything that is to be undone, and the next of it that nobody has taken. */
struct release {
	struct bpf_link **links;
	struct attach_links *files[2]; /* libraries, processes */
	size_t n_links, n_files[2];
	atomic_size_t next;
};

static bool release_next(struct release *release)
{
	size_t i = atomic_fetch_add(&release->next, 1);

	if (i < release->n_links) {
		bpf_link__destroy(release->links[i]);
		return true;
	}
	i -= release->n_links;
	for (int kind = 0; kind < 2; kind++) {
		size_t n = release->n_files[kind] * ATTACH_LINKS;

		if (i < n) {
			int *fd = &release->files[kind][i / ATTACH_LINKS].fds[i % ATTACH_LINKS];

			if (*fd >= 0)
				close(*fd);
			*fd = -1;
			return true;
		}
		i -= n;
	}
	return false;
}

static void *release_some(void *release)
{
	while (release_next(release))
		;
	return NULL;
}

/*
 * Undoing a probe waits until no processor can be in it, up to 0.1 s; those who wait at the same
 * time wait together. Without threads it only takes longer.
 */
void attach_release(struct capture *capture)
{
	struct release release = {
		.links = capture->links,
		.n_links = capture->n_links,
		.files = {capture->libraries, capture->process_links},
		.n_files = {capture->n_libraries, capture->n_process_links},
	};
	pthread_t threads[RELEASE_THREADS];
	size_t n = 0;
	sigset_t all, before;

	if (capture->stopped)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (n < RELEASE_THREADS && !pthread_create(&threads[n], NULL, release_some, &release))
		n++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	release_some(&release);
	while (n)
		pthread_join(threads[--n], NULL);
	capture->n_links = 0;
	for (size_t i = 0; i < capture->n_process_links; i++)
		capture->process_links[i].used = false;
}

int attach_process(struct capture *capture, const int fds[ATTACH_LINKS])
{
	size_t i = 0, room;
	void *grown;

	while (i < capture->n_process_links && capture->process_links[i].used)
		i++;
	if (i == capture->process_links_room) {
		room = i ? 2 * i : 16;
		grown = realloc(capture->process_links, room * sizeof(*capture->process_links));
		if (!grown)
			return -ENOMEM;
		capture->process_links = grown;
		capture->process_links_room = room;
	}
	if (i == capture->n_process_links)
		capture->n_process_links++;
	capture->process_links[i].used = true;
	memcpy(capture->process_links[i].fds, fds, sizeof(capture->process_links[i].fds));
	return (int)i;
}

void attach_detach(struct capture *capture, int handle)
{
	struct attach_links *link = &capture->process_links[handle];

	if (!link->used)
		return;
	link->used = false;
	attach_close(link->fds);
}
