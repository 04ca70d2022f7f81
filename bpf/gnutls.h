/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions of GnuTLS that are probed: the numbers that src/locate/gnutls.c puts into a
 * probe's cookie and bpf/gnutls.bpf.h takes out of it.
 */
#ifndef TLSPCAP_BPF_GNUTLS_H
#define TLSPCAP_BPF_GNUTLS_H

/* Functions that tail-call each other have different numbers: see scope_relation(). */
enum gnutls_function {
	GNUTLS_RECV = 1,	/* ssize_t gnutls_record_recv(session, void *, size_t) */
	GNUTLS_RECV_EARLY = 2,	/* ssize_t gnutls_record_recv_early_data(session, void *, size_t) */
	GNUTLS_RECV_PACKET = 3, /* ssize_t gnutls_record_recv_packet(session, gnutls_packet_t *) */
	GNUTLS_SEND = 4,	/* ssize_t gnutls_record_send(session, const void *, size_t) */
	GNUTLS_SEND2 = 5,	/* gnutls_record_send2(session, data, size, pad, flags) */
	GNUTLS_SEND_RANGE = 6,	/* gnutls_record_send_range(session, data, size, range) */
	GNUTLS_SEND_EARLY = 7,	/* gnutls_record_send_early_data(session, data, size): 0 or error */
	GNUTLS_LAST_MOVER = GNUTLS_SEND_EARLY,
	GNUTLS_SEND_FILE = 8,  /* gnutls_record_send_file(session, int, off_t *, size_t) */
	GNUTLS_UNCORK = 9,     /* gnutls_record_uncork(session, unsigned): what was sent before */
	GNUTLS_BYE = 10,       /* gnutls_bye(session, how) */
	GNUTLS_HANDSHAKE = 11, /* int gnutls_handshake(session) */
	GNUTLS_ALPN = 12,      /* gnutls_alpn_get_selected_protocol(session, gnutls_datum_t *) */
	GNUTLS_GET_NAME = 13,  /* gnutls_server_name_get(session, void *, size_t *, …) */
	GNUTLS_SET_NAME = 14,  /* gnutls_server_name_set(session, type, name, size), entry only */
	GNUTLS_DEINIT = 15,    /* gnutls_deinit(session), entry only */
	GNUTLS_LOG_SECRET =
		16, /* the function that logs secrets: (session, label, data, unsigned) */
};

/* What tlspcap_layout.path holds. */
enum gnutls_path {
	GNUTLS_PATH_VERSION = 0, /* int, what gnutls_protocol_get_version() returns */
	GNUTLS_PATH_MASTER = 1,	 /* 48 bytes, the master secret up to TLS 1.2 */
	/* Two offsets in a gnutls_packet_t: the sum of the words there is the data's address. */
	GNUTLS_PATH_PACKET = 2,
};

#endif
