/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Files and namespaces that appear while the capture runs: the hooks, their ring, and the
 * questions about what is still mapped. See bpf/mapped.bpf.h.
 */
#include "capture_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/btf.h>

#include "tlspcap.skel.h"

static const char *const tier_names[] = {
	[CAPTURE_MAPPED_AUTO] = "auto",
	[CAPTURE_MAPPED_FENTRY] = "fentry",
	[CAPTURE_MAPPED_SYSCALL] = "syscall",
	[CAPTURE_MAPPED_PERF] = "perf",
};

const char *capture_mapped_tier_name(enum capture_mapped_tier tier)
{
	return tier_names[tier];
}

int capture_mapped_tier_of(const char *name)
{
	for (size_t i = 0; i < sizeof(tier_names) / sizeof(tier_names[0]); i++)
		if (!strcmp(tier_names[i], name))
			return (int)i;
	return -EINVAL;
}

/* Whether a program at the entry of uprobe_mmap() loads and can be attached. */
static bool kernel_has_fentry(void)
{
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FENTRY);
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, "uprobe_mmap", BTF_KIND_FUNC) : -1;
	int program, link;

	btf__free(btf);
	if (id < 0)
		return false;
	options.attach_btf_id = (uint32_t)id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "tlspcap_probe", "GPL", instructions, 2,
				&options);
	if (program < 0)
		return false;
	link = bpf_raw_tracepoint_open(NULL, program);
	if (link >= 0)
		close(link);
	close(program);
	return link >= 0;
}

/* Whether sys_exit_mmap is there and its program's helpers are (Linux 5.17). */
static bool kernel_has_call_hook(const struct capture *capture)
{
	if (capture->legacy)
		return false;
	return !access("/sys/kernel/tracing/events/syscalls/sys_exit_mmap", F_OK) ||
	       !access("/sys/kernel/debug/tracing/events/syscalls/sys_exit_mmap", F_OK);
}

static enum capture_mapped_tier choose_tier(const struct capture *capture,
					    enum capture_mapped_tier wanted)
{
	bool has_call_hook;

	if (wanted != CAPTURE_MAPPED_AUTO)
		return wanted;
	has_call_hook = kernel_has_call_hook(capture);
	/* At a function's entry, a program that is preempted makes another thread's be skipped. */
	if (!capture->no_mapped_fentry && !(has_call_hook && kernel_preempts()) &&
	    kernel_has_fentry())
		return CAPTURE_MAPPED_FENTRY;
	return has_call_hook ? CAPTURE_MAPPED_SYSCALL : CAPTURE_MAPPED_PERF;
}

static void set_prefixes(struct tlspcap_bpf *skeleton)
{
	const size_t size = sizeof(skeleton->rodata->mapped_prefixes[0].text);
	char text[MAPPED_PREFIX_LEN + 1];
	size_t n = 0;

	while (n < MAPPED_PREFIXES_MAX && locate_name_prefix(n, text, sizeof(text))) {
		/* A volatile array for the compiler of the other side. */
		memcpy((char *)skeleton->rodata->mapped_prefixes[n].text, text, size);
		skeleton->rodata->mapped_prefixes[n].length = (uint32_t)strlen(text);
		n++;
	}
}

void mapped_configure(struct capture *capture, const struct capture_options *options)
{
	struct tlspcap_bpf *skeleton = capture->skeleton;
	bool loaded;

	capture->tier = CAPTURE_MAPPED_PERF;
	if (options->discover)
		capture->tier = choose_tier(capture, options->mapped_tier);
	loaded = capture->tier != CAPTURE_MAPPED_PERF;
	bpf_program__set_autoload(skeleton->progs.mapped_by_kernel,
				  capture->tier == CAPTURE_MAPPED_FENTRY);
	bpf_program__set_autoload(skeleton->progs.mapped_by_call,
				  capture->tier == CAPTURE_MAPPED_SYSCALL);
	bpf_program__set_autoload(skeleton->progs.mapped_program, loaded);
	skeleton->rodata->hold = options->hold && loaded;
	skeleton->rodata->hold_unjudged = options->hold && options->scope_grows;
	skeleton->rodata->own_pid = (uint32_t)getpid();
	set_prefixes(skeleton);
}

enum capture_mapped_tier capture_mapped_tier(const struct capture *capture)
{
	return capture->tier;
}

static int deliver(void *ctx, void *data, size_t size)
{
	struct capture *capture = ctx;

	if (size >= sizeof(struct mapped_event))
		capture->mapped_fn(capture->mapped_fn_ctx, data);
	return 0;
}

int capture_mapped_open(struct capture *capture)
{
	struct tlspcap_bpf *skeleton = capture->skeleton;
	struct bpf_program *const programs[] = {
		skeleton->progs.mapped_program,
		skeleton->progs.mapped_by_kernel,
		skeleton->progs.mapped_by_call,
	};
	int error = 0;

	if (capture->tier == CAPTURE_MAPPED_PERF)
		return -EOPNOTSUPP;
	capture->mapped_ring =
		ring_buffer__new(bpf_map__fd(skeleton->maps.mapped), deliver, capture, NULL);
	if (!capture->mapped_ring)
		return -errno;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]) && !error; i++) {
		struct bpf_link *link;

		if (!bpf_program__autoload(programs[i]))
			continue;
		link = bpf_program__attach(programs[i]);
		error = link ? attach_keep(capture, link) : -errno;
	}
	return error;
}

int capture_mapped_fd(const struct capture *capture)
{
	return ring_buffer__epoll_fd(capture->mapped_ring);
}

