/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions of wolfSSL that are probed: the numbers that src/locate/wolfssl.c puts into a
 * probe's cookie and bpf/wolfssl.bpf.h takes out of it.
 */
#ifndef TLSPCAP_BPF_WOLFSSL_H
#define TLSPCAP_BPF_WOLFSSL_H

/* Functions that call each other in their last place have different numbers. */
enum wolfssl_function {
	WOLFSSL_READ = 1,	/* int wolfSSL_read(ssl, void *, int) */
	WOLFSSL_RECV = 2,	/* int wolfSSL_recv(ssl, void *, int, flags) */
	WOLFSSL_READ_EX = 3,	/* int wolfSSL_read_ex(ssl, void *, size_t, size_t *) */
	WOLFSSL_READ_EARLY = 4, /* int wolfSSL_read_early_data(ssl, void *, int, int *) */
	WOLFSSL_LAST_READ = WOLFSSL_READ_EARLY,
	WOLFSSL_WRITE = 5,	 /* int wolfSSL_write(ssl, const void *, int) */
	WOLFSSL_SEND = 6,	 /* int wolfSSL_send(ssl, const void *, int, flags) */
	WOLFSSL_WRITE_EX = 7,	 /* int wolfSSL_write_ex(ssl, const void *, size_t, size_t *) */
	WOLFSSL_WRITE_EARLY = 8, /* int wolfSSL_write_early_data(ssl, const void *, int, int *) */
	WOLFSSL_LAST_MOVER = WOLFSSL_WRITE_EARLY,
	WOLFSSL_PEEK = 9,	/* wolfSSL_peek(ssl, void *, int): no data, but uses the socket */
	WOLFSSL_HANDSHAKE = 10, /* wolfSSL_connect, _accept, _negotiate, _SSL_do_handshake */
	WOLFSSL_HANDSHAKE_13 = 11, /* wolfSSL_connect_TLSv13, wolfSSL_accept_TLSv13 */
	WOLFSSL_SHUTDOWN = 12,
	WOLFSSL_ALPN = 13,	/* int wolfSSL_ALPN_GetProtocol(ssl, char **, word16 *) */
	WOLFSSL_SET_NAME = 14,	/* wolfSSL_UseSNI(ssl, type, name, size), entry only */
	WOLFSSL_FREE = 15,	/* entry only */
	WOLFSSL_EXPAND = 16,	/* wc_Tls13_HKDF_Expand_Label(okm, length, prk, length, "tls13 ",
				 * 6, label, length, …) */
	WOLFSSL_EXPAND_EX = 17, /* … and …_ex, of the same first arguments */
	WOLFSSL_PRF = 18,	/* wc_PRF_TLS(digest, length, secret, length, label, length, seed,
				 * length, …), entry only */
};

#endif
