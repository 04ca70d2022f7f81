/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Where GnuTLS keeps what is read of a session (gnutls_fields.c). */
#ifndef TLSPCAP_LOCATE_GNUTLS_INTERNAL_H
#define TLSPCAP_LOCATE_GNUTLS_INTERNAL_H

#include "locate_internal.h"

/* Where the session keeps what f(session, gnutls_datum_t *, …) points its datum at. */
bool gnutls_find_datum(struct code *code, const struct elf_function *function,
		       struct tlspcap_path *path);

/*
 * Where the session keeps which end it is, 1 a server and 2 a client: what f(session)
 * compares with one of these. False: nothing is, or several things are.
 */
bool gnutls_find_entity(struct code *code, const struct elf_function *function,
			struct tlspcap_path *path);

/*
 * The two words of a packet whose sum f(packet, gnutls_datum_t *, …) points its datum at:
 * two steps in *path.
 */
bool gnutls_find_packet(struct code *code, const struct elf_function *function,
			struct tlspcap_path *path);

#endif
