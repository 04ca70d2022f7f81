/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Where GnuTLS keeps what its accessors tell: they hand out pointers into the session, in a
 * gnutls_datum_t {data, size} that the caller gives them.
 */
#include <string.h>

#include "gnutls_internal.h"

#define OFFSET_MAX 65535 /* a session is 8 KiB */

#define SERVER	   1 /* gnutls_init's flags */
#define CLIENT	   2

struct evidence {
	struct tlspcap_path path; /* steps 0: none yet */
	bool conflict;
};

static void note(struct evidence *evidence, const int32_t *offsets, int steps)
{
	struct tlspcap_path path = {.steps = steps};

	for (int i = 0; i < steps; i++) {
		if (offsets[i] < 0 || offsets[i] > OFFSET_MAX)
			evidence->conflict = true;
		path.offset[i] = offsets[i];
	}
	if (evidence->path.steps && memcmp(&evidence->path, &path, sizeof(path)) != 0)
		evidence->conflict = true;
	evidence->path = path;
}

static bool is_datum(const struct code_instruction *i)
{
	return i->where.kind == CODE_ARGUMENT && i->where.index == 1 && i->where.number == 0 &&
	       i->where.width == 8;
}

static void look_datum(void *ctx, const struct code_instruction *i, const struct code_state *before)
{
	(void)before;
	if (is_datum(i) && i->stored.kind == CODE_PATH && i->stored.index == 0 &&
	    i->stored.width == 8)
		note(ctx, i->stored.offset, 1);
}

static void look_packet(void *ctx, const struct code_instruction *i,
			const struct code_state *before)
{
	int32_t sum[2];

	(void)before;
	if (!is_datum(i) || i->stored.kind != CODE_SUM)
		return;
	/* Compilers add them in either order. */
	sum[0] = i->stored.offset[i->stored.offset[0] > i->stored.offset[1]];
	sum[1] = i->stored.offset[i->stored.offset[0] <= i->stored.offset[1]];
	note(ctx, sum, 2);
}

static void look_entity(void *ctx, const struct code_instruction *i,
			const struct code_state *before)
{
	const struct code_value *value = &i->compared;

	(void)before;
	if (value->kind == CODE_PATH && value->index == 1 && value->offset[1] == 0 &&
	    value->width == sizeof(int) && i->with.kind == CODE_CONSTANT &&
	    (i->with.number == SERVER || i->with.number == CLIENT))
		note(ctx, value->offset, 1);
}

static bool decode(struct code *code, const struct elf_function *function, code_look_fn look,
		   struct tlspcap_path *path)
{
	struct evidence evidence = {0};

	if (!function->found ||
	    code_explore(code, function->address, function->size, look, &evidence) != 0)
		return false;
	if (evidence.conflict || !evidence.path.steps)
		return false;
	*path = evidence.path;
	return true;
}

bool gnutls_find_datum(struct code *code, const struct elf_function *function,
		       struct tlspcap_path *path)
{
	/* A session begins with what it is, never with a secret. */
	return decode(code, function, look_datum, path) && path->offset[0] != 0;
}

bool gnutls_find_entity(struct code *code, const struct elf_function *function,
			struct tlspcap_path *path)
{
	return decode(code, function, look_entity, path);
}

bool gnutls_find_packet(struct code *code, const struct elf_function *function,
			struct tlspcap_path *path)
{
	return decode(code, function, look_packet, path);
}
