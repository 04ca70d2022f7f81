/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The family "openssl": OpenSSL's libssl and what has its interface (LibreSSL, BoringSSL). */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <bpf/openssl.h>

#include "openssl_internal.h"

#define BOTH (LOCATE_ENTER | LOCATE_LEAVE)

struct row {
	const char *name;
	uint8_t function; /* 0: not probed, read only */
	uint8_t when;
};

enum {
	ROW_READ,
	ROW_WRITE,
	ROW_LOG_SECRET,
	ROW_CLIENT_RANDOM,
	ROW_IS_SERVER,
	ROW_READ_EX,
	ROW_WRITE_EX,
	ROW_WRITE_EX2,
};

static const struct row rows[] = {
	[ROW_READ] = {"SSL_read", OPENSSL_READ, BOTH},
	[ROW_WRITE] = {"SSL_write", OPENSSL_WRITE, BOTH},
	[ROW_LOG_SECRET] = {"ssl_log_secret", 0, 0}, /* needs more than a symbol */
	[ROW_CLIENT_RANDOM] = {"SSL_get_client_random", 0, 0},
	[ROW_IS_SERVER] = {"SSL_is_server", 0, 0},
	[ROW_READ_EX] = {"SSL_read_ex", OPENSSL_READ_EX, BOTH},
	[ROW_WRITE_EX] = {"SSL_write_ex", OPENSSL_WRITE_EX, BOTH},
	[ROW_WRITE_EX2] = {"SSL_write_ex2", OPENSSL_WRITE_EX2, BOTH},
	{"SSL_read_early_data", OPENSSL_READ_EARLY, BOTH},
	{"SSL_write_early_data", OPENSSL_WRITE_EARLY, BOTH},
	{"SSL_peek", OPENSSL_PEEK, BOTH},
	{"SSL_peek_ex", OPENSSL_PEEK, BOTH},
	{"SSL_do_handshake", OPENSSL_HANDSHAKE, BOTH},
	{"SSL_connect", OPENSSL_HANDSHAKE, BOTH},
	{"SSL_accept", OPENSSL_HANDSHAKE, BOTH},
	{"SSL_shutdown", OPENSSL_SHUTDOWN, BOTH},
	{"SSL_sendfile", OPENSSL_SENDFILE, BOTH},
	{"SSL_get0_alpn_selected", OPENSSL_ALPN_SELECTED, BOTH},
	{"SSL_get_servername", OPENSSL_SERVER_NAME, BOTH},
	{"SSL_free", OPENSSL_FREE, LOCATE_ENTER},
	{"SSL_ctrl", OPENSSL_CTRL, LOCATE_ENTER},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(N_ROWS < LOCATE_PROBES_MAX, "every row must find room for its probe");

static void add_probe(const struct elf_file *elf, struct locate_result *result, uint64_t address,
		      const char *name, uint8_t function, uint8_t when)
{
	unsigned purpose = LOCATE_FOR_PLAINTEXT;

	if (function == OPENSSL_LOG_SECRET)
		purpose = LOCATE_FOR_SECRETS;
	if (function == OPENSSL_FREE)
		purpose |= LOCATE_FOR_SECRETS;
	locate_add_probe(elf, result, address, name, function, when, purpose);
}

/*
 * Probes the functions behind the covers, if both are found, and then not the covers: half
 * the traps, and no call that moves data without passing them.
 */
static bool add_movers(const struct elf_file *elf, struct code *code,
		       const struct elf_function *functions, struct locate_result *result)
{
	const struct elf_function *read = &functions[ROW_READ], *write = &functions[ROW_WRITE];
	/* SSL_write_ex of OpenSSL 3.3 calls SSL_write_ex2 with flags, which has the call. */
	bool flags = functions[ROW_WRITE_EX2].found;
	const struct elf_function *write_ex = &functions[flags ? ROW_WRITE_EX2 : ROW_WRITE_EX];
	uint64_t reader, writer;

	if (!openssl_find_mover(code, read, &functions[ROW_READ_EX], write, &reader) ||
	    !openssl_find_mover(code, write, write_ex, read, &writer))
		return false;
	add_probe(elf, result, reader, "ssl_read_internal", OPENSSL_READ_EX, BOTH);
	add_probe(elf, result, writer, "ssl_write_internal",
		  flags ? OPENSSL_WRITE_EX2 : OPENSSL_WRITE_EX, BOTH);
	return true;
}

static bool is_cover(size_t row)
{
	return row == ROW_READ || row == ROW_WRITE || row == ROW_READ_EX || row == ROW_WRITE_EX ||
	       row == ROW_WRITE_EX2;
}

static void add_calls(const struct elf_file *elf, const struct elf_function *functions, bool covers,
		      struct locate_result *result)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (functions[i].found && rows[i].function && (covers || !is_cover(i)))
			add_probe(elf, result, functions[i].address, rows[i].name, rows[i].function,
				  rows[i].when);
	}
}

