/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The family "gnutls": libgnutls. All that is needed is exported, but what logs secrets. */
#include <stdio.h>
#include <string.h>
#include <bpf/gnutls.h>

#include "gnutls_internal.h"

#define BOTH	(LOCATE_ENTER | LOCATE_LEAVE)
#define PLAIN	LOCATE_FOR_PLAINTEXT
#define SECRETS LOCATE_FOR_SECRETS

enum {
	ROW_RECV,
	ROW_SEND,
	ROW_HANDSHAKE,
	ROW_RECV_PACKET,
	ROW_PACKET_GET,
	ROW_RANDOM,
	ROW_MASTER,
	ROW_VERSION,
	ROW_IS_RESUMED,
};

static const struct locate_row rows[] = {
	[ROW_RECV] = {"gnutls_record_recv", GNUTLS_RECV, BOTH, PLAIN},
	[ROW_SEND] = {"gnutls_record_send", GNUTLS_SEND, BOTH, PLAIN},
	[ROW_HANDSHAKE] = {"gnutls_handshake", GNUTLS_HANDSHAKE, BOTH, PLAIN | SECRETS},
	[ROW_RECV_PACKET] = {"gnutls_record_recv_packet", GNUTLS_RECV_PACKET, BOTH, PLAIN},
	[ROW_PACKET_GET] = {"gnutls_packet_get", 0, 0, 0},
	[ROW_RANDOM] = {"gnutls_session_get_random", 0, 0, 0},
	[ROW_MASTER] = {"gnutls_session_get_master_secret", 0, 0, 0},
	[ROW_VERSION] = {"gnutls_protocol_get_version", 0, 0, 0},
	[ROW_IS_RESUMED] = {"gnutls_session_is_resumed", 0, 0, 0},
	{"gnutls_record_recv_seq", GNUTLS_RECV, BOTH, PLAIN},
	{"gnutls_record_recv_early_data", GNUTLS_RECV_EARLY, BOTH, PLAIN},
	{"gnutls_record_send2", GNUTLS_SEND2, BOTH, PLAIN},
	{"gnutls_record_send_range", GNUTLS_SEND_RANGE, BOTH, PLAIN},
	{"gnutls_record_send_early_data", GNUTLS_SEND_EARLY, BOTH, PLAIN},
	{"gnutls_record_send_file", GNUTLS_SEND_FILE, BOTH, PLAIN},
	{"gnutls_record_uncork", GNUTLS_UNCORK, BOTH, PLAIN},
	{"gnutls_bye", GNUTLS_BYE, BOTH, PLAIN},
	{"gnutls_alpn_get_selected_protocol", GNUTLS_ALPN, BOTH, PLAIN},
	{"gnutls_server_name_get", GNUTLS_GET_NAME, BOTH, PLAIN},
	{"gnutls_server_name_set", GNUTLS_SET_NAME, LOCATE_ENTER, PLAIN},
	{"gnutls_deinit", GNUTLS_DEINIT, LOCATE_ENTER, PLAIN | SECRETS},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

_Static_assert(N_ROWS < LOCATE_PROBES_MAX, "every row must find room for its probe");

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A string that is nothing but a version, 3.7.9: what gnutls_check_version() returns. */
static void find_version(const struct elf_file *elf, char *to, size_t size)
{
	static const char start[] = "\0003.";

	for (size_t i = 0; i < elf->n_segments; i++) {
		const char *at = (const char *)elf->bytes + elf->segments[i].offset;
		const char *end = at + elf->segments[i].size;

		while ((at = memmem(at, (size_t)(end - at), start, sizeof(start) - 1))) {
			size_t length = 0, dots = 0;

			at++;
			while (at + length < end && (is_digit(at[length]) || at[length] == '.'))
				dots += at[length++] == '.';
			if (dots != 2 || length >= size || at + length == end || at[length] ||
			    !is_digit(at[length - 1]))
				continue;
			memcpy(to, at, length + 1);
			return;
		}
	}
}

/* The places that the kernel programs read beside the client random; none is a must. */
static void find_fields(struct code *code, const struct elf_function *functions,
			struct tlspcap_layout *layout)
{
	struct tlspcap_path *version = &layout->path[GNUTLS_PATH_VERSION];

	if (!functions[ROW_VERSION].found || !accessor_int(code, &functions[ROW_VERSION], version))
		memset(version, 0, sizeof(*version));
	gnutls_find_datum(code, &functions[ROW_MASTER], &layout->path[GNUTLS_PATH_MASTER]);
	gnutls_find_packet(code, &functions[ROW_PACKET_GET], &layout->path[GNUTLS_PATH_PACKET]);
	if (gnutls_find_entity(code, &functions[ROW_IS_RESUMED], &layout->server_flag))
		layout->server_value = 1; /* GNUTLS_SERVER */
}

/* Whether TLS 1.2 is resumed without a secret that is logged. */
static bool has_master(const struct tlspcap_layout *layout)
{
	return layout->path[GNUTLS_PATH_VERSION].steps && layout->path[GNUTLS_PATH_MASTER].steps;
}

static void find_secrets(const struct elf_file *elf, struct code *code,
			 const struct elf_function *functions, struct locate_result *result)
{
	struct tlspcap_layout *layout = &result->layout;
	struct keylog_site site;
	const char *why;
	char path[32];

	if (keylog_find(elf, code, &site, &why) != 0) {
		snprintf(result->secrets_how, sizeof(result->secrets_how), "%s", why);
		return;
	}
	if (!gnutls_find_datum(code, &functions[ROW_RANDOM], &layout->client_random)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "the code of gnutls_session_get_random is not understood");
		return;
	}
	locate_print_path(path, sizeof(path), &layout->client_random);
	snprintf(result->secrets_how, sizeof(result->secrets_how),
		 "cross-references of %u key log labels at 0x%llx, client random at %s%s",
		 (uint8_t)site.labels, (unsigned long long)site.address, path,
		 has_master(layout) ? "; gnutls_handshake for resumed TLS 1.2"
				    : "; none of resumed TLS 1.2");
	result->secrets = true;
	locate_add_probe(elf, result, site.address, "(logs secrets)", GNUTLS_LOG_SECRET,
			 LOCATE_ENTER, SECRETS);
}

static int read_code(const struct elf_file *elf, const struct elf_function *functions,
		     struct locate_result *result)
{
	struct code *code;
	int err;

	if (!code_is_known(elf)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "code of this file's machine, %u, is not read", elf->machine);
		return 0;
	}
	err = code_open(elf, &code);
	if (err)
		return err;
	find_fields(code, functions, &result->layout);
	find_secrets(elf, code, functions, result);
	code_close(code);
	return 0;
}

int gnutls_locate(const struct elf_file *elf, struct locate_result *result)
{
	struct elf_function functions[N_ROWS] = {0};
	int err;

	locate_find_rows(elf, rows, functions, N_ROWS);
	if (!functions[ROW_RECV].found || !functions[ROW_SEND].found ||
	    !functions[ROW_HANDSHAKE].found)
		return 0;
	result->family = "gnutls";
	result->plaintext = true;
	find_version(elf, result->version, sizeof(result->version));
	err = read_code(elf, functions, result);
	if (err)
		return err;
	locate_add_rows(elf, rows, functions, N_ROWS, result);
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "%s",
		 functions[ROW_RECV].exported ? "dynamic symbols" : "symbol table");
	return 1;
}
