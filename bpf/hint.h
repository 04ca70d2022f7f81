/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Secrets that do not say whose they are (docs/design.md). A family fills struct hint in its
 * map or on its stack, names places where the client random may be, and emits it.
 */
#ifndef TLSPCAP_BPF_HINT_H
#define TLSPCAP_BPF_HINT_H

#include "object.h"

struct hint {
	char label[TLSPCAP_LABEL_LEN]; /* the key log's, or TLS 1.3's own; zeros after it */
	__u64 secret;		       /* address */
	__u32 length;
	__u32 mntns;
	__u64 place[TLSPCAP_CANDIDATES]; /* addresses of 32 bytes; 0: none */
	const struct object *object;	 /* NULL: no TLS object is known */
};

/* What the process has not touched yet, or the kernel took back, is not in memory. */
static __always_inline bool hint_read(void *to, __u32 length, __u64 from)
{
	if (!bpf_probe_read_user(to, length, (const void *)from))
		return true;
	return can_wait && !bpf_copy_from_user(to, length, (const void *)from);
}

static __always_inline void emit_hint(const struct hint *hint)
{
	struct tlspcap_secret_hint *event;
	__u8 secret[TLSPCAP_SECRET_LEN] = {};
	__u32 length = hint->length;
	__u32 n = 0;
	int i;

	barrier_var(length);
	if (!length || length > TLSPCAP_SECRET_LEN)
		return;
	/* Before a place in the ring is taken: what waits must not hold up others. */
	if (!hint_read(secret, length, hint->secret)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return;
	}
	event = reserve_event(sizeof(*event));
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	fill_event(&event->event, sizeof(*event), TLSPCAP_EVENT_SECRET_HINT, hint->mntns);
	if (hint->object) {
		event->event.tls_id = hint->object->id;
		event->event.sock_id = hint->object->sock_id;
	}
	__builtin_memcpy(event->label, hint->label, sizeof(event->label));
	event->label[TLSPCAP_LABEL_LEN - 1] = 0;
	__builtin_memcpy(event->secret, secret, sizeof(secret));
	event->secret_length = length;
	for (i = 0; i < TLSPCAP_CANDIDATES; i++) {
		if (n >= TLSPCAP_CANDIDATES || !hint->place[i])
			continue;
		if (!bpf_probe_read_user(event->candidate[n], TLSPCAP_RANDOM_LEN,
					 (const void *)hint->place[i]))
			n++;
	}
	event->candidates = n;
	bpf_ringbuf_submit(event, emit_flags());
}

#endif