/* What needs the code to be read: secrets, the role, the functions behind the covers. */
static int read_code(const struct elf_file *elf, struct elf_function *functions, bool *movers,
		     struct locate_result *result)
{
	struct elf_function *log_secret = &functions[ROW_LOG_SECRET];
	struct code *code;
	int err;

	*movers = false;
	if (!code_is_known(elf)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "code for this file's machine, %u, is not read", elf->machine);
		return 0;
	}
	err = code_open(elf, &code);
	if (err)
		return err;
	*movers = add_movers(elf, code, functions, result);
	if (openssl_find_secrets(elf, code, &functions[ROW_CLIENT_RANDOM], log_secret, result)) {
		result->secrets = true;
		add_probe(elf, result, log_secret->address, "ssl_log_secret", OPENSSL_LOG_SECRET,
			  LOCATE_ENTER);
	}
	if (functions[ROW_IS_SERVER].found &&
	    !accessor_int(code, &functions[ROW_IS_SERVER], &result->layout.server_flag))
		memset(&result->layout.server_flag, 0, sizeof(result->layout.server_flag));
	code_close(code);
	return 0;
}

/*
 * A program that has the library inside and no symbols of it. Secrets only: what SSL_read is, code
 * without symbols does not tell for sure.
 */
static int locate_stripped(const struct elf_file *elf, struct elf_function *functions,
			   struct locate_result *result)
{
	bool movers;
	int err;

	if (!code_is_known(elf) || !elf->labels)
		return 0;
	err = read_code(elf, functions, &movers, result);

	/* Many a program knows the labels and does no TLS. */
	if (err || !result->secrets)
		return err;
	openssl_find_version(elf, result->version, sizeof(result->version));
	if (openssl_is_guess(result) && !result->version[0])
		return 0;
	result->family = "openssl";
	snprintf(result->plaintext_how, sizeof(result->plaintext_how),
		 "SSL_read and SSL_write have no symbols in this program; its records and secrets "
		 "show the same bytes");
	return 1;
}

int openssl_locate(const struct elf_file *elf, struct locate_result *result)
{
	struct elf_function functions[N_ROWS] = {0};
	bool movers;
	int err;

	for (size_t i = 0; i < N_ROWS; i++)
		functions[i].name = rows[i].name;
	elf_file_find(elf, functions, N_ROWS);
	if (!functions[ROW_READ].found || !functions[ROW_WRITE].found)
		return locate_stripped(elf, functions, result);
	result->family = "openssl";
	result->plaintext = true;
	openssl_find_version(elf, result->version, sizeof(result->version));
	err = read_code(elf, functions, &movers, result);
	if (err)
		return err;
	add_calls(elf, functions, !movers, result);
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "%s%s",
		 functions[ROW_READ].exported && functions[ROW_WRITE].exported ? "dynamic symbols"
		 : elf->full.count					       ? "symbol table"
									       : "MiniDebugInfo",
		 movers ? ", and the functions that they cover" : "");
	return 1;
}
