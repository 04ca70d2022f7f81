/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "capture_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tlspcap.skel.h"

/* After this long without an event, user space sleeps until one comes. */
#define IDLE_NS (1000ull * 1000 * 1000)
/* While events come, it looks at the ring that often; where that many were found, less often. */
#define POLLING_MS	5
#define BUSY_EVENTS	256
#define BUSY_POLLING_MS 20

/*
 * What one look at the ring takes at most. It may fill as fast as it is emptied, and who polls
 * has a clock, signals and files to look after.
 */
#define LOOK_EVENTS    16384
#define LOOK_BYTES     ((size_t)16 << 20)

#define PREFETCH_BYTES 448 /* a small request or answer */

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int print_all(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	return vfprintf(stderr, format, arguments);
}

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

/* The kernel's number of a controller of version 1; -1: of version 2's hierarchy. */
static int controller_index(const char *controller)
{
	struct btf *btf = btf__load_vmlinux_btf();
	char name[64];
	int id, index = -1;

	/* The kernel's name of it is another one. */
	snprintf(name, sizeof(name), "%s_cgrp_id", strcmp(controller, "blkio") ? controller : "io");
	id = btf && controller[0] ? btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM)
				  : -1;
	if (id >= 0) {
		const struct btf_type *type = btf__type_by_id(btf, (uint32_t)id);
		const struct btf_enum *values = btf_enum(type);

		for (int i = 0; i < btf_vlen(type); i++)
			if (!strcmp(btf__name_by_offset(btf, values[i].name_off), name))
				index = values[i].val;
	}
	btf__free(btf);
	return index;
}

static void set_scope(struct capture *capture, const struct capture_options *options)
{
	struct tlspcap_bpf *skeleton = capture->skeleton;

	skeleton->rodata->only_mntns = options->scope.n_mntns > 0 || options->scope_grows;
	if (options->scope.n_mntns > 0 && !options->scope_grows)
		skeleton->rodata->first_mntns = options->scope.mntns[0];
	skeleton->rodata->only_pid = options->scope.n_pid > 0 || options->follow;
	skeleton->rodata->only_uid = options->scope.n_uid > 0;
	skeleton->rodata->follow = options->follow;
	skeleton->rodata->streams = options->streams;
	bpf_program__set_autoload(skeleton->progs.stream_sendmmsg, options->streams);
	bpf_program__set_autoload(skeleton->progs.stream_recvmmsg, options->streams);
	skeleton->rodata->only_netns = options->scope.n_netns > 0;
	skeleton->rodata->only_comm = options->scope.n_comm > 0;
	skeleton->rodata->only_cgroup = options->scope.n_cgroup > 0;
	if (options->scope.n_cgroup)
		skeleton->rodata->cgroup_controller =
			controller_index(options->scope.cgroup[0].controller);
	mapped_configure(capture, options);
}

static int add_key(struct bpf_map *map, uint32_t key)
{
	uint8_t one = 1;

	return bpf_map__update_elem(map, &key, sizeof(key), &one, sizeof(one), BPF_ANY);
}

static int add_comm(struct bpf_map *map, const char *comm)
{
	char key[TLSPCAP_COMM_LEN] = "";
	uint8_t one = 1;

	memcpy(key, comm, strnlen(comm, sizeof(key) - 1));
	return bpf_map__update_elem(map, key, sizeof(key), &one, sizeof(one), BPF_ANY);
}

static int fill_scope(struct capture *capture, const struct target_scope *scope)
{
	struct tlspcap_bpf *skeleton = capture->skeleton;
	int error = 0;

	for (size_t i = 0; i < scope->n_mntns && !error; i++)
		error = capture_scope_add_mntns(capture, scope->mntns[i], 0);
	for (size_t i = 0; i < scope->n_pid && !error; i++)
		error = add_key(skeleton->maps.scope_pid, (uint32_t)scope->pid[i]);
	for (size_t i = 0; i < scope->n_uid && !error; i++)
		error = add_key(skeleton->maps.scope_uid, scope->uid[i]);
	for (size_t i = 0; i < scope->n_netns && !error; i++)
		error = add_key(skeleton->maps.scope_netns, scope->netns[i]);
	for (size_t i = 0; i < scope->n_comm && !error; i++)
		error = add_comm(skeleton->maps.scope_comm, scope->comm[i]);
	return error;
}

/* The next event was written on another processor: its memory comes while this one is handled. */
static void prefetch_next(const uint8_t *data, size_t size)
{
	const uint8_t *next = data + ((size + 7) & ~(size_t)7);

	for (size_t i = 0; i < PREFETCH_BYTES; i += 64)
		__builtin_prefetch(next + i);
}

