/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The family "go": crypto/tls of Go's standard library, inside every program in Go that uses
 * it.
 *
 * A return is probed at each RET of the function, never by changing the return address: Go
 * moves stacks, and would find an address there that it does not know.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/go.h>

#include "go_internal.h"

#define PACKAGE	     "crypto/tls."
#define FUNCTION_MAX 16384 /* bytes of one function; Write has 1500 */
#define ARM64_RET    0xd65f03c0u

enum {
	ROW_READ,
	ROW_WRITE,
	ROW_CLOSE,
	ROW_LOG_SECRET,
	ROW_MASTER,
	N_ROWS,
};

static const struct {
	const char *name;
	uint8_t function;
	uint8_t purpose;
} rows[N_ROWS] = {
	[ROW_READ] = {PACKAGE "(*Conn).Read", GO_READ, LOCATE_FOR_PLAINTEXT},
	[ROW_WRITE] = {PACKAGE "(*Conn).Write", GO_WRITE, LOCATE_FOR_PLAINTEXT},
	[ROW_CLOSE] = {PACKAGE "(*Conn).Close", GO_CLOSE, LOCATE_FOR_PLAINTEXT},
	[ROW_LOG_SECRET] = {PACKAGE "(*Config).writeKeyLog", GO_LOG_SECRET, LOCATE_FOR_SECRETS},
	/* A resumed TLS 1.2 connection logs nothing. */
	[ROW_MASTER] = {PACKAGE "keysFromMasterSecret", GO_MASTER, LOCATE_FOR_SECRETS},
};

static const char *const form_names[] = {
	[GO_FORM_1_2] = "Go 1.2 to 1.15",
	[GO_FORM_1_16] = "Go 1.16 and 1.17",
	[GO_FORM_1_18] = "Go 1.18 and 1.19",
	[GO_FORM_1_20] = "Go 1.20 and newer",
};

/* The number behind "1."; 0: not known. */
static long minor_version(const char *version)
{
	return strncmp(version, "1.", 2) == 0 ? strtol(version + 2, NULL, 10) : 0;
}

/*
 * How arguments are passed. Go 1.17 was the first to use registers, and has the form of table
 * that 1.16 has. Before 1.12, writeKeyLog had other arguments.
 */
static bool find_convention(enum go_form form, struct locate_result *result)
{
	long minor = minor_version(result->version);

	if (form >= GO_FORM_1_18)
		return true;
	if (minor < 12)
		return false;
	if (form == GO_FORM_1_2 || minor < 17)
		result->layout.flags |= GO_ON_STACK;
	return true;
}

/* Fixed width: every place is an instruction. */
static bool add_arm64_returns(const struct elf_file *elf, const struct elf_function *function,
			      uint8_t number, struct locate_result *result)
{
	uint64_t rest;
	const uint8_t *code = elf_file_code(elf, function->address, &rest);
	bool any = false;

	for (uint64_t i = 0; code && i + 4 <= function->size; i += 4) {
		uint32_t instruction;

		memcpy(&instruction, code + i, sizeof(instruction));
		if (instruction != ARM64_RET)
			continue;
		if (!locate_add_probe(elf, result, function->address + i, function->name, number,
				      LOCATE_LEAVE_AT, LOCATE_FOR_PLAINTEXT))
			return false;
		any = true;
	}
	return any;
}

/*
 * Decoded from end to end: Go keeps no data in its code. False: not all of it is understood,
 * or it never returns.
 */
static bool add_returns(const struct elf_file *elf, struct code *code,
			const struct elf_function *function, uint8_t number,
			struct locate_result *result)
{
	uint64_t end = function->address + function->size;
	struct code_instruction instruction;
	struct code_state state;
	bool any = false;

