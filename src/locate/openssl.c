/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The family "openssl": OpenSSL's libssl and what has its interface (LibreSSL, BoringSSL). */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <bpf/openssl.h>

#include "locate_internal.h"

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

/* --- version ------------------------------------------------------------------------- */

/* Copies a version of the form 1.1.1w; false when `text` does not start with one. */
static bool copy_number(const char *text, size_t rest, char *to, size_t size)
{
	size_t length = 0, dots = 0;

	while (length < rest &&
	       ((text[length] >= '0' && text[length] <= '9') || text[length] == '.' ||
		(length && dots == 2 && text[length] >= 'a' && text[length] <= 'z'))) {
		dots += text[length] == '.';
		length++;
	}
	if (dots != 2 || length < 5 || length >= size || text[0] == '.')
		return false;
	memcpy(to, text, length);
	to[length] = '\0';
	return true;
}

/* The product's own words, such as "OpenSSL 1.1.1w  11 Sep 2023". */
static bool version_by_text(const struct elf_file *elf, const char *product, char *to, size_t size)
{
	size_t length = strlen(product);

	for (size_t i = 0; i < elf->n_segments; i++) {
		const char *at = (const char *)elf->bytes + elf->segments[i].offset;
		const char *end = at + elf->segments[i].size;

		while ((at = memmem(at, (size_t)(end - at), product, length))) {
			at += length;
			if (copy_number(at, (size_t)(end - at), to, size))
				return true;
		}
	}
	return false;
}

/* The highest symbol version that the library defines or needs: OPENSSL_3.5.0 or 1_1_1. */
static bool version_by_symbols(const struct elf_file *elf, char *to, size_t size)
{
	static const char prefix[] = "OPENSSL_";
	const char *at = elf->dynamic.names, *end;
	unsigned best = 0;

	if (!at)
		return false;
	end = at + elf->dynamic.names_size;
	while ((at = memmem(at, (size_t)(end - at), prefix, sizeof(prefix) - 1))) {
		unsigned number;

		at += sizeof(prefix) - 1;
		if (end - at < 4 || at[0] < '1' || at[0] > '9' || (at[1] != '.' && at[1] != '_') ||
		    at[2] < '0' || at[2] > '9' || at[3] != at[1])
			continue;
		number = (unsigned)(at[0] - '0') * 10 + (unsigned)(at[2] - '0');
		if (number > best)
			best = number;
	}
	if (!best)
		return false;
	snprintf(to, size, "%u.%u+", best / 10, best % 10);
	return true;
}

static void find_version(const struct elf_file *elf, char *to, size_t size)
{
	static const char library[] = "libssl.so.";
	char number[16];

	if (version_by_text(elf, "BoringSSL ", to, size))
		return;
	if (version_by_text(elf, "LibreSSL ", number, sizeof(number))) {
		snprintf(to, size, "LibreSSL %s", number);
		return;
	}
	if (version_by_text(elf, "OpenSSL ", to, size))
		return;
	if (!elf->soname || strncmp(elf->soname, library, sizeof(library) - 1) != 0)
		return;
	/* BoringSSL's is libssl.so.0, which says nothing. */
	if (!version_by_symbols(elf, to, size) && elf->soname[sizeof(library) - 1] != '0')
		snprintf(to, size, "%.8s", elf->soname + sizeof(library) - 1);
}

/* --- secrets ------------------------------------------------------------------------- */

/* Where the function is that logs secrets; `how` gets the method, *why why it is not found. */
static bool find_log_secret(const struct elf_file *elf, struct code *code,
			    struct elf_function *log_secret, char *how, size_t size,
			    const char **why)
{
	struct keylog_site site;

	if (log_secret->found) {
		snprintf(how, size, "%s ssl_log_secret",
			 log_secret->exported ? "dynamic symbol" : "symbol");
		return true;
	}
	if (keylog_find(elf, code, &site, why) != 0)
		return false;
	log_secret->address = site.address;
	log_secret->size = 0;
	snprintf(how, size, "cross-references of %u key log labels at 0x%llx", (uint8_t)site.labels,
		 (unsigned long long)site.address);
	return true;
}

/*
 * Two functions tell where the client random is: the accessor, and the one that logs. Either
 * will do; if they disagree, neither is believed. Returns the source's name, or NULL.
 */
static const char *find_random(struct code *code, const struct elf_function *accessor,
			       const struct elf_function *log_secret, struct tlspcap_path *path,
			       const char **why)
{
	struct tlspcap_path read, logged;
	bool is_read = accessor->found && accessor_client_random(code, accessor, &read);
	bool is_logged = accessor_keylog_random(code, log_secret, &logged);

	if (is_read && is_logged && memcmp(&read, &logged, sizeof(read)) != 0) {
		*why = "SSL_get_client_random and ssl_log_secret disagree where it is";
		return NULL;
	}
	if (!is_read && !is_logged) {
		*why = accessor->found ? "the code of SSL_get_client_random is not understood"
				       : "there is no SSL_get_client_random";
		return NULL;
	}
	*path = is_read ? read : logged;
	if (is_read && is_logged)
		return "SSL_get_client_random, ssl_log_secret";
	return is_read ? "SSL_get_client_random" : "ssl_log_secret";
}

static void find_secrets(const struct elf_file *elf, struct code *code,
			 struct elf_function *functions, struct locate_result *result)
{
	struct elf_function *log_secret = &functions[ROW_LOG_SECRET];
	const char *source, *why;
	char site[64], path[32];

	if (!find_log_secret(elf, code, log_secret, site, sizeof(site), &why)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "no symbol ssl_log_secret, and %s", why);
		return;
	}
	source = find_random(code, &functions[ROW_CLIENT_RANDOM], log_secret,
			     &result->layout.client_random, &why);
	if (!source) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "%s, client random not found: %s", site, why);
		return;
	}
	locate_print_path(path, sizeof(path), &result->layout.client_random);
	snprintf(result->secrets_how, sizeof(result->secrets_how), "%s, client random at %s (%s)",
		 site, path, source);
	result->secrets = true;
	add_probe(elf, result, log_secret->address, "ssl_log_secret", OPENSSL_LOG_SECRET,
		  LOCATE_ENTER);
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
	struct code *code;
	int err;

	*movers = false;
	if (elf->machine != EM_X86_64) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "only x86-64 code is read; this file's machine is %u", elf->machine);
		return 0;
	}
	err = code_open(elf, &code);
	if (err)
		return err;
	*movers = add_movers(elf, code, functions, result);
	find_secrets(elf, code, functions, result);
	if (functions[ROW_IS_SERVER].found &&
	    !accessor_int(code, &functions[ROW_IS_SERVER], &result->layout.server_flag))
		memset(&result->layout.server_flag, 0, sizeof(result->layout.server_flag));
	code_close(code);
	return 0;
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
		return 0;
	result->family = "openssl";
	result->plaintext = true;
	find_version(elf, result->version, sizeof(result->version));
	err = read_code(elf, functions, &movers, result);
	if (err)
		return err;
	add_calls(elf, functions, !movers, result);
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "%s%s",
		 functions[ROW_READ].exported && functions[ROW_WRITE].exported ? "dynamic symbols"
									       : "symbol table",
		 movers ? ", and the functions that they cover" : "");
	return 1;
}