int capture_mapped_consume(struct capture *capture, capture_mapped_fn fn, void *ctx)
{
	capture->mapped_fn = fn;
	capture->mapped_fn_ctx = ctx;
	return ring_buffer__consume(capture->mapped_ring);
}

uint64_t capture_mapped_lost(const struct capture *capture)
{
	return capture->skeleton->bss->mapped_lost;
}

bool mapped_is_of(const char *program)
{
	return !strncmp(program, "mapped_", strlen("mapped_"));
}

uint64_t capture_mapped_skipped(const struct capture *capture)
{
	const struct bpf_program *const programs[] = {
		capture->skeleton->progs.mapped_program,
		capture->skeleton->progs.mapped_by_kernel,
		capture->skeleton->progs.mapped_by_call,
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (bpf_program__autoload(programs[i]))
			sum += tiers_skipped_runs(programs[i]);
	return sum;
}

static void set_key(struct mapped_key *key, const struct target_identity *identity, uint32_t mntns)
{
	*key = (struct mapped_key){
		.inode = identity->inode,
		.device = identity->device,
		.generation = identity->generation,
		.mntns = mntns,
	};
}

void capture_mapped_done(struct capture *capture, const struct target_identity *identity,
			 uint32_t mntns, bool with)
{
	struct mapped_key key;
	uint32_t done = with ? MAPPED_WITH : MAPPED_WITHOUT;

	set_key(&key, identity, mntns);
	bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.mapped_seen), &key, &done, BPF_ANY);
}

void capture_mapped_forget(struct capture *capture, const struct target_identity *identity,
			   uint32_t mntns)
{
	struct mapped_key key;

	set_key(&key, identity, mntns);
	bpf_map_delete_elem(bpf_map__fd(capture->skeleton->maps.mapped_seen), &key);
}

static void set_probed(struct capture *capture, const struct target_identity *identity, bool probed)
{
	int map = bpf_map__fd(capture->skeleton->maps.mapped_probed);
	uint64_t sweep = capture->skeleton->bss->mapped_sweep;
	struct mapped_key key;

	set_key(&key, identity, 0);
	if (probed)
		bpf_map_update_elem(map, &key, &sweep, BPF_ANY);
	else
		bpf_map_delete_elem(map, &key);
}

void capture_probed(struct capture *capture, const struct target_identity *identity)
{
	set_probed(capture, identity, true);
}

void capture_not_probed(struct capture *capture, const struct target_identity *identity)
{
	set_probed(capture, identity, false);
}

/* Runs an iterator to its end; what it prints goes to take(). 0 or negative errno. */
static int run_iterator(const struct bpf_program *program,
			void (*take)(void *ctx, const struct mapped_process *process), void *ctx)
{
	struct mapped_process lines[256];
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	int fd, error = 0;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, lines, sizeof(lines))) != 0) {
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0) {
			error = -errno;
			break;
		}
		for (size_t i = 0; take && i < (size_t)n / sizeof(lines[0]); i++)
			take(ctx, &lines[i]);
	}
	close(fd);
	return error;
}

int capture_sweep(struct capture *capture)
{
	capture->skeleton->bss->mapped_sweep++;
	return run_iterator(capture->skeleton->progs.mapped_still, NULL, NULL);
}

bool capture_is_mapped(const struct capture *capture, const struct target_identity *identity)
{
	struct mapped_key key;
	uint64_t sweep;

	set_key(&key, identity, 0);
	return !bpf_map_lookup_elem(bpf_map__fd(capture->skeleton->maps.mapped_probed), &key,
				    &sweep) &&
	       sweep == capture->skeleton->bss->mapped_sweep;
}

int capture_each_process(const struct capture *capture,
			 void (*take)(void *ctx, const struct mapped_process *process), void *ctx)
{
	return run_iterator(capture->skeleton->progs.mapped_processes, take, ctx);
}

void capture_namespace_known(struct capture *capture, uint64_t id)
{
	uint8_t one = 1;

	bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.namespaces_seen), &id, &one,
			    BPF_ANY);
}

/* --- the scope while it runs ----------------------------------------------------------------- */

int capture_scope_add_mntns(struct capture *capture, uint32_t mntns, uint64_t id)
{
	return bpf_map_update_elem(bpf_map__fd(capture->skeleton->maps.scope_mntns), &mntns, &id,
				   BPF_ANY)
		       ? -errno
		       : 0;
}

void capture_scope_remove_mntns(struct capture *capture, uint32_t mntns)
{
	bpf_map_delete_elem(bpf_map__fd(capture->skeleton->maps.scope_mntns), &mntns);
}

int capture_scope_add_cgroup(struct capture *capture, uint64_t inode)
{
	int map = bpf_map__fd(capture->skeleton->maps.scope_cgroup);
	uint8_t one = 1;

	if (!bpf_map_lookup_elem(map, &inode, &one))
		return 0;
	if (bpf_map_update_elem(map, &inode, &one, BPF_ANY))
		return -errno;
	capture->skeleton->bss->scope_version++;
	return 0;
}

/* --- processes that are held ------------------------------------------------------------------ */

int capture_held_map(const struct capture *capture)
{
	return bpf_map__fd(capture->skeleton->maps.held);
}

void capture_hold_answer(struct capture *capture, bool alive)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	capture->skeleton->bss->hold_answer_ns =
		alive ? (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec : 0;
}

uint64_t capture_hold_refused(const struct capture *capture)
{
	return capture->skeleton->bss->hold_refused;
}
