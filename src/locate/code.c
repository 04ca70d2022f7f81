/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the trackers of values have in common, whatever the machine: the disassembler, the
 * values themselves, and the stack frame. x86.c and arm64.c know what the instructions do.
 */
#include <capstone/capstone.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "code_internal.h"

/* Instructions decoded for one file, whatever it holds. The usual file needs a few hundred. */
#define STEPS_MAX 60000

static const struct code_machine machines[] = {
	{EM_X86_64, CS_ARCH_X86, CS_MODE_64, X86_RAX, x86_describe, x86_apply},
	{EM_AARCH64, CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, 0, arm64_describe, arm64_apply},
};

const struct code_value code_unknown;

bool code_is_known(const struct elf_file *elf)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (machines[i].elf_machine == elf->machine)
			return true;
	}
	return false;
}

static int open_disassembler(struct code *code)
{
	const struct code_machine *machine = code->machine;

	if (cs_open((cs_arch)machine->arch, (cs_mode)machine->mode, &code->handle) != CS_ERR_OK)
		return -ENOMEM;
	if (cs_option(code->handle, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK) {
		code->insn = cs_malloc(code->handle);
		if (code->insn)
			return 0;
	}
	cs_close(&code->handle);
	return -ENOMEM;
}

int code_open(const struct elf_file *elf, struct code **code)
{
	struct code *new;
	int err = -ENOTSUP;

	if (!code_is_known(elf))
		return err;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->elf = elf;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (machines[i].elf_machine == elf->machine)
			new->machine = &machines[i];
	}
	err = open_disassembler(new);
	if (err)
		free(new);
	else
		*code = new;
	return err;
}

void code_close(struct code *code)
{
	cs_free(code->insn, 1);
	cs_close(&code->handle);
	free(code);
}

void code_state_clear(struct code_state *state)
{
	memset(state, 0, sizeof(*state));
	state->registers[CODE_SP] = (struct code_value){.kind = CODE_STACK, .width = 8};
}

void code_state_entry(struct code_state *state)
{
	code_state_clear(state);
	state->registers[0] = (struct code_value){.kind = CODE_PATH, .width = 8};
	for (unsigned i = 1; i < CODE_ARGUMENTS; i++)
		state->registers[i] =
			(struct code_value){.kind = CODE_ARGUMENT, .width = 8, .index = (uint8_t)i};
}

const struct code_value *code_result(const struct code *code, const struct code_state *state)
{
	return &state->registers[code->machine->result];
}

/* --- values -------------------------------------------------------------------------- */

/* The value's low `size` bytes. */
struct code_value code_narrow(struct code_value value, unsigned size)
{
	if (size == 0 || size > 32)
		return code_unknown;
	if (size < value.width) {
		if (value.kind == CODE_CONSTANT && size == 4)
			value.number = (uint32_t)value.number;
		else if (value.kind != CODE_PATH)
			return code_unknown;
		value.width = (uint8_t)size;
	}
	return value;
}

struct code_value code_add(struct code_value value, int64_t number)
{
	int64_t sum;

	if (value.kind == CODE_UNKNOWN || (value.kind == CODE_SUM && number))
		return code_unknown;
	if (value.kind == CODE_PATH) {
		if (value.width != 8 ||
		    __builtin_add_overflow(value.offset[value.index], number, &sum) ||
		    sum != (int32_t)sum)
			return code_unknown;
		value.offset[value.index] = (int32_t)sum;
		return value;
	}
	if (__builtin_add_overflow(value.number, number, &sum))
		return code_unknown;
	value.number = sum;
	return value;
}

struct code_value code_get(const struct code_state *state, unsigned index, unsigned size)
{
	return code_narrow(state->registers[index], size);
}

void code_set(struct code_state *state, unsigned index, unsigned size, struct code_value value)
{
	if (value.kind == CODE_CONSTANT && size == 4) {
		value.number = (uint32_t)value.number; /* the upper half becomes zero */
		value.width = 8;
	} else if (value.kind == CODE_CONSTANT && size != 8) {
		value = code_unknown;
	} else {
		value = code_narrow(value, size);
	}
	state->registers[index] = value;
}

