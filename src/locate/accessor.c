/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Decodes where an object keeps a field, out of a function of the library that reads it.
 * Whatever way through the function is taken, all that it shows must agree.
 */
#include <string.h>

#include "locate_internal.h"

/* No TLS object is larger (OpenSSL's are 6 KiB). */
#define OFFSET_MAX 65535

#define ARGUMENT_1 1 /* as x86_value.index counts: behind the object */
#define ARGUMENT_2 2

struct evidence {
	struct tlspcap_path path; /* steps 0: none yet */
	bool conflict;
};

/* Notes that the field is at `value`, an address, or with `loaded` what was read there. */
static void note(struct evidence *evidence, const struct x86_value *value, bool loaded)
{
	struct tlspcap_path path = {0};

	if (loaded && (value->index == 0 || value->offset[value->index] != 0)) {
		evidence->conflict = true;
		return;
	}
	path.steps = loaded ? value->index : value->index + 1;
	for (int i = 0; i < path.steps; i++) {
		if (i == X86_LOADS_MAX || value->offset[i] < 0 || value->offset[i] > OFFSET_MAX) {
			evidence->conflict = true;
			return;
		}
		path.offset[i] = value->offset[i];
	}
	if (evidence->path.steps && memcmp(&evidence->path, &path, sizeof(path)) != 0)
		evidence->conflict = true;
	evidence->path = path;
}

static bool is_argument(const struct x86_value *value, unsigned index)
{
	return value->kind == X86_ARGUMENT && value->index == index && value->number == 0 &&
	       value->width == 8;
}

static bool is_address(const struct x86_value *value)
{
	return value->kind == X86_PATH && value->width == 8;
}

/* f(object, out, size): bytes of the object are stored to out, or memcpy(out, field, …). */
static void look_copy(void *ctx, const struct x86_instruction *i, const struct x86_state *before)
{
	const struct x86_value *registers = before->registers;
	struct evidence *evidence = ctx;

	if (is_argument(&i->where, ARGUMENT_1) && i->stored.kind == X86_PATH)
		note(evidence, &i->stored, true);
	if (i->flow != X86_CALL && i->flow != X86_COPY && !i->leaves)
		return;
	if (is_argument(&registers[X86_RDI], ARGUMENT_1) && is_address(&registers[X86_RSI]))
		note(evidence, &registers[X86_RSI], false);
}

/*
 * ssl_log_secret(object, label, secret, length) passes
 * (label, object, client random, 32, secret, length) on.
 */
static void look_keylog(void *ctx, const struct x86_instruction *i, const struct x86_state *before)
{
	const struct x86_value *registers = before->registers;

	if (i->flow != X86_CALL && i->flow != X86_JUMP)
		return;
	if (is_argument(&registers[X86_RDI], ARGUMENT_1) &&
	    registers[X86_RCX].kind == X86_CONSTANT &&
	    registers[X86_RCX].number == TLSPCAP_RANDOM_LEN &&
	    is_argument(&registers[X86_R8], ARGUMENT_2) && is_address(&registers[X86_RDX]))
		note(ctx, &registers[X86_RDX], false);
}

/* f(object) returns an int that was loaded as one, unchanged; or a constant. */
static void look_int(void *ctx, const struct x86_instruction *i, const struct x86_state *before)
{
	const struct x86_value *rax = &before->registers[X86_RAX];
	struct evidence *evidence = ctx;

	if (i->flow != X86_RETURN || rax->kind != X86_PATH)
		return;
	if (rax->width != sizeof(int))
		evidence->conflict = true;
	else
		note(evidence, rax, true);
}

static bool decode(struct x86 *x86, const struct elf_function *code, x86_look_fn look,
		   struct tlspcap_path *path)
{
	struct evidence evidence = {0};

	if (x86_explore(x86, code->address, code->size, look, &evidence) != 0)
		return false;
	if (evidence.conflict || evidence.path.steps == 0)
		return false;
	*path = evidence.path;
	return true;
}

/* The object itself, at offset 0, starts with its type, version or method. */
static bool is_start(const struct tlspcap_path *path)
{
	return path->offset[path->steps - 1] == 0;
}

bool accessor_client_random(struct x86 *x86, const struct elf_function *code,
			    struct tlspcap_path *path)
{
	struct tlspcap_path found;

	if (!decode(x86, code, look_copy, &found) || is_start(&found))
		return false;
	*path = found;
	return true;
}

bool accessor_keylog_random(struct x86 *x86, const struct elf_function *code,
			    struct tlspcap_path *path)
{
	struct tlspcap_path found;

	if (!decode(x86, code, look_keylog, &found) || is_start(&found))
		return false;
	*path = found;
	return true;
}

bool accessor_int(struct x86 *x86, const struct elf_function *code, struct tlspcap_path *path)
{
	return decode(x86, code, look_int, path);
}
