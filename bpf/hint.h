/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Secrets that do not say whose they are (docs/design.md). A family reads label and secret, as
 * with secret_read_label() and secret_read_bytes() or out of a map of its own, and names the
 * places where the client random may be; none is well, too.
 */
#ifndef TLSPCAP_BPF_HINT_H
#define TLSPCAP_BPF_HINT_H

#include "object.h"

struct hint {
	char label[TLSPCAP_LABEL_LEN]; /* the key log's or TLS 1.3's own, "c hs traffic" */
	__u8 secret[TLSPCAP_SECRET_LEN];
	__u32 length; /* of the secret, bytes */
	__u32 mntns;
	const struct object *object;	 /* NULL: no TLS object is known */
	__u64 place[TLSPCAP_CANDIDATES]; /* addresses of 32 bytes; 0: none */
};

static __always_inline void emit_hint(const struct hint *hint)
{
	struct tlspcap_secret_hint *event;
	__u32 n = 0;
	int i;

	if (!hint->length || hint->length > TLSPCAP_SECRET_LEN)
		return;
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
	__builtin_memcpy(event->secret, hint->secret, sizeof(event->secret));
	event->secret_length = hint->length;
	for (i = 0; i < TLSPCAP_CANDIDATES; i++) {
		if (!hint->place[i] || n >= TLSPCAP_CANDIDATES)
			continue;
		if (!bpf_probe_read_user(event->candidate[n], TLSPCAP_RANDOM_LEN,
					 (const void *)hint->place[i]))
			n++;
	}
	event->candidates = n;
	bpf_ringbuf_submit(event, emit_flags());
}

#endif