static struct code_slot *slot_at(struct code_state *state, int64_t at)
{
	for (size_t i = 0; i < CODE_SLOTS; i++) {
		if (state->slots[i].value.kind != CODE_UNKNOWN && state->slots[i].at == at)
			return &state->slots[i];
	}
	return NULL;
}

/* Forgets what a store of `size` bytes at `at` overwrites. */
static void spoil_slots(struct code_state *state, int64_t at, unsigned size)
{
	for (size_t i = 0; i < CODE_SLOTS; i++) {
		int64_t distance;

		if (__builtin_sub_overflow(state->slots[i].at, at, &distance) ||
		    (distance < (int64_t)size && distance > -(int64_t)state->slots[i].value.width))
			state->slots[i].value = code_unknown;
	}
}

void code_store(struct code_state *state, struct code_value where, struct code_value value,
		unsigned size)
{
	struct code_slot *slot = NULL;

	if (where.kind != CODE_STACK)
		return; /* the caller's memory is not our stack frame */
	spoil_slots(state, where.number, size);
	if (size != 4 && size != 8)
		return;
	value = code_narrow(value, size);
	if (value.kind == CODE_UNKNOWN)
		return;
	for (size_t i = 0; i < CODE_SLOTS && !slot; i++) {
		if (state->slots[i].value.kind == CODE_UNKNOWN)
			slot = &state->slots[i];
	}
	if (!slot) {
		slot = &state->slots[state->next_slot];
		state->next_slot = (state->next_slot + 1) % CODE_SLOTS;
	}
	slot->at = where.number;
	slot->value = value;
}

struct code_value code_load(struct code_state *state, struct code_value where, unsigned size)
{
	const struct code_slot *slot;

	if (where.kind == CODE_STACK) {
		slot = slot_at(state, where.number);
		return slot ? code_narrow(slot->value, size) : code_unknown;
	}
	if (where.kind != CODE_PATH || where.width != 8 || where.index == CODE_LOADS_MAX ||
	    size == 0 || size > 32)
		return code_unknown;
	where.index++;
	where.offset[where.index] = 0;
	where.width = (uint8_t)size;
	return where;
}

/* What is loaded from the object itself. */
static bool is_word(const struct code_value *value)
{
	return value->kind == CODE_PATH && value->index == 1 && value->width == 8 &&
	       value->offset[1] == 0;
}

struct code_value code_sum(struct code_value a, struct code_value b)
{
	if (is_word(&a) && is_word(&b))
		return (struct code_value){
			.kind = CODE_SUM, .width = 8, .offset = {a.offset[0], b.offset[0]}};
	if (b.kind == CODE_CONSTANT)
		return code_add(a, b.number);
	if (a.kind == CODE_CONSTANT)
		return code_add(b, a.number);
	return code_unknown;
}

/* The type is the first int of an SSL object since OpenSSL 3.2, and 0 means plain TLS. */
bool code_is_object_type(const struct code_value *value)
{
	return value->kind == CODE_PATH && value->index == 1 && value->offset[0] == 0 &&
	       value->offset[1] == 0 && value->width == 4;
}

bool code_step(struct code *code, uint64_t address, struct code_state *state,
	       struct code_instruction *instruction)
{
	uint64_t rest, at = address;
	const uint8_t *bytes;
	size_t size;

	if (code->steps >= STEPS_MAX)
		return false;
	bytes = elf_file_code(code->elf, address, &rest);
	if (!bytes)
		return false;
	code->steps++;
	size = rest < 16 ? (size_t)rest : 16;
	if (!cs_disasm_iter(code->handle, &bytes, &size, &at, code->insn))
		return false;
	code->machine->describe(code, code->insn, instruction);
	code->machine->apply(code, state, code->insn, instruction);
	return true;
}

bool code_exhausted(const struct code *code)
{
	return code->steps >= STEPS_MAX;
}
