/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The programs go into the kernel: the object that it can have, with the hooks that it can
 * have, in the sizes that it allows.
 */
#include "capture_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tlspcap.skel.h"
#include "tlspcap_legacy.skel.h"

/* Tables are never made smaller than this, and the ring never smaller than that. */
#define ENTRIES_MIN 256
#define RING_MIN    ((size_t)256 << 10)

/*
 * Both objects are compiled from the same sources and have the same maps and programs (the
 * build compares them), so that one skeleton serves both.
 */
static struct tlspcap_bpf *open_object(bool legacy)
{
	struct tlspcap_bpf *skeleton;
	int error;

	if (!legacy)
		return tlspcap_bpf__open();
	skeleton = calloc(1, sizeof(*skeleton));
	if (!skeleton)
		return NULL;
	error = tlspcap_bpf__create_skeleton(skeleton);
	if (!error) {
		size_t size;
		const void *bytes = tlspcap_legacy_bpf__elf_bytes(&size);

		skeleton->skeleton->data = (void *)(uintptr_t)bytes;
		skeleton->skeleton->data_sz = size;
		error = bpf_object__open_skeleton(skeleton->skeleton, NULL);
	}
	if (error) {
		tlspcap_bpf__destroy(skeleton);
		errno = -error;
		return NULL;
	}
	return skeleton;
}

static bool begins_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* The families' programs at the beginnings of functions: <family>_enter. */
static bool is_enter(const char *name)
{
	static const char end[] = "_enter";
	size_t length = strlen(name);

	return length >= sizeof(end) && !strcmp(name + length - (sizeof(end) - 1), end);
}

static void use_multi(struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		const char *section = bpf_program__section_name(program);

		if (!begins_with(section, "uprobe") && !begins_with(section, "uretprobe"))
			continue;
		bpf_program__set_expected_attach_type(
			program, (enum bpf_attach_type)ATTACH_TYPE_UPROBE_MULTI);
		/* Kernels that have the one have the other: what logs a secret may wait. */
		if (is_enter(bpf_program__name(program)))
			bpf_program__set_flags(program, BPF_F_SLEEPABLE);
	}
}

/* What asks for more than the kernel has is not loaded; who uses it knows of its absence. */
static void leave_out(const struct capture *capture, const struct kernel_features *features)
{
	struct tlspcap_bpf *skeleton = capture->skeleton;
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program (program, skeleton->obj) {
		if (begins_with(bpf_program__section_name(program), "iter/task_vma") &&
		    !features->mappings)
			bpf_program__set_autoload(program, false);
	}
	bpf_program__set_autoload(skeleton->progs.mapping_search, !features->mappings_of_one);
	if (!capture->legacy)
		bpf_map__set_max_entries(skeleton->maps.probe_cookies, 1);
	/* Before Linux 6.1 a map that grows while a program runs could deadlock. */
	bpf_object__for_each_map (map, skeleton->obj) {
		if (!features->grown_maps)
			bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~BPF_F_NO_PREALLOC);
	}
}

int load_open(struct capture *capture, const struct capture_options *options, char **why)
{
	struct kernel_features features;
	struct tlspcap_bpf *skeleton;
	char reason[256];
	int error;

	kernel_find_features(&features);
	error = tiers_choose(options->tier, capture->refused, &capture->socket_tier, reason,
			     sizeof(reason));
	if (error && options->tier == CAPTURE_TIER_AUTO && error != -EPERM && error != -EACCES)
		return capture_fail(why, error,
				    "the kernel has no hook on sockets that can be used; see "
				    "tlspcap --doctor");
	/* Without a privilege no tier can be had, and the reason is better told as that. */
	if (error && options->tier != CAPTURE_TIER_AUTO)
		return capture_fail(why, error, "--tier=%s: %s", capture_tier_name(options->tier),
				    reason);
	capture->legacy = kernel_is_legacy();
	capture->has_mappings_of_one = features.mappings_of_one;
	skeleton = open_object(capture->legacy);
	if (!skeleton)
		return kernel_explain(-errno, why);
	capture->skeleton = skeleton;
	tiers_select(skeleton->obj, capture->socket_tier);
	tiers_spoil(skeleton->obj, capture->socket_tier, options->spoiled);
	leave_out(capture, &features);
	if (capture->socket_tier == CAPTURE_TIER_FENTRY ||
	    capture->socket_tier == CAPTURE_TIER_KPROBE)
		skeleton->rodata->receive_arguments = tiers_receive_arguments();
	return 0;
}

