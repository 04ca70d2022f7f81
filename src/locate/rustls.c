/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The family "rustls": inside a program, mostly without symbols and without unwind tables. Its
 * key log labels are slices, which do not end with a NUL.
 *
 * TLS 1.3: a table of pointers to the labels is used in one function, which derives a secret,
 * asks the key log whether it wants this label, and returns the secret. TLS 1.2: the label
 * CLIENT_RANDOM is passed to the key log with the client random and the master secret.
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <bpf/rustls.h>

#include "locate_internal.h"

#define SITES_MAX    16 /* calls with CLIENT_RANDOM; rustls has four */
#define WALK_MAX     24 /* instructions from a label to the call */
#define RETURNS_MAX  8	/* of the function that derives */
#define TABLES_MAX   16 /* words that point to the first label */
#define FUNCTION_MAX REFERENCES_WINDOW

/* In the order of the table: that of rustls's enum. */
static const char *const labels[] = {
	"CLIENT_EARLY_TRAFFIC_SECRET",	   "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
	"SERVER_TRAFFIC_SECRET_0",	   "EXPORTER_SECRET",
};
#define N_LABELS (sizeof(labels) / sizeof(labels[0]))
static const char master_label[] = "CLIENT_RANDOM";

/*
 * The next place at or behind `from` where this text is, as no string of C. 0: none.
 * (A function that has these labels as its second argument would make this program look like one
 * that logs secrets: keylog.c.)
 */
static uint64_t find_text(const char *text, const struct elf_file *elf, uint64_t from)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < elf->n_segments; i++) {
		const struct elf_segment *segment = &elf->segments[i];
		const uint8_t *start = elf->bytes + segment->offset, *end = start + segment->size;
		const uint8_t *at = start;

		if (from >= segment->address + segment->size)
			continue;
		if (from > segment->address)
			at += from - segment->address;
		while ((at = memmem(at, (size_t)(end - at), text, length))) {
			if (at + length < end && at[length])
				return segment->address + (uint64_t)(at - start);
			at++;
		}
	}
	return 0;
}

static bool is_text(const struct elf_file *elf, uint64_t address, const char *text)
{
	uint64_t rest;
	const uint8_t *at = elf_file_at(elf, address, &rest);

	return at && rest >= strlen(text) && !memcmp(at, text, strlen(text));
}

static bool is_table(const struct elf_file *elf, uint64_t table)
{
	uint64_t words[N_LABELS];

	if (!elf_file_words(elf, table, words, N_LABELS))
		return false;
	for (size_t i = 0; i < N_LABELS; i++) {
		if (!is_text(elf, words[i], labels[i]))
			return false;
	}
	return true;
}

static bool find_table(const struct elf_file *elf, uint64_t *table)
{
	uint64_t text = find_text(labels[0], elf, 0), from = 0;

	/* The relocation itself holds the same word, in the part of the file that is mapped. */
	for (int n = 0; text && n < TABLES_MAX; n++) {
		if (!elf_file_find_word(elf, text, from, table))
			return false;
		if (is_table(elf, *table))
			return true;
		from = *table + 1;
	}
	return false;
}

/* --- TLS 1.3 --------------------------------------------------------------------------- */

struct derive {
	uint64_t table_use; /* the instruction that takes the table's address */
	size_t n_uses;
	bool reached;
	uint64_t will_log; /* the first indirect call behind it */
	uint64_t returns[RETURNS_MAX];
	size_t n_returns;
	bool too_many;
};

static bool note_use(void *ctx, uint64_t from)
{
	struct derive *derive = ctx;

	derive->table_use = from;
	return ++derive->n_uses < 2;
}

static void note_return(struct derive *derive, uint64_t address)
{
	for (size_t i = 0; i < derive->n_returns; i++) {
		if (derive->returns[i] == address)
			return;
	}
	if (derive->n_returns == RETURNS_MAX)
		derive->too_many = true;
	else
		derive->returns[derive->n_returns++] = address;
}

static void look_at_derive(void *ctx, const struct code_instruction *i,
			   const struct code_state *before)
{
	struct derive *derive = ctx;

	(void)before;
	if (i->address == derive->table_use)
		derive->reached = true;
	if (i->flow == CODE_CALL && !i->target && i->address > derive->table_use &&
	    (!derive->will_log || i->address < derive->will_log))
		derive->will_log = i->address;
	if (i->flow == CODE_RETURN)
		note_return(derive, i->address);
}