static int deliver(void *ctx, void *data, size_t size)
{
	struct capture *capture = ctx;
	const struct tlspcap_event *event = data;

	prefetch_next(data, size);

	/* Records come in size classes: event->size is what counts. */
	if (size < sizeof(*event) || event->size > size)
		return 0;
	capture->fn(capture->fn_ctx, event);
	capture->look_bytes += size;
	return ++capture->look_events < LOOK_EVENTS && capture->look_bytes < LOOK_BYTES
		       ? 0
		       : -ECANCELED;
}

/* Number of events, or negative errno. */
static int consume(struct capture *capture)
{
	int n;

	capture->look_events = 0;
	capture->look_bytes = 0;
	n = ring_buffer__consume(capture->ring);
	return n < 0 && n != -ECANCELED ? n : capture->look_events;
}

static int open_ring(struct capture *capture, char **why)
{
	capture->ring = ring_buffer__new(bpf_map__fd(capture->skeleton->maps.events), deliver,
					 capture, NULL);
	if (!capture->ring)
		return capture_fail(why, -errno, "the ring buffer cannot be mapped (%s)",
				    strerror(errno));
	return 0;
}

static int load_once(struct capture *capture, const struct capture_options *options, char **why)
{
	int error = load_open(capture, options, why);

	if (error)
		return error;
	set_scope(capture, options);
	return load_finish(capture, options, why);
}

/*
 * What a tier is tried with is a program that does nothing. The real ones may still be refused,
 * by a verifier that is older or stricter than those that they were written for. Which of the
 * programs it was is not known: first another tier for sockets, then for files that appear later.
 * Returns whether there is another choice.
 */
static bool choose_again(struct capture *capture, const struct capture_options *options, int error)
{
	enum capture_tier next;
	char reason[256];

	/* Privileges and memory are no matter of programs. */
	if (options->tier != CAPTURE_TIER_AUTO || !capture->skeleton || error == -EPERM ||
	    error == -ENOMEM)
		return false;
	capture->refused[capture->socket_tier] = error;
	if (!tiers_choose(CAPTURE_TIER_AUTO, capture->refused, &next, reason, sizeof(reason)))
		return true;
	if (capture->tier != CAPTURE_MAPPED_FENTRY || options->mapped_tier != CAPTURE_MAPPED_AUTO)
		return false;
	memset(capture->refused, 0, sizeof(capture->refused));
	capture->no_mapped_fentry = true;
	return true;
}

/* The first failure is the one to tell of. */
static int load(struct capture *capture, const struct capture_options *options, char **why)
{
	int error = load_once(capture, options, why), again = error;
	char *other = NULL;

	while (again && choose_again(capture, options, again)) {
		tlspcap_bpf__destroy(capture->skeleton);
		capture->skeleton = NULL;
		again = load_once(capture, options, &other);
		free(other);
		other = NULL;
	}
	if (again)
		return error;
	free(*why);
	*why = NULL;
	return 0;
}

static int prepare(struct capture *capture, const struct capture_options *options, char **why)
{
	int error = load(capture, options, why);

	if (error)
		return error;
	error = fill_scope(capture, &options->scope);
	if (error)
		return capture_fail(why, error, "too many --mntns, --pid or --uid values (%s)",
				    strerror(-error));
	return open_ring(capture, why);
}

int capture_open(const struct capture_options *options, struct capture **out, char **why)
{
	struct capture *capture;
	int error;

	*out = NULL;
	*why = NULL;
	error = kernel_check(why);
	if (error)
		return error;
	capture = calloc(1, sizeof(*capture));
	if (!capture)
		return capture_fail(why, -ENOMEM, "out of memory");
	capture->verbosity = options->verbosity;
	pthread_mutex_init(&capture->lock, NULL);
	pthread_mutex_init(&capture->search_lock, NULL);
	capture->libraries = calloc(TLSPCAP_LIBRARIES_MAX, sizeof(*capture->libraries));
	if (!capture->libraries) {
		capture_close(capture);
		return capture_fail(why, -ENOMEM, "out of memory");
	}
	libbpf_set_print(options->verbosity > 2	  ? print_all
			 : options->verbosity > 1 ? print_warnings
						  : NULL);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	error = prepare(capture, options, why);
	if (error) {
		capture_close(capture);
		return error;
	}
	identify_open(capture);
	*out = capture;
	return 0;
}

int capture_attach_system(struct capture *capture, char **why)
{
	const char *failed = NULL;
	int error;

	*why = NULL;
	error = tiers_attach(capture, &failed);
	if (error)
		return capture_fail(why, error,
				    "the kernel's hook for %s cannot be used (%s); see tlspcap "
				    "--doctor",
				    failed, strerror(-error));
	return 0;
}

