/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Decodes where an object keeps a field, out of a function of the library that reads it.
 * Whatever way through the function is taken, all that it shows must agree.
 */
#include <string.h>

#include "locate_internal.h"

/* No TLS object is larger (OpenSSL's are 6 KiB). */
#define OFFSET_MAX 65535

/* Of a function that prints and has all that it calls inlined: BoringSSL's has 1200 bytes. */
#define PRINTER_SIZE 2048

#define ARGUMENT_1   1 /* as code_value.index counts: behind the object */
#define ARGUMENT_2   2

struct evidence {
	const struct code *code;
	struct tlspcap_path path; /* steps 0: none yet */
	bool conflict;
};

/* Notes that the field is at `value`, an address, or with `loaded` what was read there. */
static void note(struct evidence *evidence, const struct code_value *value, bool loaded)
{
	struct tlspcap_path path = {0};

	if (loaded && (value->index == 0 || value->offset[value->index] != 0)) {
		evidence->conflict = true;
		return;
	}
	path.steps = loaded ? value->index : value->index + 1;
	for (int i = 0; i < path.steps; i++) {
		if (i == CODE_LOADS_MAX || value->offset[i] < 0 || value->offset[i] > OFFSET_MAX) {
			evidence->conflict = true;
			return;
		}
		path.offset[i] = value->offset[i];
	}
	if (evidence->path.steps && memcmp(&evidence->path, &path, sizeof(path)) != 0)
		evidence->conflict = true;
	evidence->path = path;
}

static bool is_argument(const struct code_value *value, unsigned index)
{
	return value->kind == CODE_ARGUMENT && value->index == index && value->number == 0 &&
	       value->width == 8;
}

static bool is_address(const struct code_value *value)
{
	return value->kind == CODE_PATH && value->width == 8;
}

/* f(object, out, size): bytes of the object are stored to out, or memcpy(out, field, …). */
static void look_copy(void *ctx, const struct code_instruction *i, const struct code_state *before)
{
	const struct code_value *registers = before->registers;
	struct evidence *evidence = ctx;

	if (is_argument(&i->where, ARGUMENT_1) && i->stored.kind == CODE_PATH)
		note(evidence, &i->stored, true);
	if (i->flow != CODE_CALL && i->flow != CODE_COPY && !i->leaves)
		return;
	if (is_argument(&registers[0], ARGUMENT_1) && is_address(&registers[1]))
		note(evidence, &registers[1], false);
}

/*
 * ssl_log_secret(object, label, secret, length) passes
 * (label, object, client random, 32, secret, length) on.
 */
static void look_keylog(void *ctx, const struct code_instruction *i,
			const struct code_state *before)
{
	const struct code_value *registers = before->registers;

	if (i->flow != CODE_CALL && i->flow != CODE_JUMP)
		return;
	if (is_argument(&registers[0], ARGUMENT_1) && registers[3].kind == CODE_CONSTANT &&
	    registers[3].number == TLSPCAP_RANDOM_LEN && is_argument(&registers[4], ARGUMENT_2) &&
	    is_address(&registers[2]))
		note(ctx, &registers[2], false);
}

/* What reads bytes one by one, or as many at once as a vector register holds. */
static bool is_byte_load(const struct code_instruction *i)
{
	return i->read_size == 1 || i->read_size >= 16;
}

static bool same_object(const struct tlspcap_path *one, const struct tlspcap_path *other)
{
	return one->steps == other->steps &&
	       !memcmp(one->offset, other->offset, (size_t)(one->steps - 1) * sizeof(int32_t));
}

/* Bytes of the object that are read to be printed: the lowest address, and all near it. */
static void look_bytes(void *ctx, const struct code_instruction *i, const struct code_state *before)
{
	struct evidence *evidence = ctx, at = {0};
	int32_t *lowest, *here;

	(void)before;
	if (!is_address(&i->read) || !is_byte_load(i))
		return;
	note(&at, &i->read, false);
	evidence->conflict |= at.conflict;
	if (!evidence->path.steps)
		evidence->path = at.path;
	if (at.conflict || !same_object(&evidence->path, &at.path)) {
		evidence->conflict = true;
		return;
	}
	lowest = &evidence->path.offset[at.path.steps - 1];
	here = &at.path.offset[at.path.steps - 1];
	if (*here - *lowest >= TLSPCAP_RANDOM_LEN || *lowest - *here >= TLSPCAP_RANDOM_LEN)
		evidence->conflict = true;
	if (*here < *lowest)
		*lowest = *here;
}

/* f(object) returns an int that was loaded as one, unchanged; or a constant. */
static void look_int(void *ctx, const struct code_instruction *i, const struct code_state *before)
{
	struct evidence *evidence = ctx;
	const struct code_value *result = code_result(evidence->code, before);

	if (i->flow != CODE_RETURN || result->kind != CODE_PATH)
		return;
	if (result->width != sizeof(int))
		evidence->conflict = true;
	else
		note(evidence, result, true);
}

static bool decode(struct code *code, const struct elf_function *function, code_look_fn look,
		   struct tlspcap_path *path)
{
	struct evidence evidence = {.code = code};

	if (code_explore(code, function->address, function->size, look, &evidence) != 0)
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

bool accessor_client_random(struct code *code, const struct elf_function *function,
			    struct tlspcap_path *path)
{
	struct tlspcap_path found;

	if (!decode(code, function, look_copy, &found) || is_start(&found))
		return false;
	*path = found;
	return true;
}

bool accessor_keylog_random(struct code *code, const struct elf_function *function,
			    struct tlspcap_path *path)
{
	struct tlspcap_path found;

	if (!decode(code, function, look_keylog, &found) || is_start(&found))
		return false;
	*path = found;
	return true;
}

bool accessor_printed_random(struct code *code, const struct elf_function *function,
			     struct tlspcap_path *path)
{
	struct elf_function whole = *function;
	struct tlspcap_path found;

	if (!whole.size)
		whole.size = PRINTER_SIZE;
	if (!decode(code, &whole, look_bytes, &found) || is_start(&found))
		return false;
	*path = found;
	return true;
}

bool accessor_int(struct code *code, const struct elf_function *function, struct tlspcap_path *path)
{
	return decode(code, function, look_int, path);
}

struct constant {
	const struct code *code;
	uint64_t number;
	bool found, conflict;
};

/* f() returns the same constant on every way. */
static void look_constant(void *ctx, const struct code_instruction *i,
			  const struct code_state *before)
{
	struct constant *constant = ctx;
	const struct code_value *value;

	if (i->flow != CODE_RETURN)
		return;
	value = code_result(constant->code, before);
	if (value->kind != CODE_CONSTANT ||
	    (constant->found && constant->number != (uint64_t)value->number))
		constant->conflict = true;
	constant->found = true;
	constant->number = (uint64_t)value->number;
}

bool accessor_constant(struct code *code, const struct elf_function *function, uint64_t *number)
{
	struct constant constant = {.code = code};

	if (code_explore(code, function->address, function->size, look_constant, &constant) != 0 ||
	    !constant.found || constant.conflict)
		return false;
	*number = constant.number;
	return true;
}
