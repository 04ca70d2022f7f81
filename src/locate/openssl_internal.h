/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The parts of the family "openssl". */
#ifndef TLSPCAP_LOCATE_OPENSSL_INTERNAL_H
#define TLSPCAP_LOCATE_OPENSSL_INTERNAL_H

#include "locate_internal.h"

/* --- openssl_version.c, openssl_secrets.c --------------------------------------------- */

/* "3.0.14", "LibreSSL 3.8.2", "BoringSSL", "3.5+"; empty: the file does not tell. */
void openssl_find_version(const struct elf_file *elf, char *to, size_t size);

/*
 * Finds the function that logs secrets and the client random's place: `log_secret` and the
 * layout of `result` get them, its secrets_how how, or why not.
 */
bool openssl_find_secrets(const struct elf_file *elf, struct code *code,
			  const struct elf_function *accessor, struct elf_function *log_secret,
			  struct locate_result *result);

/* Whether nothing in the code that was found speaks of a client random. */
bool openssl_is_guess(const struct locate_result *result);

/* --- openssl_moves.c ------------------------------------------------------------------ */

/*
 * The one function that `plain` and `extended` call with the object as first argument and
 * `opposite` does not. False: there is none, or more than one.
 */
bool openssl_find_mover(struct code *code, const struct elf_function *plain,
			const struct elf_function *extended, const struct elf_function *opposite,
			uint64_t *address);

#endif