/* About what the kernel will count for the maps. */
static uint64_t bytes_of_maps(const struct bpf_object *object)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map (map, object) {
		uint64_t entries = bpf_map__max_entries(map);

		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			sum += entries;
		else
			sum += entries * (bpf_map__key_size(map) + bpf_map__value_size(map) + 80);
	}
	return sum;
}

static void halve_maps(struct tlspcap_bpf *skeleton)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, skeleton->obj) {
		uint32_t entries = bpf_map__max_entries(map);
		uint32_t least =
			bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF ? RING_MIN : ENTRIES_MIN;

		/* The index of a library has a fixed end. */
		if (map != skeleton->maps.layouts && entries / 2 >= least)
			bpf_map__set_max_entries(map, entries / 2);
	}
}

/*
 * Where maps count as locked memory and the limit cannot be lifted, they are made to fit:
 * root without CAP_SYS_RESOURCE. Three quarters, for others of this user lock memory, too.
 */
static void fit_limit(struct capture *capture, int verbosity)
{
	struct tlspcap_bpf *skeleton = capture->skeleton;
	struct rlimit rlimit;
	uint64_t limit, bytes;

	if (!getrlimit(RLIMIT_MEMLOCK, &rlimit)) {
		rlimit.rlim_cur = rlimit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &rlimit);
	}
	if (!kernel_counts_maps(&limit))
		return;
	bytes = bytes_of_maps(skeleton->obj);
	if (bytes <= limit / 4 * 3)
		return;
	for (int i = 0; i < 8 && bytes_of_maps(skeleton->obj) > limit / 4 * 3; i++)
		halve_maps(skeleton);
	capture->shrunk = true;
	if (verbosity)
		fprintf(stderr,
			"tlspcap: tables and ring buffer take %" PRIu64 " KiB instead of %" PRIu64
			": the limit of locked memory is %" PRIu64 " KiB\n",
			bytes_of_maps(skeleton->obj) >> 10, bytes >> 10, limit >> 10);
}

int load_finish(struct capture *capture, const struct capture_options *options, char **why)
{
	size_t ring_bytes = options->ring_bytes ? options->ring_bytes : CAPTURE_RING_DEFAULT;
	struct tlspcap_bpf *skeleton = capture->skeleton;
	int error;

	error = bpf_map__set_max_entries(skeleton->maps.events, (uint32_t)ring_bytes);
	if (!error && options->sockets)
		error = bpf_map__set_max_entries(skeleton->maps.sockets, options->sockets);
	if (error)
		return kernel_explain(error, why);
	fit_limit(capture, options->verbosity);
	skeleton->rodata->wake_bytes = bpf_map__max_entries(skeleton->maps.events) / 8;
	capture->has_multi = !options->one_by_one && kernel_has_multi();
	if (capture->has_multi) {
		use_multi(skeleton->obj);
		skeleton->rodata->can_wait = true;
	}
	error = tlspcap_bpf__load(skeleton);
	if (error && options->tier != CAPTURE_TIER_AUTO)
		return kernel_explain_tier(error, options->tier, why);
	if (error)
		return kernel_explain(error, why);
	capture->cookies_fd = bpf_map__fd(skeleton->maps.probe_cookies);
	return 0;
}