/* False, with *why: not found. */
static bool find_derive(const struct elf_file *elf, struct code *code, struct locate_result *result,
			uint64_t *start, const char **why)
{
	struct derive derive = {0};
	uint64_t table;

	*why = "the table of labels was not found";
	if (!find_table(elf, &table))
		return false;
	references_find(elf, table, note_use, &derive);
	*why = "the table of labels is not used in just one place";
	if (derive.n_uses != 1)
		return false;
	*why = "the start of the function that uses the labels was not found";
	if (!references_function(elf, derive.table_use, start))
		return false;
	*why = "the code of the function that uses the labels is not understood";
	if (code_explore(code, *start, FUNCTION_MAX, look_at_derive, &derive) || !derive.reached ||
	    !derive.will_log || !derive.n_returns || derive.too_many)
		return false;
	locate_add_probe(elf, result, *start, "derive_logged_secret", RUSTLS_DERIVE, LOCATE_ENTER,
			 LOCATE_FOR_SECRETS);
	locate_add_probe(elf, result, derive.will_log, "(asks the key log)", RUSTLS_WILL_LOG,
			 LOCATE_ENTER, LOCATE_FOR_SECRETS);
	for (size_t i = 0; i < derive.n_returns; i++)
		locate_add_probe(elf, result, derive.returns[i], "(returns)", RUSTLS_DERIVED,
				 LOCATE_LEAVE_AT, LOCATE_FOR_SECRETS);
	return true;
}

/* --- TLS 1.2 --------------------------------------------------------------------------- */

struct sites {
	uint64_t from[SITES_MAX];
	size_t n;
};

static bool note_site(void *ctx, uint64_t from)
{
	struct sites *sites = ctx;

	sites->from[sites->n++] = from;
	return sites->n < SITES_MAX;
}

/* The indirect call that gets the label as its second argument, on the straight way. 0: none. */
static uint64_t find_call(struct code *code, uint64_t from, uint64_t label)
{
	struct code_state state, before;
	struct code_instruction i;

	code_state_clear(&state);
	for (int n = 0; n < WALK_MAX; n++) {
		const struct code_value *argument = &before.registers[1];

		before = state;
		if (!code_step(code, from, &state, &i))
			return 0;
		if (i.flow == CODE_CALL)
			return !i.target && argument->kind == CODE_CONSTANT &&
					       (uint64_t)argument->number == label
				       ? i.address
				       : 0;
		if (i.flow != CODE_NEXT)
			return 0;
		from = i.next;
	}
	return 0;
}

static size_t find_masters(const struct elf_file *elf, struct code *code,
			   struct locate_result *result)
{
	uint64_t label = find_text(master_label, elf, 0);
	struct sites sites;
	size_t found = 0;

	for (int copies = 0; label && copies < SITES_MAX; copies++) {
		sites.n = 0;
		references_find(elf, label, note_site, &sites);
		for (size_t i = 0; i < sites.n; i++) {
			uint64_t call = find_call(code, sites.from[i], label);

			if (call &&
			    locate_add_probe(elf, result, call, "(logs CLIENT_RANDOM)",
					     RUSTLS_MASTER, LOCATE_ENTER, LOCATE_FOR_SECRETS))
				found++;
		}
		label = find_text(master_label, elf, label + 1);
	}
	return found;
}

/* Of the crate's folder, which texts for panics name: "rustls-0.23.40/src/". */
static void find_version(const struct elf_file *elf, char *to, size_t size)
{
	static const char crate[] = "rustls-", folder[] = "/src/";

	for (size_t i = 0; i < elf->n_segments; i++) {
		const char *start = (const char *)elf->bytes + elf->segments[i].offset;
		const char *end = start + elf->segments[i].size, *at = start;

		while ((at = memmem(at, (size_t)(end - at), crate, sizeof(crate) - 1))) {
			/* Not "hyper-rustls-". */
			bool whole = at > start && at[-1] != '-';
			size_t length = 0;

			at += sizeof(crate) - 1;
			while (at + length < end &&
			       ((at[length] >= '0' && at[length] <= '9') || at[length] == '.'))
				length++;
			if (!whole || !length || length >= size ||
			    (size_t)(end - at) < length + sizeof(folder) - 1 ||
			    memcmp(at + length, folder, sizeof(folder) - 1) != 0)
				continue;
			memcpy(to, at, length);
			to[length] = '\0';
			return;
		}
	}
}

int rustls_locate(const struct elf_file *elf, struct locate_result *result)
{
	uint64_t start = 0;
	struct code *code;
	size_t masters;
	const char *why;
	bool derives;
	int err;

	if (!find_text(labels[1], elf, 0) || !find_text(master_label, elf, 0))
		return 0;
	result->family = "rustls";
	snprintf(result->plaintext_how, sizeof(result->plaintext_how),
		 "not from its calls, which are part of the program's own code; its records are "
		 "readable with the secrets");
	if (!code_is_known(elf)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "code of this file's machine, %u, is not read", elf->machine);
		return 1;
	}
	err = code_open(elf, &code);
	if (err)
		return err;
	derives = find_derive(elf, code, result, &start, &why);
	masters = find_masters(elf, code, result);
	code_close(code);
	find_version(elf, result->version, sizeof(result->version));
	/* Many a program knows the labels and does no TLS; this one has the library inside. */
	if (!derives && !masters && !result->version[0])
		return 0;
	result->secrets = derives;
	if (!derives && !masters)
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "%s, and no call with CLIENT_RANDOM", why);
	else if (derives)
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "TLS 1.3: the one use of the table of labels, in the function at 0x%llx; "
			 "TLS 1.2: %zu calls with CLIENT_RANDOM",
			 (unsigned long long)start, masters);
	else
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "TLS 1.2 only, by %zu calls with CLIENT_RANDOM: %s", masters, why);
	return 1;
}
