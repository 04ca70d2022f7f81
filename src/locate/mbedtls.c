/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The family "mbedtls": libmbedtls with the calls, and libmbedcrypto with the HMAC that makes
 * TLS 1.2's keys. Either, or both in one file.
 */
#include <stdio.h>
#include <string.h>
#include <bpf/mbedtls.h>

#include "locate_internal.h"

#define BOTH	(LOCATE_ENTER | LOCATE_LEAVE)
#define PLAIN	LOCATE_FOR_PLAINTEXT
#define SECRETS LOCATE_FOR_SECRETS

enum {
	ROW_READ,
	ROW_WRITE,
	ROW_DERIVE,
	ROW_HMAC_STARTS,
	ROW_HMAC_UPDATE,
	ROW_VERSION,
};

static const struct locate_row rows[] = {
	[ROW_READ] = {"mbedtls_ssl_read", MBEDTLS_READ, BOTH, PLAIN},
	[ROW_WRITE] = {"mbedtls_ssl_write", MBEDTLS_WRITE, BOTH, PLAIN},
	[ROW_DERIVE] = {"mbedtls_ssl_tls13_derive_secret", MBEDTLS_DERIVE, BOTH, SECRETS},
	[ROW_HMAC_STARTS] = {"mbedtls_md_hmac_starts", MBEDTLS_HMAC_STARTS, LOCATE_ENTER, SECRETS},
	[ROW_HMAC_UPDATE] = {"mbedtls_md_hmac_update", MBEDTLS_HMAC_UPDATE, LOCATE_ENTER, SECRETS},
	[ROW_VERSION] = {"mbedtls_version_get_number", 0, 0, 0},
	{"mbedtls_ssl_read_early_data", MBEDTLS_READ_EARLY, BOTH, PLAIN},
	{"mbedtls_ssl_write_early_data", MBEDTLS_WRITE_EARLY, BOTH, PLAIN},
	/* A secret belongs to the object whose handshake it is made in. */
	{"mbedtls_ssl_handshake", MBEDTLS_HANDSHAKE, BOTH, PLAIN | SECRETS},
	{"mbedtls_ssl_renegotiate", MBEDTLS_HANDSHAKE, BOTH, PLAIN | SECRETS},
	{"mbedtls_ssl_handshake_step", MBEDTLS_STEP, BOTH, PLAIN | SECRETS},
	{"mbedtls_ssl_close_notify", MBEDTLS_CLOSE, BOTH, PLAIN},
	{"mbedtls_ssl_get_alpn_protocol", MBEDTLS_ALPN, BOTH, PLAIN},
	{"mbedtls_ssl_set_hostname", MBEDTLS_SET_NAME, LOCATE_ENTER, PLAIN},
	{"mbedtls_ssl_free", MBEDTLS_FREE, LOCATE_ENTER, PLAIN | SECRETS},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(N_ROWS < LOCATE_PROBES_MAX, "every row must find room for its probe");

/* 0x03060700, from the function that returns it; libmbedtls alone has its soname only. */
static int find_version(const struct elf_file *elf, const struct elf_function *function, char *to,
			size_t size)
{
	static const char library[] = "libmbedtls.";
	struct code *code;
	uint64_t number;
	int err;

	if (function->found && code_is_known(elf)) {
		err = code_open(elf, &code);
		if (err)
			return err;
		if (accessor_constant(code, function, &number))
			snprintf(to, size, "%u.%u.%u", (uint8_t)(number >> 24),
				 (uint8_t)(number >> 16), (uint8_t)(number >> 8));
		code_close(code);
	}
	if (!to[0] && elf->soname && !strncmp(elf->soname, library, sizeof(library) - 1))
		snprintf(to, size, "%.16s", elf->soname + sizeof(library) - 1);
	return 0;
}

static void tell(const struct elf_function *functions, bool calls, bool hmac,
		 struct locate_result *result)
{
	result->plaintext = calls;
	result->secrets = calls || hmac;
	result->half = calls != hmac;
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "%s",
		 !calls				? "the calls are in libmbedtls"
		 : functions[ROW_READ].exported ? "dynamic symbols"
						: "symbol table");
	snprintf(result->secrets_how, sizeof(result->secrets_how), "TLS 1.2: HMAC %s%s",
		 hmac ? "of the master secret" : "in libmbedcrypto",
		 !calls			       ? ""
		 : functions[ROW_DERIVE].found ? "; TLS 1.3: mbedtls_ssl_tls13_derive_secret"
					       : "; none of TLS 1.3");
}

int mbedtls_locate(const struct elf_file *elf, struct locate_result *result)
{
	struct elf_function functions[N_ROWS] = {0};
	bool calls, hmac;
	int err;

	locate_find_rows(elf, rows, functions, N_ROWS);
	calls = functions[ROW_READ].found && functions[ROW_WRITE].found;
	hmac = functions[ROW_HMAC_STARTS].found && functions[ROW_HMAC_UPDATE].found;
	if (!calls && !hmac)
		return 0;
	result->family = "mbedtls";
	err = find_version(elf, &functions[ROW_VERSION], result->version, sizeof(result->version));
	if (err)
		return err;
	tell(functions, calls, hmac, result);
	locate_add_rows(elf, rows, functions, N_ROWS, result);
	return 1;
}
