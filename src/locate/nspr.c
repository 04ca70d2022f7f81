/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The family "nspr": Mozilla's NSS. libssl3 talks TLS and libfreebl has the secrets; a program
 * may bring both in one file.
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <bpf/nspr.h>

#include "locate_internal.h"

#define BOTH	(LOCATE_ENTER | LOCATE_LEAVE)
#define PLAIN	LOCATE_FOR_PLAINTEXT
#define SECRETS LOCATE_FOR_SECRETS

/* --- libssl3: what a secure socket does ------------------------------------------------ */

/* sslSocketOps: a table for plain sockets, one for secure ones. Index: its words. */
enum {
	OP_CONNECT,
	OP_ACCEPT, /* 0 in both */
	OP_CLOSE = 5,
	OP_RECV,
	OP_SEND,
	OP_READ,
	OP_WRITE,
	N_OPS = 12,
};

struct ops {
	uint64_t word[N_OPS];
};

struct reach {
	uint64_t target;
	bool found;
};

static void look_for_target(void *ctx, const struct code_instruction *i,
			    const struct code_state *before)
{
	struct reach *reach = ctx;

	(void)before;
	if (i->target == reach->target && (i->flow == CODE_CALL || i->flow == CODE_JUMP))
		reach->found = true;
}

/* `from` is a cover of `to`, such as read of recv. Its own code is next to nothing. */
static bool covers(struct code *code, uint64_t from, uint64_t to)
{
	struct reach reach = {.target = to};

	return from != to && !code_explore(code, from, 0, look_for_target, &reach) && reach.found;
}

/*
 * Plain sockets hand read and recv to the layer below, each by itself; a secure one's read is
 * its recv without flags, and its write its send.
 */
static bool is_secure(struct code *code, const struct ops *ops)
{
	return covers(code, ops->word[OP_READ], ops->word[OP_RECV]) &&
	       covers(code, ops->word[OP_WRITE], ops->word[OP_SEND]);
}

/* Relocations i … are those of such a table, as linkers sort them. */
static bool read_relocated(const struct elf_file *elf, uint64_t i, struct ops *ops)
{
	Elf64_Rela relocation;
	uint64_t start = 0;

	memset(ops, 0, sizeof(*ops));
	if (elf->n_relocations - i < N_OPS - 1)
		return false;
	for (unsigned word = 0; word < N_OPS; word++) {
		if (word == OP_ACCEPT)
			continue;
		memcpy(&relocation, elf->relocations + i++ * sizeof(relocation),
		       sizeof(relocation));
		if (!word)
			start = relocation.r_offset;
		if (!elf_file_is_relative(elf, &relocation) ||
		    relocation.r_offset != start + 8 * word)
			return false;
		ops->word[word] = (uint64_t)relocation.r_addend;
	}
	return true;
}

static bool is_ops(const struct elf_file *elf, const struct ops *ops)
{
	uint64_t rest;

	for (unsigned i = 0; i < N_OPS; i++) {
		if (i == OP_ACCEPT ? ops->word[i] != 0 : !elf_file_code(elf, ops->word[i], &rest))
			return false;
	}
	return true;
}

struct tables {
	const struct elf_file *elf;
	struct code *code;
	struct ops secure; /* the last one */
	unsigned n;
};

/* False: enough is known. */
static bool take_table(struct tables *tables, const struct ops *ops)
{
	if (is_ops(tables->elf, ops) && is_secure(tables->code, ops)) {
		tables->secure = *ops;
		tables->n++;
	}
	return tables->n < 2 && !code_exhausted(tables->code);
}

/* Compact relocations (DT_RELR) leave the address in its place. */
static bool scan_segment(struct tables *tables, const struct elf_segment *segment)
{
	const uint8_t *bytes = tables->elf->bytes + segment->offset;
	uint64_t at = -segment->address % 8;
	struct ops ops;

	for (; at + sizeof(ops) <= segment->size; at += 8) {
		memcpy(&ops, bytes + at, sizeof(ops));
		if (!take_table(tables, &ops))
			return false;
	}
	return true;
}

