/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Where OpenSSL and its relatives log secrets, and where the object keeps the client random that
 * such a secret belongs to.
 */
#include <stdio.h>
#include <string.h>
#include <bpf/openssl.h>

#include "openssl_internal.h"

/* What is known of the client random's place, best first. */
enum random_source {
	RANDOM_READ_AND_LOGGED, /* by SSL_get_client_random and by what logs, which agree */
	RANDOM_READ,
	RANDOM_LOGGED,
	RANDOM_PRINTED, /* likely */
	RANDOM_GUESSED,
	RANDOM_DISAGREE, /* nothing is believed */
};

static const char *const source_names[] = {
	[RANDOM_READ_AND_LOGGED] = "SSL_get_client_random, ssl_log_secret",
	[RANDOM_READ] = "SSL_get_client_random",
	[RANDOM_LOGGED] = "ssl_log_secret",
	[RANDOM_PRINTED] = "printed there, proved by each handshake",
};

/* Where releases have it, in code that does not tell. Each secret has to be proved. */
static const struct tlspcap_path guesses[] = {
	{2, {0x30, 0x30}}, /* BoringSSL since 2019 */
	{1, {0x188}},	   /* OpenSSL since 3.2 */
	{1, {0x160}},	   /* OpenSSL 3.0 */
	{2, {0xa8, 0xb8}}, /* OpenSSL 1.1.1 */
};

_Static_assert(sizeof(guesses) / sizeof(guesses[0]) <= 1 + TLSPCAP_LAYOUT_PATHS, "room for each");

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
 * will do; if they disagree, neither is believed.
 */
static enum random_source find_random(struct code *code, const struct elf_function *accessor,
				      const struct elf_function *log_secret,
				      struct tlspcap_path *path)
{
	struct tlspcap_path read, logged;
	bool is_read = accessor->found && accessor_client_random(code, accessor, &read);
	bool is_logged = accessor_keylog_random(code, log_secret, &logged);

	if (is_read && is_logged && memcmp(&read, &logged, sizeof(read)) != 0)
		return RANDOM_DISAGREE;
	if (is_read || is_logged) {
		*path = is_read ? read : logged;
		if (is_read && is_logged)
			return RANDOM_READ_AND_LOGGED;
		return is_read ? RANDOM_READ : RANDOM_LOGGED;
	}
	if (accessor_printed_random(code, log_secret, path))
		return RANDOM_PRINTED;
	return RANDOM_GUESSED;
}

bool openssl_is_guess(const struct locate_result *result)
{
	return result->layout.path[0].steps != 0;
}

bool openssl_find_secrets(const struct elf_file *elf, struct code *code,
			  const struct elf_function *accessor, struct elf_function *log_secret,
			  struct locate_result *result)
{
	struct tlspcap_layout *layout = &result->layout;
	enum random_source source;
	char site[64], path[32];
	const char *why;

	if (!find_log_secret(elf, code, log_secret, site, sizeof(site), &why)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "no symbol ssl_log_secret, and %s", why);
		return false;
	}
	source = find_random(code, accessor, log_secret, &layout->client_random);
	if (source == RANDOM_DISAGREE) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "%s, client random not found: SSL_get_client_random and ssl_log_secret "
			 "disagree where it is",
			 site);
		return false;
	}
	if (source >= RANDOM_PRINTED)
		layout->flags |= OPENSSL_RANDOM_UNPROVED;
	if (source == RANDOM_GUESSED) {
		layout->client_random = guesses[0];
		memcpy(layout->path, &guesses[1], sizeof(guesses) - sizeof(guesses[0]));
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "%s, client random proved by each handshake", site);
		return true;
	}
	locate_print_path(path, sizeof(path), &layout->client_random);
	snprintf(result->secrets_how, sizeof(result->secrets_how), "%s, client random at %s (%s)",
		 site, path, source_names[source]);
	return true;
}
