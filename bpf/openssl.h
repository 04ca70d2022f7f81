/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions of OpenSSL's libssl that are probed: the numbers that src/locate/openssl.c
 * puts into a probe's cookie and bpf/openssl.bpf.h takes out of it.
 */
#ifndef TLSPCAP_BPF_OPENSSL_H
#define TLSPCAP_BPF_OPENSSL_H

enum openssl_function {
	OPENSSL_READ = 1,	 /* int SSL_read(SSL *, void *, int) */
	OPENSSL_WRITE = 2,	 /* int SSL_write(SSL *, const void *, int) */
	OPENSSL_READ_EX = 3,	 /* int SSL_read_ex(SSL *, void *, size_t, size_t *) */
	OPENSSL_WRITE_EX = 4,	 /* int SSL_write_ex(SSL *, const void *, size_t, size_t *) */
	OPENSSL_WRITE_EX2 = 5,	 /* 3.3: (SSL *, const void *, size_t, uint64_t, size_t *) */
	OPENSSL_READ_EARLY = 6,	 /* SSL_read_early_data(SSL *, void *, size_t, size_t *) */
	OPENSSL_WRITE_EARLY = 7, /* SSL_write_early_data(SSL *, const void *, size_t, size_t *) */
	OPENSSL_LAST_MOVER = OPENSSL_WRITE_EARLY,
	OPENSSL_PEEK = 8,	    /* SSL_peek, SSL_peek_ex: no data, but uses the socket */
	OPENSSL_HANDSHAKE = 9,	    /* SSL_do_handshake, SSL_connect, SSL_accept */
	OPENSSL_SHUTDOWN = 10,	    /* SSL_shutdown */
	OPENSSL_SENDFILE = 11,	    /* ossl_ssize_t SSL_sendfile(SSL *, int, off_t, size_t, int) */
	OPENSSL_FREE = 12,	    /* SSL_free(SSL *), entry only */
	OPENSSL_CTRL = 13,	    /* SSL_ctrl(SSL *, int cmd, long, void *): SNI, entry only */
	OPENSSL_ALPN_SELECTED = 14, /* void SSL_get0_alpn_selected(SSL *, uchar **, unsigned *) */
	OPENSSL_SERVER_NAME = 15,   /* const char *SSL_get_servername(const SSL *, int) */
	OPENSSL_LOG_SECRET = 16,    /* ssl_log_secret(SSL *, label, secret, length), entry only */
};

/* struct tlspcap_layout.flags: a client random that is read is only likely to be one. */
#define OPENSSL_RANDOM_UNPROVED 1

#endif