/* The one table of secure sockets. */
static bool find_secure(const struct elf_file *elf, struct code *code, struct ops *found)
{
	struct tables tables = {.elf = elf, .code = code};
	struct ops ops;
	bool more = true;

	for (uint64_t i = 0; i < elf->n_relocations && more; i++)
		more = !read_relocated(elf, i, &ops) || take_table(&tables, &ops);
	for (size_t i = 0; i < elf->n_segments && more && !tables.n; i++)
		more = elf->segments[i].executable || scan_segment(&tables, &elf->segments[i]);
	*found = tables.secure;
	return tables.n == 1;
}

static void find_calls(const struct elf_file *elf, struct code *code, struct locate_result *result)
{
	struct ops ops;

	if (!find_secure(elf, code, &ops)) {
		snprintf(result->plaintext_how, sizeof(result->plaintext_how),
			 "the table of what secure sockets do was not found");
		return;
	}
	snprintf(result->plaintext_how, sizeof(result->plaintext_how),
		 "the table of what secure sockets do: recv at 0x%llx, send at 0x%llx",
		 (unsigned long long)ops.word[OP_RECV], (unsigned long long)ops.word[OP_SEND]);
	result->plaintext = true;
	locate_add_probe(elf, result, ops.word[OP_RECV], "ssl_SecureRecv", NSPR_RECV, BOTH, PLAIN);
	locate_add_probe(elf, result, ops.word[OP_SEND], "ssl_SecureSend", NSPR_SEND, BOTH, PLAIN);
	locate_add_probe(elf, result, ops.word[OP_CLOSE], "ssl_SecureClose", NSPR_CLOSE,
			 LOCATE_ENTER, PLAIN | SECRETS);
}

/* The function that derives a secret and is told its label: it knows the socket. */
static void find_owner(const struct elf_file *elf, struct code *code, struct locate_result *result)
{
	static const struct keylog_rule rule = {.argument = 4, .labels = 4};
	struct keylog_site site;
	const char *why;

	result->secrets = true;
	if (keylog_find_by(elf, code, &rule, &site, &why)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "libfreebl tells them; whose they are is found by records, because %s",
			 why);
		return;
	}
	snprintf(result->secrets_how, sizeof(result->secrets_how),
		 "libfreebl tells them, and whose they are the function that %u key log labels "
		 "are passed to, at 0x%llx",
		 (uint8_t)site.labels, (unsigned long long)site.address);
	locate_add_probe(elf, result, site.address, "tls13_DeriveSecretWrap", NSPR_DERIVE,
			 LOCATE_ENTER, SECRETS);
}

/* --- libfreebl: what the token computes ------------------------------------------------ */

/*
 * FREEBLVector (NSS's loader.h): two numbers of 16 bits, its size and version, and pointers.
 * New ones come at the end: libraries of different releases are used together.
 */
#define VECTOR_HMAC_UPDATE 141
#define VECTOR_HMAC_FINISH 143
#define VECTOR_P_HASH	   174
#define VECTOR_VERSION	   3 /* the high byte */

static const struct {
	unsigned index;
	const char *name;
	uint8_t function, when;
} vector_functions[] = {
	{VECTOR_HMAC_UPDATE, "HMAC_Update", NSPR_HMAC_UPDATE, LOCATE_ENTER},
	{VECTOR_HMAC_FINISH, "HMAC_Finish", NSPR_HMAC_FINISH, BOTH},
	{VECTOR_P_HASH, "TLS_P_hash", NSPR_P_HASH, LOCATE_ENTER},
};
#define N_VECTOR_FUNCTIONS (sizeof(vector_functions) / sizeof(vector_functions[0]))

struct vector {
	uint64_t address[N_VECTOR_FUNCTIONS];
};

/* Whether it is such a table, by its size and version and by what it points to. */
static bool read_vector(const struct elf_file *elf, uint64_t address, struct vector *vector)
{
	uint64_t rest;
	const uint8_t *header = elf_file_at(elf, address, &rest);
	unsigned size;

	if (!header || rest < 8)
		return false;
	size = header[0] | (unsigned)header[1] << 8;
	if (header[3] != VECTOR_VERSION || size < 8 + 8 * (VECTOR_P_HASH + 1))
		return false;
	for (size_t i = 0; i < N_VECTOR_FUNCTIONS; i++) {
		uint64_t at = address + 8 + 8 * (uint64_t)vector_functions[i].index;

		if (!elf_file_words(elf, at, &vector->address[i], 1) ||
		    !elf_file_code(elf, vector->address[i], &rest))
			return false;
	}
	return true;
}

#define CONSTANTS_MAX 8

