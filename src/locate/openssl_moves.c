/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The two functions of OpenSSL through which all plaintext passes.
 *
 * SSL_read and SSL_read_ex are thin covers of ssl_read_internal(object, buffer, size,
 * &count), and so is BIO_f_ssl, which programs use that never call SSL_read (openssl
 * s_server -WWW). The same holds for writing. They have no symbol; they are the one function
 * that both covers call, and that their opposite does not call.
 */
#include <string.h>

#include "openssl_internal.h"

#define CALLEES_MAX 16

struct callees {
	uint64_t address[CALLEES_MAX];
	size_t n;
	bool overflow;
};

static bool calls(const struct callees *callees, uint64_t address)
{
	for (size_t i = 0; i < callees->n; i++)
		if (callees->address[i] == address)
			return true;
	return false;
}

static void look(void *ctx, const struct code_instruction *instruction,
		 const struct code_state *before)
{
	struct callees *callees = ctx;
	bool tail = instruction->flow == CODE_JUMP && instruction->leaves;
	const struct code_value *object = &before->registers[0];

	if (!instruction->target || (instruction->flow != CODE_CALL && !tail))
		return;
	/* The object is handed on as the first argument; error reports do not have it. */
	if (object->kind != CODE_PATH || object->index != 0 || object->offset[0] != 0)
		return;
	if (calls(callees, instruction->target))
		return;
	if (callees->n == CALLEES_MAX)
		callees->overflow = true;
	else
		callees->address[callees->n++] = instruction->target;
}

static bool find_callees(struct code *code, const struct elf_function *function,
			 struct callees *callees)
{
	memset(callees, 0, sizeof(*callees));
	return function->found &&
	       !code_explore(code, function->address, function->size, look, callees) &&
	       !callees->overflow;
}

bool openssl_find_mover(struct code *code, const struct elf_function *plain,
			const struct elf_function *extended, const struct elf_function *opposite,
			uint64_t *address)
{
	struct callees a, b, c;
	size_t found = 0;

	if (!find_callees(code, plain, &a) || !find_callees(code, extended, &b) ||
	    !find_callees(code, opposite, &c))
		return false;
	for (size_t i = 0; i < a.n; i++) {
		if (!calls(&b, a.address[i]) || calls(&c, a.address[i]))
			continue;
		*address = a.address[i];
		found++;
	}
	return found == 1;
}
