/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Events on their way to the conversation stage: the kernel's, and those that user space makes. */
#include "run.h"

#include <string.h>
#include <time.h>

#define TICK_NS (250ull * 1000 * 1000)

uint64_t run_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Every event goes this way, the kernel's and ours: a recording holds all of them. */
static void take_event(struct run *run, const struct tlspcap_event *event)
{
	if (run->recorder && !run->record_error)
		run->record_error = record_write(run->recorder, event);
	conversations_feed(run->conversations, event);
}

static void fill_event(struct tlspcap_event *event, size_t size, uint16_t type)
{
	memset(event, 0, size);
	event->size = (uint32_t)size;
	event->type = type;
	event->time_ns = run_clock_ns(CLOCK_MONOTONIC);
}

void run_tick(struct run *run)
{
	struct tlspcap_clock clock;

	fill_event(&clock.event, sizeof(clock), TLSPCAP_EVENT_CLOCK);
	clock.realtime_ns = run_clock_ns(CLOCK_REALTIME);
	run->next_tick_ns = clock.event.time_ns + TICK_NS;
	take_event(run, &clock.event);
}

void run_take_losses(struct run *run)
{
	struct tlspcap_loss_counters loss;

	fill_event(&loss.event, sizeof(loss), TLSPCAP_EVENT_LOSS);
	if (!capture_loss(run->capture, loss.count))
		take_event(run, &loss.event);
}

static void tell_end(struct run *run, uint32_t mntns)
{
	struct tlspcap_event event;

	fill_event(&event, sizeof(event), TLSPCAP_EVENT_NAMESPACE_END);
	event.mntns = mntns;
	take_event(run, &event);
}

/* Whether the name is to be told: the number is new, or it is another namespace's now. */
static bool name_is_due(struct run *run, uint32_t mntns, uint64_t id)
{
	size_t i = 0;

	while (i < run->n_namespaces && run->namespaces[i] != mntns)
		i++;
	if (i == RUN_NAMESPACES_MAX)
		return false; /* later ones go without a name */
	if (i < run->n_namespaces) {
		if (run->namespace_ids[i] == id || !id)
			return false;
		tell_end(run, mntns);
	}
	run->namespaces[i] = mntns;
	run->namespace_ids[i] = id;
	run->n_namespaces += i == run->n_namespaces;
	return true;
}

/* The first time that a namespace is seen, its name is told to the stages behind. */
static void name_namespace(struct run *run, uint32_t mntns)
{
	struct tlspcap_namespace event;
	struct namespace_info info = {0};
	bool known = namespaces_find(run->met, mntns, &info);

	if (!name_is_due(run, mntns, info.id))
		return;
	fill_event(&event.event, sizeof(event), TLSPCAP_EVENT_NAMESPACE);
	event.event.mntns = mntns;
	if (known) {
		memcpy(event.name, info.name, sizeof(event.name));
		memcpy(event.description, info.description, sizeof(event.description));
		target_container_pairs(&info.container, event.container, sizeof(event.container));
	} else {
		target_describe_mntns(mntns, event.name, sizeof(event.name), event.description,
				      sizeof(event.description));
	}
	take_event(run, &event.event);
}

#define NAMESPACES_NS (5000000000ull)

void run_check_namespaces(struct run *run)
{
	uint64_t now = run_clock_ns(CLOCK_MONOTONIC);
	size_t n = 0;

	if (!writer_is_split(run->writer) || now < run->next_namespaces_ns)
		return;
	run->next_namespaces_ns = now + NAMESPACES_NS;
	if (target_living_mntns(run->namespaces, run->n_namespaces, run->is_living))
		return;
	for (size_t i = 0; i < run->n_namespaces; i++) {
		if (run->is_living[i]) {
			run->namespaces[n] = run->namespaces[i];
			run->namespace_ids[n++] = run->namespace_ids[i];
			continue;
		}
		tell_end(run, run->namespaces[i]);
	}
	run->n_namespaces = n;
}

/* What does not fit is told again by the next bytes that pass by. */
static void note_bypassing(struct run *run, pid_t pid)
{
	for (size_t i = 0; i < run->n_bypassing; i++)
		if (run->bypassing[i] == pid)
			return;
	if (run->n_bypassing < RUN_BYPASSING_MAX)
		run->bypassing[run->n_bypassing++] = pid;
}

void run_on_event(void *ctx, const struct tlspcap_event *event)
{
	struct run *run = ctx;

	const struct tlspcap_gap *gap = (const void *)event;

	if (event->type == TLSPCAP_EVENT_OPEN)
		name_namespace(run, event->mntns);
	take_event(run, event);
	if (event->type == TLSPCAP_EVENT_STREAM_GAP && gap->reason == TLSPCAP_LOSS_BYPASS &&
	    event->pid)
		note_bypassing(run, (pid_t)event->pid);
}
