/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The family "wolfssl": libwolfssl, which exports its calls and its key schedule. */
#include <stdio.h>
#include <string.h>
#include <bpf/wolfssl.h>

#include "locate_internal.h"

#define BOTH	(LOCATE_ENTER | LOCATE_LEAVE)
#define PLAIN	LOCATE_FOR_PLAINTEXT
#define SECRETS LOCATE_FOR_SECRETS

enum {
	ROW_READ,
	ROW_WRITE,
	ROW_EXPAND,
	ROW_EXPAND_EX,
	ROW_PRF,
	ROW_CLIENT_RANDOM,
	ROW_VERSION,
};

static const struct locate_row rows[] = {
	[ROW_READ] = {"wolfSSL_read", WOLFSSL_READ, BOTH, PLAIN},
	[ROW_WRITE] = {"wolfSSL_write", WOLFSSL_WRITE, BOTH, PLAIN},
	[ROW_EXPAND] = {"wc_Tls13_HKDF_Expand_Label", WOLFSSL_EXPAND, BOTH, SECRETS},
	[ROW_EXPAND_EX] = {"wc_Tls13_HKDF_Expand_Label_ex", WOLFSSL_EXPAND_EX, BOTH, SECRETS},
	[ROW_PRF] = {"wc_PRF_TLS", WOLFSSL_PRF, LOCATE_ENTER, SECRETS},
	[ROW_CLIENT_RANDOM] = {"wolfSSL_get_client_random", 0, 0, 0},
	[ROW_VERSION] = {"wolfSSL_lib_version_hex", 0, 0, 0},
	{"wolfSSL_recv", WOLFSSL_RECV, BOTH, PLAIN},
	{"wolfSSL_read_ex", WOLFSSL_READ_EX, BOTH, PLAIN},
	{"wolfSSL_read_early_data", WOLFSSL_READ_EARLY, BOTH, PLAIN | SECRETS},
	{"wolfSSL_send", WOLFSSL_SEND, BOTH, PLAIN},
	{"wolfSSL_write_ex", WOLFSSL_WRITE_EX, BOTH, PLAIN},
	{"wolfSSL_write_early_data", WOLFSSL_WRITE_EARLY, BOTH, PLAIN | SECRETS},
	{"wolfSSL_peek", WOLFSSL_PEEK, BOTH, PLAIN},
	/* A secret belongs to the object whose handshake it is made in. */
	{"wolfSSL_connect", WOLFSSL_HANDSHAKE, BOTH, PLAIN | SECRETS},
	{"wolfSSL_accept", WOLFSSL_HANDSHAKE, BOTH, PLAIN | SECRETS},
	{"wolfSSL_connect_TLSv13", WOLFSSL_HANDSHAKE_13, BOTH, PLAIN | SECRETS},
	{"wolfSSL_accept_TLSv13", WOLFSSL_HANDSHAKE_13, BOTH, PLAIN | SECRETS},
	{"wolfSSL_shutdown", WOLFSSL_SHUTDOWN, BOTH, PLAIN},
	{"wolfSSL_ALPN_GetProtocol", WOLFSSL_ALPN, BOTH, PLAIN},
	{"wolfSSL_UseSNI", WOLFSSL_SET_NAME, LOCATE_ENTER, PLAIN},
	{"wolfSSL_free", WOLFSSL_FREE, LOCATE_ENTER, PLAIN | SECRETS},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(N_ROWS < LOCATE_PROBES_MAX, "every row must find room for its probe");

/* The version, 0x05005004, and the client random; neither is a must. */
static int read_code(const struct elf_file *elf, const struct elf_function *functions,
		     struct locate_result *result)
{
	const struct elf_function *random = &functions[ROW_CLIENT_RANDOM];
	struct code *code;
	uint64_t number;
	int err;

	if (!code_is_known(elf))
		return 0;
	err = code_open(elf, &code);
	if (err)
		return err;
	if (functions[ROW_VERSION].found &&
	    accessor_constant(code, &functions[ROW_VERSION], &number))
		snprintf(result->version, sizeof(result->version), "%u.%u.%u",
			 (uint8_t)(number >> 24), (unsigned)(number >> 12) & 0xfff,
			 (unsigned)number & 0xfff);
	if (!random->found || !accessor_client_random(code, random, &result->layout.client_random))
		memset(&result->layout.client_random, 0, sizeof(result->layout.client_random));
	code_close(code);
	return 0;
}

static void tell(const struct elf_function *functions, struct locate_result *result)
{
	bool prf = functions[ROW_PRF].found;
	bool expand = functions[ROW_EXPAND].found || functions[ROW_EXPAND_EX].found;
	char path[32] = "";

	result->plaintext = true;
	result->secrets = prf || expand;
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "%s",
		 functions[ROW_READ].exported ? "dynamic symbols" : "symbol table");
	if (!result->secrets) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "the functions of the key schedule have no symbol");
		return;
	}
	if (result->layout.client_random.steps)
		locate_print_path(path, sizeof(path), &result->layout.client_random);
	snprintf(result->secrets_how, sizeof(result->secrets_how), "TLS 1.2: %s; TLS 1.3: %s%s%s",
		 prf ? "wc_PRF_TLS" : "none", expand ? "wc_Tls13_HKDF_Expand_Label" : "none",
		 path[0] ? ", client random at " : "", path);
}

int wolfssl_locate(const struct elf_file *elf, struct locate_result *result)
{
	struct elf_function functions[N_ROWS] = {0};
	int err;

	locate_find_rows(elf, rows, functions, N_ROWS);
	if (!functions[ROW_READ].found || !functions[ROW_WRITE].found)
		return 0;
	result->family = "wolfssl";
	err = read_code(elf, functions, result);
	if (err)
		return err;
	tell(functions, result);
	locate_add_rows(elf, rows, functions, N_ROWS, result);
	return 1;
}
