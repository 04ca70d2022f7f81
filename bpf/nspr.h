/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions of NSS that are probed: the numbers that src/locate/nspr.c puts into a probe's
 * cookie and bpf/nspr.bpf.h takes out of it. They are in two files, libssl3 and libfreeblpriv3,
 * or all in a program's own.
 */
#ifndef TLSPCAP_BPF_NSPR_H
#define TLSPCAP_BPF_NSPR_H

enum nspr_function {
	NSPR_RECV = 1, /* int ssl_SecureRecv(sslSocket *, unsigned char *, int, int flags) */
	NSPR_SEND = 2, /* int ssl_SecureSend(sslSocket *, const unsigned char *, int, int flags) */
	NSPR_LAST_MOVER = NSPR_SEND,
	NSPR_CLOSE = 3, /* int ssl_SecureClose(sslSocket *), entry only */
	/* tls13_DeriveSecretWrap(sslSocket *, key, prefix, suffix, label, …), entry only */
	NSPR_DERIVE = 4,
	NSPR_HMAC_UPDATE = 5, /* HMAC_Update(context, bytes, length), entry only */
	NSPR_HMAC_FINISH = 6, /* HMAC_Finish(context, result, unsigned *, unsigned) */
	NSPR_P_HASH = 7,      /* TLS_P_hash(hash, secret, label, seed, …), entry only */
};

#endif
