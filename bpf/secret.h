/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A secret on its way to user space: what every family's function that logs secrets is given.
 */
#ifndef TLSPCAP_BPF_SECRET_H
#define TLSPCAP_BPF_SECRET_H

#include "object.h"

/* All addresses are in the captured process. */
struct secret_call {
	__u64 tls;   /* names the TLS object; 0: there is none */
	__u64 label; /* 0: CLIENT_RANDOM */
	__u64 secret;
	__u64 random_base;  /* where the path to the client random begins */
	__u32 label_length; /* 0: the label ends with a NUL */
	__u32 length;	    /* of the secret, bytes */
	__u32 library;
	__u32 mntns;
	bool at_return; /* in a <family>_leave, which cannot wait for a page to be read in */
};

/*
 * Constants that the process has not touched yet, or that the kernel took back, are not in
 * memory when the function that is given them begins.
 */
static __always_inline bool secret_read_label(char label[TLSPCAP_LABEL_LEN], __u64 from,
					      __u32 length, bool wait)
{
	if (!from) {
		__builtin_memcpy(label, "CLIENT_RANDOM", sizeof("CLIENT_RANDOM"));
		return true;
	}
	barrier_var(length);
	if (!length) {
		if (bpf_probe_read_user_str(label, TLSPCAP_LABEL_LEN, (const void *)from) > 0)
			return true;
		return wait && !bpf_copy_from_user(label, TLSPCAP_LABEL_LEN, (const void *)from);
	}
	if (length >= TLSPCAP_LABEL_LEN)
		return false;
	if (!bpf_probe_read_user(label, length, (const void *)from))
		return true;
	return wait && !bpf_copy_from_user(label, length, (const void *)from);
}

static __always_inline bool secret_read_bytes(__u8 secret[TLSPCAP_SECRET_LEN], __u32 length,
					      __u64 from, bool wait)
{
	if (!bpf_probe_read_user(secret, length, (const void *)from))
		return true;
	return wait && !bpf_copy_from_user(secret, length, (const void *)from);
}

/* Reads what the call was given and sends it; the client random by `path`. */
static __always_inline void secret_emit(const struct secret_call *call,
					const struct tlspcap_path *path)
{
	struct tlspcap_secret *event;
	struct object *object = NULL;
	bool wait = can_wait && !call->at_return;
	__u32 length = call->length;
	__u8 secret[TLSPCAP_SECRET_LEN] = {};
	char label[TLSPCAP_LABEL_LEN] = {};

	/* The compiler must check the very register that it passes on: the verifier follows it. */
	barrier_var(length);
	if (!length || length > TLSPCAP_SECRET_LEN)
		return;
	/* Before a place in the ring is taken: what waits must not hold up others. */
	if (!secret_read_label(label, call->label, call->label_length, wait) ||
	    !secret_read_bytes(secret, length, call->secret, wait)) {
		count_loss(TLSPCAP_LOSS_FAULT);
		return;
	}
	if (call->tls)
		object = object_get(call->tls, call->library, call->mntns);
	event = reserve_event(sizeof(*event));
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	fill_event(&event->event, sizeof(*event), TLSPCAP_EVENT_SECRET, call->mntns);
	if (object) {
		event->event.tls_id = object->id;
		event->event.sock_id = object->sock_id;
	}
	event->secret_length = length;
	if (path_read(path, call->random_base, event->client_random, TLSPCAP_RANDOM_LEN)) {
		count_loss(TLSPCAP_LOSS_NO_RANDOM);
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return;
	}
	__builtin_memcpy(event->label, label, sizeof(label));
	__builtin_memcpy(event->secret, secret, sizeof(secret));
	bpf_ringbuf_submit(event, emit_flags());
}

#endif