	if (function->size > FUNCTION_MAX)
		return false;
	if (elf->machine == EM_AARCH64)
		return add_arm64_returns(elf, function, number, result);
	code_state_entry(&state);
	for (uint64_t at = function->address; at < end; at = instruction.next) {
		if (!code_step(code, at, &state, &instruction))
			return false;
		if (instruction.flow != CODE_RETURN)
			continue;
		if (!locate_add_probe(elf, result, at, function->name, number, LOCATE_LEAVE_AT,
				      LOCATE_FOR_PLAINTEXT))
			return false;
		any = true;
	}
	return any;
}

static void forget_plaintext(struct locate_result *result)
{
	size_t kept = 0;

	for (size_t i = 0; i < result->n_probes; i++) {
		if (result->probes[i].purpose & LOCATE_FOR_SECRETS)
			result->probes[kept++] = result->probes[i];
	}
	result->n_probes = kept;
}

/* Without all of its returns a call's bytes would be missed in silence. */
static bool find_plaintext(const struct elf_file *elf, struct code *code,
			   const struct elf_function *functions, struct locate_result *result)
{
	for (size_t i = ROW_READ; i <= ROW_WRITE; i++) {
		if (!functions[i].found) {
			snprintf(result->plaintext_how, sizeof(result->plaintext_how),
				 "pclntab has no %s", rows[i].name);
			return false;
		}
		if (!add_returns(elf, code, &functions[i], rows[i].function, result)) {
			snprintf(result->plaintext_how, sizeof(result->plaintext_how),
				 "the code of %s is not understood to its end", rows[i].name);
			return false;
		}
	}
	return true;
}

static void add_entries(const struct elf_file *elf, const struct elf_function *functions,
			struct locate_result *result)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (functions[i].found)
			locate_add_probe(elf, result, functions[i].address, rows[i].name,
					 rows[i].function, LOCATE_ENTER, rows[i].purpose);
	}
}

static int fill_result(const struct elf_file *elf, const struct elf_function *functions,
		       enum go_form form, struct locate_result *result)
{
	struct code *code = NULL;
	int err = 0;

	add_entries(elf, functions, result);
	if (elf->machine != EM_AARCH64)
		err = code_open(elf, &code);
	if (err == -ENOMEM)
		return err;
	if (err)
		snprintf(result->plaintext_how, sizeof(result->plaintext_how),
			 "this machine's code is not read (%u)", elf->machine);
	else
		result->plaintext = find_plaintext(elf, code, functions, result);
	if (code)
		code_close(code);
	if (result->plaintext)
		snprintf(result->plaintext_how, sizeof(result->plaintext_how),
			 "pclntab of %s; returns by disassembly", form_names[form]);
	else
		forget_plaintext(result);
	result->secrets = functions[ROW_LOG_SECRET].found;
	result->layout.client_random.steps = 1; /* it is at the argument itself */
	if (result->secrets)
		snprintf(result->secrets_how, sizeof(result->secrets_how),
			 "pclntab of %s; client random is an argument%s", form_names[form],
			 functions[ROW_MASTER].found ? "" : "; not of resumed TLS 1.2");
	else
		snprintf(result->secrets_how, sizeof(result->secrets_how), "pclntab has no %s",
			 rows[ROW_LOG_SECRET].name);
	return 1;
}

int go_locate(const struct elf_file *elf, struct locate_result *result)
{
	struct elf_function functions[N_ROWS] = {0};
	const char *why = NULL;
	enum go_form form;
	int n;

	for (size_t i = 0; i < N_ROWS; i++)
		functions[i].name = rows[i].name;
	n = go_find_functions(elf, PACKAGE, functions, N_ROWS, &form, &why);
	if (!n)
		return 0;
	result->family = "go";
	go_find_version(elf, result->version, sizeof(result->version));
	if (n > 0 && !find_convention(form, result)) {
		why = result->version[0] ? "its calls are unlike those of Go 1.12 and newer"
					 : "which release of Go it is is not known";
		n = -ENOENT;
	}
	if (n > 0)
		return fill_result(elf, functions, form, result);
	snprintf(result->secrets_how, sizeof(result->secrets_how), "%s", why);
	snprintf(result->plaintext_how, sizeof(result->plaintext_how), "%s", why);
	return 1;
}