struct bpf_object *capture_object(const struct capture *capture)
{
	return capture->skeleton->obj;
}

struct capture_facts capture_get_facts(const struct capture *capture)
{
	struct capture_facts facts = {
		.multi = capture->has_multi,
		.legacy = capture->legacy,
		.ring_bytes = bpf_map__max_entries(capture->skeleton->maps.events),
		.shrunk = capture->shrunk,
	};

	memcpy(facts.refused, capture->refused, sizeof(facts.refused));

	kernel_counts_maps(&facts.locked_limit);
	return facts;
}

enum capture_tier capture_tier(const struct capture *capture)
{
	return capture->socket_tier;
}

static struct bpf_program *family_program(const struct capture *capture, const char *family,
					  const char *when)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", family, when);
	return bpf_object__find_program_by_name(capture->skeleton->obj, name);
}

static int attach_next(struct capture *capture, int fd, const struct locate_result *located,
		       const struct attach_choice *choice)
{
	struct bpf_program *enter = family_program(capture, located->family, "enter");
	struct bpf_program *leave = family_program(capture, located->family, "leave");
	uint32_t library = 0;
	int error;

	if (!enter || !leave)
		return -EOPNOTSUPP;
	while (library < capture->n_libraries && capture->libraries[library].used)
		library++;
	if (library >= TLSPCAP_LIBRARIES_MAX)
		return -ENOSPC;
	error = bpf_map__update_elem(capture->skeleton->maps.layouts, &library, sizeof(library),
				     &located->layout, sizeof(located->layout), BPF_ANY);
	if (!error)
		error = attach_library(capture, enter, leave, fd, located, library, choice,
				       capture->libraries[library].fds);
	if (error)
		return error;
	capture->libraries[library].used = true;
	if (library == capture->n_libraries)
		capture->n_libraries++;
	return (int)library;
}

int capture_attach_library(struct capture *capture, int fd, const struct locate_result *located,
			   unsigned int purposes)
{
	const struct attach_choice choice = {.purposes = purposes};
	int result;

	pthread_mutex_lock(&capture->lock);
	if (purposes & LOCATE_FOR_PLAINTEXT)
		capture->skeleton->bss->calls_probed = 1;
	result = attach_next(capture, fd, located, &choice);
	pthread_mutex_unlock(&capture->lock);
	return result;
}

void capture_detach_library(struct capture *capture, uint32_t library)
{
	pthread_mutex_lock(&capture->lock);
	attach_close(capture->libraries[library].fds);
	capture->libraries[library].used = false;
	pthread_mutex_unlock(&capture->lock);
}

int capture_attach_process(struct capture *capture, int fd, const struct locate_result *located,
			   uint32_t library, pid_t pid)
{
	const struct attach_choice choice = {
		.purposes = LOCATE_FOR_PLAINTEXT, .without = LOCATE_FOR_SECRETS, .pid = pid};
	struct bpf_program *enter = family_program(capture, located->family, "enter");
	struct bpf_program *leave = family_program(capture, located->family, "leave");
	int fds[ATTACH_LINKS], result;

	if (!enter || !leave)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&capture->lock);
	capture->skeleton->bss->calls_probed = 1;
	result = attach_library(capture, enter, leave, fd, located, library, &choice, fds);
	if (!result) {
		result = attach_process(capture, fds);
		if (result < 0)
			attach_close(fds);
	}
	pthread_mutex_unlock(&capture->lock);
	return result;
}

void capture_detach(struct capture *capture, int handle)
{
	pthread_mutex_lock(&capture->lock);
	attach_detach(capture, handle);
	pthread_mutex_unlock(&capture->lock);
}

int capture_add_pid(struct capture *capture, pid_t pid)
{
	return add_key(capture->skeleton->maps.scope_pid, (uint32_t)pid);
}

static void set_consumer(struct capture *capture, enum consumer_state state)
{
	__atomic_store_n(&capture->skeleton->bss->consumer_state, (uint32_t)state,
			 __ATOMIC_SEQ_CST);
}

static int wait_for_events(struct capture *capture, int timeout_ms)
{
	bool idle = monotonic_ns() - capture->last_event_ns > IDLE_NS;
	int polling_ms = capture->found_events < BUSY_EVENTS ? POLLING_MS : BUSY_POLLING_MS;
	struct epoll_event event;
	int n;

	if (!idle && (timeout_ms < 0 || timeout_ms > polling_ms))
		timeout_ms = polling_ms;
	set_consumer(capture, idle ? CONSUMER_ASLEEP : CONSUMER_POLLING);
	/* What came between the last look and that word woke nobody. */
	n = consume(capture);
	if (n)
		goto out;
	capture->found_events = 0;
	n = epoll_wait(ring_buffer__epoll_fd(capture->ring), &event, 1, timeout_ms);
	n = n < 0 ? -errno : 0;
out:
	set_consumer(capture, CONSUMER_BUSY);
	return n;
}

