/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "namespaces.h"

#include <bpf/mapped.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMESPACES_MAX 8192
#define BUCKETS	       4096 /* a power of two */
/* Processes of a namespace that are looked at before it counts as nobody's: a parent that only
 * waits there may be in no container. */
#define JUDGED_MAX 16
/* A runtime's first program in a new namespace may run before the container has its cgroup. */
#define JUDGE_AGAIN_NS (10ull * 1000 * 1000 * 1000)

struct entry {
	struct namespace_info info;
	struct entry *next;
	uint64_t since_ns;
	uint64_t walk;	     /* over all processes, the last one that judged it */
	unsigned int judged; /* processes in that walk */
	bool alive;	     /* in the sweep at hand */
	bool gone; /* it has no processes; its name is kept for what is still to be written */
};

struct namespaces {
	const struct options *options;
	pthread_mutex_t lock;
	struct entry *buckets[BUCKETS];
	size_t n, n_wanted;
	uint64_t walk;
	uint32_t host;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

struct namespaces *namespaces_new(const struct options *options)
{
	struct namespaces *namespaces = calloc(1, sizeof(*namespaces));

	if (!namespaces)
		return NULL;
	namespaces->options = options;
	pthread_mutex_init(&namespaces->lock, NULL);
	if (target_mntns_of(1, &namespaces->host))
		namespaces->host = 0;
	return namespaces;
}

bool namespaces_are_chosen(const struct options *options)
{
	return options->n_container || options->n_pod || options->n_pod_namespace;
}

static struct entry **bucket_of(struct namespaces *namespaces, uint32_t mntns)
{
	return &namespaces->buckets[mntns * 0x9e3779b1u >> 20 & (BUCKETS - 1)];
}

static struct entry *find(struct namespaces *namespaces, uint32_t mntns)
{
	struct entry *entry = *bucket_of(namespaces, mntns);

	while (entry && entry->info.mntns != mntns)
		entry = entry->next;
	return entry;
}

static bool any(const struct target_container *container, const char *const *values, size_t n,
		bool (*fits)(const struct target_container *container, const char *value))
{
	for (size_t i = 0; i < n; i++)
		if (fits(container, values[i]))
			return true;
	return !n;
}

static bool is_in_pod_namespace(const struct target_container *container, const char *value)
{
	return container->pod_namespace[0] && !strcmp(container->pod_namespace, value);
}

static bool is_chosen(const struct options *options, const struct target_container *container)
{
	return container->id[0] &&
	       any(container, options->container, options->n_container, target_container_is) &&
	       any(container, options->pod, options->n_pod, target_container_is_in_pod) &&
	       any(container, options->pod_namespace, options->n_pod_namespace,
		   is_in_pod_namespace);
}

static bool is_wanted(const struct namespaces *namespaces, const struct namespace_info *info)
{
	const struct options *options = namespaces->options;
	bool listed = !options->n_mntns;

	/* A container that shares the host's namespace would bring the whole host with it. */
	if (!namespaces_are_chosen(options) || info->mntns == namespaces->host)
		return false;
	for (size_t i = 0; i < options->n_mntns; i++)
		listed |= options->mntns[i] == info->mntns;
	return listed && is_chosen(options, &info->container);
}

static struct entry *make(struct namespaces *namespaces, uint32_t mntns)
{
	struct entry **bucket = bucket_of(namespaces, mntns), *entry;

	if (namespaces->n >= NAMESPACES_MAX)
		return NULL; /* it goes without a name; the next sweep makes room */
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->next = *bucket;
	*bucket = entry;
	namespaces->n++;
	return entry;
}

/* The description is made without the lock: it reads files. */
static bool judge(struct namespaces *namespaces, uint32_t mntns, uint64_t id, pid_t pid,
		  struct namespace_info *info)
{
	struct entry *entry;
	bool is_new;

