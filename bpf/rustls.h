/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The places in rustls that are probed: the numbers that src/locate/rustls.c puts into a probe's
 * cookie and bpf/rustls.bpf.h takes out of it.
 */
#ifndef TLSPCAP_BPF_RUSTLS_H
#define TLSPCAP_BPF_RUSTLS_H

enum rustls_function {
	/* KeySchedule::derive_logged_secret(…) -> OkmBlock, by the address in its first argument */
	RUSTLS_DERIVE = 1,
	RUSTLS_WILL_LOG = 2, /* in it, at the call of KeyLog::will_log(&self, label: &str) */
	RUSTLS_DERIVED = 3,  /* in it, at the instruction that returns */
	/* at a call of KeyLog::log(&self, "CLIENT_RANDOM", client_random: &[u8], secret: &[u8]) */
	RUSTLS_MASTER = 4,
};

#endif
