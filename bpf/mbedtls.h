/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions of mbedTLS that are probed: the numbers that src/locate/mbedtls.c puts into a
 * probe's cookie and bpf/mbedtls.bpf.h takes out of it.
 */
#ifndef TLSPCAP_BPF_MBEDTLS_H
#define TLSPCAP_BPF_MBEDTLS_H

enum mbedtls_function {
	MBEDTLS_READ = 1,	/* int mbedtls_ssl_read(ssl, unsigned char *, size_t) */
	MBEDTLS_READ_EARLY = 2, /* int mbedtls_ssl_read_early_data(ssl, unsigned char *, size_t) */
	MBEDTLS_LAST_READ = MBEDTLS_READ_EARLY,
	MBEDTLS_WRITE = 3,	 /* int mbedtls_ssl_write(ssl, const unsigned char *, size_t) */
	MBEDTLS_WRITE_EARLY = 4, /* int mbedtls_ssl_write_early_data(ssl, const …, size_t) */
	MBEDTLS_LAST_MOVER = MBEDTLS_WRITE_EARLY,
	MBEDTLS_HANDSHAKE = 5, /* mbedtls_ssl_handshake, mbedtls_ssl_renegotiate */
	MBEDTLS_STEP = 6,      /* mbedtls_ssl_handshake_step */
	MBEDTLS_CLOSE = 7,     /* mbedtls_ssl_close_notify */
	MBEDTLS_ALPN = 8,      /* const char *mbedtls_ssl_get_alpn_protocol(ssl) */
	MBEDTLS_SET_NAME = 9,  /* mbedtls_ssl_set_hostname(ssl, name), entry only */
	MBEDTLS_FREE = 10,     /* mbedtls_ssl_free(ssl), entry only */
	MBEDTLS_DERIVE = 11,   /* mbedtls_ssl_tls13_derive_secret(hash, secret, length, label,
				* length, context, length, hashed, derived, length) */
	/* In libmbedcrypto, entry only. */
	MBEDTLS_HMAC_STARTS = 12, /* mbedtls_md_hmac_starts(context, key, length) */
	MBEDTLS_HMAC_UPDATE = 13, /* mbedtls_md_hmac_update(context, input, length) */
};

#endif