	memset(info, 0, sizeof(*info));
	info->mntns = mntns;
	info->id = id;
	target_container_of(pid, &info->container);
	target_describe_process(pid, mntns, &info->container, info->name, sizeof(info->name),
				info->description, sizeof(info->description));
	info->wanted = is_wanted(namespaces, info);
	pthread_mutex_lock(&namespaces->lock);
	entry = find(namespaces, mntns);
	is_new = info->wanted &&
		 !(entry && !entry->gone && entry->info.id == id && entry->info.wanted);
	if (entry && !entry->gone)
		namespaces->n_wanted -= entry->info.wanted;
	if (!entry)
		entry = make(namespaces, mntns);
	if (entry) {
		if (entry->info.id != id || !entry->since_ns)
			entry->since_ns = now_ns();
		/* One that is in no container does not speak for the others. */
		if (info->container.id[0] || entry->info.id != id || entry->gone)
			entry->info = *info;
		else
			info->wanted = entry->info.wanted;
		entry->gone = false;
		entry->alive = true;
		entry->judged = entry->walk == namespaces->walk ? entry->judged + 1 : 1;
		entry->walk = namespaces->walk;
		namespaces->n_wanted += info->wanted;
	}
	pthread_mutex_unlock(&namespaces->lock);
	return is_new;
}

bool namespaces_note(struct namespaces *namespaces, uint32_t mntns, uint64_t id, pid_t pid)
{
	struct namespace_info info;

	return judge(namespaces, mntns, id, pid, &info);
}

static bool is_chosen_one(void *ctx, const struct target_container *container)
{
	return is_chosen(ctx, container);
}

bool namespaces_are_coming(const struct namespaces *namespaces)
{
	return namespaces_are_chosen(namespaces->options) &&
	       target_container_is_coming(is_chosen_one, (void *)namespaces->options);
}

struct walk {
	struct namespaces *namespaces;
	struct capture *capture;
	void (*add)(void *ctx, const struct namespace_info *info, pid_t pid);
	void *ctx;
};

/* Known, and old enough to be what it seems to be. */
static bool is_settled(struct namespaces *namespaces, const struct mapped_process *process)
{
	struct entry *entry;
	bool settled;

	pthread_mutex_lock(&namespaces->lock);
	entry = find(namespaces, process->mntns);
	settled = entry && entry->info.id == process->namespace_id && !entry->gone &&
		  (entry->info.container.id[0] || now_ns() - entry->since_ns > JUDGE_AGAIN_NS ||
		   (entry->walk == namespaces->walk &&
		    (entry->judged >= JUDGED_MAX || process->mntns == namespaces->host)));
	if (entry && entry->info.id == process->namespace_id)
		entry->alive = true;
	pthread_mutex_unlock(&namespaces->lock);
	return settled;
}

static void note_process(void *ctx, const struct mapped_process *process)
{
	struct walk *walk = ctx;
	struct namespace_info info;

	if (is_settled(walk->namespaces, process))
		return;
	/*
	 * Of others the first program that begins is told: what lives there now may be a runtime
	 * that has not yet said whose container it makes.
	 */
	if (process->mntns == walk->namespaces->host)
		capture_namespace_known(walk->capture, process->namespace_id);
	if (judge(walk->namespaces, process->mntns, process->namespace_id, (pid_t)process->pid,
		  &info) &&
	    walk->add)
		walk->add(walk->ctx, &info, (pid_t)process->pid);
}

void namespaces_note_all(struct namespaces *namespaces, struct capture *capture,
			 void (*add)(void *ctx, const struct namespace_info *info, pid_t pid),
			 void *ctx)
{
	struct walk walk = {namespaces, capture, add, ctx};

	namespaces->walk++;
	capture_each_process(capture, note_process, &walk);
}

static void mark_alive(void *ctx, const struct mapped_process *process)
{
	struct entry *entry = find(ctx, process->mntns);

	if (entry && entry->info.id == process->namespace_id)
		entry->alive = true;
}

void namespaces_sweep(struct namespaces *namespaces, struct capture *capture,
		      void (*drop)(void *ctx, const struct namespace_info *info), void *ctx)
{
	pthread_mutex_lock(&namespaces->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *entry = namespaces->buckets[i]; entry; entry = entry->next)
			entry->alive = false;
	if (capture_each_process(capture, mark_alive, namespaces))
		goto out; /* not known who lives: all do */
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry **at = &namespaces->buckets[i];

		while (*at) {
			struct entry *entry = *at;

			if (entry->alive || !entry->gone) {
				/* One sweep later: its last events may be on their way. */
				if (!entry->alive && entry->info.wanted)
					drop(ctx, &entry->info);
				if (!entry->alive)
					namespaces->n_wanted -= entry->info.wanted;
				entry->gone = !entry->alive;
				at = &entry->next;
				continue;
			}
			*at = entry->next;
			free(entry);
			namespaces->n--;
		}
	}
out:
	pthread_mutex_unlock(&namespaces->lock);
}

bool namespaces_find(struct namespaces *namespaces, uint32_t mntns, struct namespace_info *info)
{
	struct entry *entry;

	pthread_mutex_lock(&namespaces->lock);
	entry = find(namespaces, mntns);
	if (entry)
		*info = entry->info;
	pthread_mutex_unlock(&namespaces->lock);
	return entry != NULL;
}

size_t namespaces_wanted(struct namespaces *namespaces)
{
	size_t n;

	pthread_mutex_lock(&namespaces->lock);
	n = namespaces->n_wanted;
	pthread_mutex_unlock(&namespaces->lock);
	return n;
}

void namespaces_free(struct namespaces *namespaces)
{
	if (!namespaces)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry *entry = namespaces->buckets[i], *next;

		for (; entry; entry = next) {
			next = entry->next;
			free(entry);
		}
	}
	pthread_mutex_destroy(&namespaces->lock);
	free(namespaces);
}
