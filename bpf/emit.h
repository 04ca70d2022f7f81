/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Events into the ring buffer.
 *
 * A wake-up costs several microseconds of the target's time, so that most events send none.
 * User space says how it waits: asleep until anything comes (CONSUMER_ASLEEP), or looking at
 * the ring every few milliseconds (CONSUMER_POLLING), when only a ring that fills up wakes it.
 */
#ifndef TLSPCAP_BPF_EMIT_H
#define TLSPCAP_BPF_EMIT_H

#include "filter.h"

#define CONSUMER_BUSY	 0
#define CONSUMER_POLLING 1
#define CONSUMER_ASLEEP	 2

static __always_inline __u64 emit_flags(void)
{
	__u32 state = consumer_state;

	if (state == CONSUMER_BUSY)
		return BPF_RB_NO_WAKEUP;
	if (state == CONSUMER_POLLING && bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	consumer_state = CONSUMER_BUSY;
	return BPF_RB_FORCE_WAKEUP;
}

/* Unique while the machine is up: no two on one CPU come in the same nanosecond. */
static __always_inline __u64 new_id(void)
{
	return (bpf_ktime_get_ns() << 8) | (bpf_get_smp_processor_id() & 0xff);
}

static __always_inline void fill_event_at(struct tlspcap_event *event, __u32 size, __u16 type,
					  __u32 mntns, __u64 time_ns)
{
	__u64 thread = bpf_get_current_pid_tgid();

	event->size = size;
	event->type = type;
	event->reserved = 0;
	event->time_ns = time_ns;
	event->tls_id = 0;
	event->sock_id = 0;
	event->pid = thread >> 32;
	event->tid = (__u32)thread;
	event->mntns = mntns;
	event->reserved2 = 0;
	event->ends = 0;
}

static __always_inline void fill_event(struct tlspcap_event *event, __u32 size, __u16 type,
				       __u32 mntns)
{
	fill_event_at(event, size, type, mntns, bpf_ktime_get_ns());
}

static __always_inline void *reserve_event(__u32 size)
{
	void *event = bpf_ringbuf_reserve(&events, size, 0);

	if (!event)
		count_loss(TLSPCAP_LOSS_RING_FULL);
	return event;
}

/* An event without more than the header. Returns whether it went out. */
static __always_inline bool emit_bare(__u16 type, __u64 tls_id, __u64 sock_id, __u32 mntns)
{
	struct tlspcap_event *event = reserve_event(sizeof(*event));

	if (!event)
		return false;
	fill_event(event, sizeof(*event), type, mntns);
	event->tls_id = tls_id;
	event->sock_id = sock_id;
	bpf_ringbuf_submit(event, emit_flags());
	return true;
}

static __always_inline void emit_gap(__u16 type, __u64 tls_id, __u64 sock_id, __u32 mntns,
				     __u32 direction, __u64 offset, __u64 length, __u32 reason)
{
	struct tlspcap_gap *gap;

	count_loss(reason);
	gap = reserve_event(sizeof(*gap));
	if (!gap)
		return;
	fill_event(&gap->event, sizeof(*gap), type, mntns);
	gap->event.tls_id = tls_id;
	gap->event.sock_id = sock_id;
	gap->offset = offset;
	gap->length = length;
	gap->direction = direction;
	gap->reason = reason;
	__builtin_memset(gap->reserved, 0, sizeof(gap->reserved));
	bpf_ringbuf_submit(gap, emit_flags());
}

/* What every chunk of one call has in common. */
struct chunk {
	__u64 tls_id;
	__u64 sock_id;
	__u64 time_ns;
	__u64 offset; /* of the first byte, of those before the source's if there are any */
	__u64 head;   /* the bytes before them */
	const void *source;
	__u32 length;	   /* of the source's */
	__u32 head_length; /* at most 7 */
	__u32 mntns;
	__u16 type;
	__u8 direction;
	__u8 flags;
};

/* The most bytes that a chunk may have before those of the source. */
#define CHUNK_HEAD 8

/*
 * What a record leaves free costs: the next one begins on memory further away, which is in no
 * cache. So there are several classes for the sizes that requests and answers have.
 */
#define DATA_CLASS(room)  ((sizeof(struct tlspcap_data) + CHUNK_HEAD + (room) + 7) & ~7ul)
#define DATA_CLASS_FULL	  DATA_CLASS(TLSPCAP_CHUNK)
#define DATA_CLASS_STREAM DATA_CLASS(TLSPCAP_STREAM_CHUNK)
#define DATA_ROOM(class)  ((class) - sizeof(struct tlspcap_data) - CHUNK_HEAD)

static __always_inline struct tlspcap_data *reserve_class(const __u32 class, __u32 *room)
{
	*room = DATA_ROOM(class);
	return reserve_event(class);
}

/* A record of the smallest class that has room. NULL: counted as lost. */
static __always_inline struct tlspcap_data *reserve_data(__u32 length, const __u32 full,
							 __u32 *room)
{
	if (length <= DATA_ROOM(512)) {
		if (length <= DATA_ROOM(128))
			return reserve_class(128, room);
		if (length <= DATA_ROOM(256))
			return reserve_class(256, room);
		if (length <= DATA_ROOM(384))
			return reserve_class(384, room);
		return reserve_class(512, room);
	}
	if (length <= DATA_ROOM(1024))
		return reserve_class(1024, room);
	if (length <= DATA_ROOM(2048))
		return reserve_class(2048, room);
	if (length <= DATA_ROOM(4096))
		return reserve_class(4096, room);
	return reserve_class(full, room);
}

/*
 * One chunk of bytes in a record. The ring reserves constant sizes only, and reading the
 * target's memory straight into the record saves a copy and the scratch memory that a preempted
 * program would share with another. Returns false when the target's memory could not be read.
 */
static __always_inline bool emit_chunk(const struct chunk *chunk, const __u32 full)
{
	__u32 length = chunk->length, head = chunk->head_length & (CHUNK_HEAD - 1), room;
	struct tlspcap_data *data = reserve_data(length, full, &room);

	if (!data)
		return true; /* counted; the next event's offset tells how much */
	/* Never larger; but the compiler knows that and older verifiers do not. */
	barrier_var(length);
	if (length > room)
		length = room;
	if (head)
		*(__u64 *)data->bytes = chunk->head; /* what is too much of it is overwritten */
	if (bpf_probe_read_user(data->bytes + head, length, chunk->source)) {
		bpf_ringbuf_discard(data, BPF_RB_NO_WAKEUP);
		return false;
	}
	length += head;
	fill_event_at(&data->event, sizeof(*data) + length, chunk->type, chunk->mntns,
		      chunk->time_ns);
	data->event.tls_id = chunk->tls_id;
	data->event.sock_id = chunk->sock_id;
	data->offset = chunk->offset;
	data->length = length;
	data->direction = chunk->direction;
	data->flags = chunk->flags;
	data->reserved[0] = 0;
	data->reserved[1] = 0;
	bpf_ringbuf_submit(data, emit_flags());
	return true;
}

/*
 * Takes one chunk off the thread's copy. A global function, so that the verifier looks at it
 * once and not once for each turn of the loop. Returns the bytes that are left, at most
 * INT_MAX of them; 0 done.
 */
__noinline int emit_step(__u64 thread)
{
	struct scope *scope = bpf_map_lookup_elem(&scopes, &thread);
	struct scope_copy *copy;
	struct chunk chunk;

	if (!scope)
		return 0;
	copy = &scope->copy;
	if (!copy->left)
		return 0;
	chunk.tls_id = copy->tls_id;
	chunk.sock_id = copy->sock_id;
	chunk.time_ns = copy->time_ns;
	chunk.offset = copy->offset;
	chunk.head = 0;
	chunk.head_length = 0;
	chunk.source = (const void *)copy->source;
	chunk.length = copy->left > TLSPCAP_CHUNK ? TLSPCAP_CHUNK : copy->left;
	chunk.mntns = scope->mntns;
	chunk.type = TLSPCAP_EVENT_DATA;
	chunk.direction = copy->direction;
	chunk.flags = copy->flags;
	if (!emit_chunk(&chunk, DATA_CLASS_FULL))
		emit_gap(TLSPCAP_EVENT_GAP, chunk.tls_id, chunk.sock_id, chunk.mntns,
			 chunk.direction, chunk.offset, chunk.length, TLSPCAP_LOSS_FAULT);
	copy->source += chunk.length;
	copy->offset += chunk.length;
	copy->left -= chunk.length;
	return copy->left > 0;
}

/*
 * 64 MiB in one call; what is beyond becomes a gap event. The verifier walks through every turn
 * of a loop: 64 times 64 of them, the inner ones in a global function, cost it 128 turns.
 */
#define EMIT_STEPS 64

__noinline int emit_steps(__u64 thread)
{
	int i;

	for (i = 0; i < EMIT_STEPS; i++) {
		if (!emit_step(thread))
			return 0;
	}
	return 1;
}

static __always_inline void emit_buffer(struct scope *scope, __u64 thread)
{
	struct scope_copy *copy = &scope->copy;
	int i;

	for (i = 0; i < EMIT_STEPS; i++) {
		if (!emit_steps(thread))
			return;
	}
	if (copy->left)
		emit_gap(TLSPCAP_EVENT_GAP, copy->tls_id, copy->sock_id, scope->mntns,
			 copy->direction, copy->offset, copy->left, TLSPCAP_LOSS_CALL_SIZE);
}

#endif