/* What the function has in the register of its result on its ways. */
struct constants {
	const struct code *code;
	uint64_t value[CONSTANTS_MAX];
	size_t n;
};

static void note_constant(void *ctx, const struct code_instruction *i,
			  const struct code_state *before)
{
	struct constants *constants = ctx;
	const struct code_value *value = code_result(constants->code, before);

	(void)i;
	if (value->kind != CODE_CONSTANT || value->width != 8)
		return;
	for (size_t j = 0; j < constants->n; j++) {
		if (constants->value[j] == (uint64_t)value->number)
			return;
	}
	if (constants->n < CONSTANTS_MAX)
		constants->value[constants->n++] = (uint64_t)value->number;
}

static bool find_vector(const struct elf_file *elf, struct code *code,
			const struct elf_function *get_vector, struct vector *vector,
			uint64_t *address)
{
	struct constants constants = {.code = code};
	unsigned n = 0;

	if (code_explore(code, get_vector->address, get_vector->size, note_constant, &constants))
		return false;
	for (size_t i = 0; i < constants.n; i++) {
		struct vector one;

		if (!read_vector(elf, constants.value[i], &one))
			continue;
		*vector = one;
		*address = constants.value[i];
		n++;
	}
	return n == 1;
}

static void find_token(const struct elf_file *elf, struct code *code,
		       const struct elf_function *get_vector, struct locate_result *result)
{
	struct vector vector;
	uint64_t address;

	if (!find_vector(elf, code, get_vector, &vector, &address)) {
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "FREEBL_GetVector has no table with HMAC_Update, HMAC_Finish and "
			 "TLS_P_hash that is understood");
		return;
	}
	for (size_t i = 0; i < N_VECTOR_FUNCTIONS; i++)
		locate_add_probe(elf, result, vector.address[i], vector_functions[i].name,
				 vector_functions[i].function, vector_functions[i].when, SECRETS);
	result->secrets = true;
	snprintf(result->secrets_how, sizeof(result->secrets_how),
		 "HMAC and TLS_P_hash by FREEBL_GetVector's table at 0x%llx",
		 (unsigned long long)address);
}

/* --- both ------------------------------------------------------------------------------ */

/* "Version: NSS 3.87.1", in every library of NSS. */
static void find_version(const struct elf_file *elf, char *to, size_t size)
{
	static const char before[] = "Version: NSS ";

	for (size_t i = 0; i < elf->n_segments; i++) {
		const char *start = (const char *)elf->bytes + elf->segments[i].offset;
		const char *end = start + elf->segments[i].size;
		const char *at = memmem(start, elf->segments[i].size, before, sizeof(before) - 1);
		size_t length = 0;

		if (!at)
			continue;
		at += sizeof(before) - 1;
		while (at + length < end && length + 1 < size &&
		       ((at[length] >= '0' && at[length] <= '9') || at[length] == '.'))
			length++;
		memcpy(to, at, length);
		to[length] = '\0';
		return;
	}
}

int nspr_locate(const struct elf_file *elf, struct locate_result *result)
{
	struct elf_function functions[] = {{.name = "SSL_ImportFD"},
					   {.name = "SSL_ForceHandshake"},
					   {.name = "FREEBL_GetVector"}};
	const struct elf_function *get_vector = &functions[2];
	struct code *code;
	bool talks;
	int err;

	elf_file_find(elf, functions, 3);
	talks = functions[0].found && functions[1].found;
	if (!talks && !get_vector->found)
		return 0;
	err = code_is_known(elf) ? code_open(elf, &code) : 0;
	if (err)
		return err;
	result->family = "nspr";
	result->half = talks != get_vector->found;
	find_version(elf, result->version, sizeof(result->version));
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "it is in libssl3");
	if (!code_is_known(elf)) {
		snprintf(result->plaintext_how, sizeof(result->plaintext_how),
			 "code of this file's machine, %u, is not read", elf->machine);
		snprintf(result->secrets_how, sizeof(result->secrets_how), "%s",
			 result->plaintext_how);
		return 1;
	}
	if (talks) {
		find_calls(elf, code, result);
		find_owner(elf, code, result);
	}
	if (get_vector->found)
		find_token(elf, code, get_vector, result);
	code_close(code);
	/* libfreebl3 has a FREEBL_GetVector, too, which returns nothing. */
	return talks || result->secrets || result->version[0];
}