/* See bpf/stream.h; without them, such messages stay gaps, which are counted. */
static void attach_messages(struct capture *capture)
{
	struct bpf_program *const programs[] = {
		capture->skeleton->progs.stream_sendmmsg,
		capture->skeleton->progs.stream_recvmmsg,
	};

	int error = 0;

	capture->has_messages = true;
	for (size_t i = 0; i < 2; i++) {
		struct bpf_link *link = bpf_program__attach(programs[i]);

		if (!link) {
			error = errno;
			continue;
		}
		pthread_mutex_lock(&capture->lock);
		attach_keep(capture, link);
		pthread_mutex_unlock(&capture->lock);
	}
	if (capture->verbosity && error)
		fprintf(stderr,
			"tlspcap: no hooks on sendmmsg and recvmmsg (%s): what they move is a "
			"gap\n",
			strerror(error));
	else if (capture->verbosity)
		fprintf(stderr,
			"tlspcap: hooks on sendmmsg and recvmmsg, for a program uses them\n");
}

/*
 * Ends of connections for which the ring had no room. It is empty now: what belongs before them
 * has been told.
 */
static int tell_untold(struct capture *capture)
{
	struct bpf_map *map = capture->skeleton->maps.untold;
	uint32_t count = __atomic_load_n(&capture->skeleton->bss->untold_count, __ATOMIC_ACQUIRE);
	struct tlspcap_state state;
	uint64_t id;
	int n = 0;

	if (count == capture->untold_count)
		return 0;
	capture->untold_count = count;
	while (n < LOOK_EVENTS && !bpf_map__get_next_key(map, NULL, &id, sizeof(id))) {
		if (!bpf_map__lookup_elem(map, &id, sizeof(id), &state, sizeof(state), 0)) {
			capture->fn(capture->fn_ctx, &state.event);
			n++;
		}
		if (bpf_map__delete_elem(map, &id, sizeof(id), 0))
			break;
	}
	if (n == LOOK_EVENTS)
		capture->untold_count--; /* there are more */
	return n;
}

int capture_poll(struct capture *capture, int timeout_ms, capture_event_fn fn, void *ctx)
{
	int n, waited;

	if (capture->skeleton->bss->messages_wanted && !capture->has_messages && !capture->stopped)
		attach_messages(capture);

	capture->fn = fn;
	capture->fn_ctx = ctx;
	n = consume(capture);
	if (n == 0)
		n = tell_untold(capture);
	if (n == 0 && capture->stopped && !capture->told_heads) {
		capture->told_heads = true;
		n = heads_tell(capture, monotonic_ns());
	}
	if (n == 0 && timeout_ms != 0 && !capture->stopped) {
		waited = wait_for_events(capture, timeout_ms);
		if (waited < 0)
			return waited;
		n = consume(capture);
		if (n >= 0)
			n += waited;
	}
	if (n > 0) {
		capture->last_event_ns = monotonic_ns();
		if (capture->found_events < BUSY_EVENTS)
			capture->found_events += n;
	}
	return n;
}

int capture_loss(const struct capture *capture, __u64 count[TLSPCAP_LOSS_MAX])
{
	int cpus = libbpf_num_possible_cpus();
	int error = 0;
	uint64_t *values;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < TLSPCAP_LOSS_MAX && !error; i++) {
		count[i] = 0;
		error = bpf_map__lookup_elem(capture->skeleton->maps.losses, &i, sizeof(i), values,
					     (size_t)cpus * sizeof(*values), 0);
		for (int cpu = 0; cpu < cpus && !error; cpu++)
			count[i] += values[cpu];
	}
	free(values);
	if (!error)
		count[TLSPCAP_LOSS_RECURSION] += tiers_skipped(capture_object(capture));
	return error;
}

void capture_stop(struct capture *capture)
{
	attach_release(capture);
	capture->stopped = true;
	if (capture->verbosity)
		tiers_print_skipped(capture_object(capture));
}

void capture_close(struct capture *capture)
{
	if (!capture)
		return;
	attach_release(capture);
	free(capture->links);
	free(capture->libraries);
	free(capture->process_links);
	bpf_link__destroy(capture->identity_link);
	ring_buffer__free(capture->ring);
	ring_buffer__free(capture->mapped_ring);
	tlspcap_bpf__destroy(capture->skeleton);
	pthread_mutex_destroy(&capture->lock);
	pthread_mutex_destroy(&capture->search_lock);
	free(capture);
}

const char *capture_libbpf_version(void)
{
	return libbpf_version_string();
}
