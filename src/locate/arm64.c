/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Follows values through AArch64 code, as x86.c does: addresses are put together of a page
 * (adrp) and a place in it (add), and calls leave x19 and up as they were. What is not
 * modelled makes its destination unknown.
 */
#include <capstone/capstone.h>
#include <limits.h>
#include <string.h>

#include "code_internal.h"

#define NONE	     UINT_MAX
#define CALLER_SAVED 18 /* x0 … x18 */
#define LINK	     30

struct place {
	unsigned index; /* in code_state.registers; NONE: not tracked */
	unsigned size;	/* bytes */
};

static struct place place_of(arm64_reg reg)
{
	static const struct {
		arm64_reg first, last;
		unsigned index, size;
	} runs[] = {
		{ARM64_REG_X0, ARM64_REG_X28, 0, 8},
		{ARM64_REG_W0, ARM64_REG_W30, 0, 4},
		{ARM64_REG_Q0, ARM64_REG_Q31, CODE_VECTORS, 16},
		{ARM64_REG_D0, ARM64_REG_D31, CODE_VECTORS, 8},
		{ARM64_REG_S0, ARM64_REG_S31, CODE_VECTORS, 4},
		{ARM64_REG_H0, ARM64_REG_H31, CODE_VECTORS, 2},
		{ARM64_REG_B0, ARM64_REG_B31, CODE_VECTORS, 1},
		{ARM64_REG_V0, ARM64_REG_V31, CODE_VECTORS, 16},
	};

	if (reg == ARM64_REG_X29)
		return (struct place){29, 8};
	if (reg == ARM64_REG_X30)
		return (struct place){LINK, 8};
	if (reg == ARM64_REG_SP)
		return (struct place){CODE_SP, 8};
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		if (reg >= runs[i].first && reg <= runs[i].last)
			return (struct place){runs[i].index + (reg - runs[i].first), runs[i].size};
	}
	return (struct place){NONE, 0};
}

static struct code_value constant(int64_t number)
{
	return (struct code_value){.kind = CODE_CONSTANT, .width = 8, .number = number};
}

static struct code_value register_value(const struct code_state *state, arm64_reg reg)
{
	struct place place = place_of(reg);

	if (reg == ARM64_REG_XZR || reg == ARM64_REG_WZR)
		return constant(0);
	return place.index == NONE ? code_unknown : code_get(state, place.index, place.size);
}

static void set_register(struct code_state *state, arm64_reg reg, struct code_value value)
{
	struct place place = place_of(reg);

	if (place.index != NONE)
		code_set(state, place.index, place.size, value);
}

/* A register or a constant, shifted by a constant or not at all. */
static struct code_value operand_value(const struct code_state *state, const cs_arm64_op *operand)
{
	struct code_value value = code_unknown;

	if (operand->ext != ARM64_EXT_INVALID && operand->type != ARM64_OP_IMM)
		return code_unknown;
	if (operand->type == ARM64_OP_IMM)
		value = constant(operand->imm);
	else if (operand->type == ARM64_OP_REG)
		value = register_value(state, operand->reg);
	if (operand->shift.type == ARM64_SFT_INVALID || !operand->shift.value)
		return value;
	if (operand->shift.type != ARM64_SFT_LSL || value.kind != CODE_CONSTANT ||
	    operand->shift.value > 48)
		return code_unknown;
	return constant((int64_t)((uint64_t)value.number << operand->shift.value));
}

/* As an index, a loop that begins at 0 tells where what it reads begins. */
static struct code_value memory_address(const struct code_state *state, const cs_arm64_op *operand)
{
	struct code_value base =
		code_add(register_value(state, operand->mem.base), operand->mem.disp);
	struct code_value index = constant(0);

	if (operand->mem.index != ARM64_REG_INVALID)
		index = register_value(state, operand->mem.index);
	if (index.kind != CODE_CONSTANT || (index.number && operand->shift.value))
		return code_unknown;
	return code_sum(base, index);
}

/* --- instructions -------------------------------------------------------------------- */

enum shape {
	SHAPE_LOAD = 1,
	SHAPE_STORE,
};

/* Loads and stores. Size 0: as large as the register. */
static const struct {
	unsigned id;
	enum shape shape;
	unsigned size;
} accesses[] = {
	{ARM64_INS_LDR, SHAPE_LOAD, 0},	   {ARM64_INS_LDUR, SHAPE_LOAD, 0},
	{ARM64_INS_LDP, SHAPE_LOAD, 0},	   {ARM64_INS_LDRB, SHAPE_LOAD, 1},
	{ARM64_INS_LDURB, SHAPE_LOAD, 1},  {ARM64_INS_LDRSB, SHAPE_LOAD, 1},
	{ARM64_INS_LDRH, SHAPE_LOAD, 2},   {ARM64_INS_LDRSW, SHAPE_LOAD, 4},
	{ARM64_INS_LDURSW, SHAPE_LOAD, 4}, {ARM64_INS_STR, SHAPE_STORE, 0},
	{ARM64_INS_STUR, SHAPE_STORE, 0},  {ARM64_INS_STP, SHAPE_STORE, 0},
	{ARM64_INS_STRB, SHAPE_STORE, 1},  {ARM64_INS_STURB, SHAPE_STORE, 1},
	{ARM64_INS_STRH, SHAPE_STORE, 2},
};

static unsigned size_of(unsigned size, arm64_reg reg)
{
	if (size)
		return size;
	if (reg == ARM64_REG_XZR)
		return 8;
	return reg == ARM64_REG_WZR ? 4 : place_of(reg).size;
}

/* One register of an ldr or ldp, str or stp. The size that was moved. */
static unsigned move(struct code_state *state, enum shape shape, struct code_value address,
		     arm64_reg reg, unsigned fixed, struct code_instruction *instruction)
{
	unsigned size = size_of(fixed, reg);

	if (shape == SHAPE_LOAD) {
		if (instruction->read.kind == CODE_UNKNOWN) {
			instruction->read = address;
			instruction->read_size = (uint8_t)size;
		}
		set_register(state, reg, code_load(state, address, size));
		return size;
	}
	if (instruction->where.kind == CODE_UNKNOWN) {
		instruction->stored = register_value(state, reg);
		instruction->where = address;
	}
	code_store(state, address, register_value(state, reg), size);
	return size;
}

/* False: not a load or store that is modelled. */
static bool apply_access(struct code_state *state, const cs_insn *insn,
			 struct code_instruction *instruction)
{
	const cs_arm64 *a = &insn->detail->arm64;
	struct code_value address;
	unsigned memory = 1, size;
	size_t i = 0;

	while (i < sizeof(accesses) / sizeof(accesses[0]) && accesses[i].id != insn->id)
		i++;
	if (i == sizeof(accesses) / sizeof(accesses[0]))
		return false;
	if (insn->id == ARM64_INS_LDP || insn->id == ARM64_INS_STP)
		memory = 2;
	if (a->op_count <= memory || a->operands[memory].type != ARM64_OP_MEM)
		return false;
	address = memory_address(state, &a->operands[memory]);
	size = move(state, accesses[i].shape, address, a->operands[0].reg, accesses[i].size,
		    instruction);
	if (memory == 2)
		move(state, accesses[i].shape, code_add(address, size), a->operands[1].reg,
		     accesses[i].size, instruction);
	if (!a->writeback)
		return true;
	/* Before: the address that was used. After: the constant that follows is added. */
	if (a->op_count > memory + 1)
		address = code_sum(address, operand_value(state, &a->operands[memory + 1]));
	set_register(state, a->operands[memory].mem.base, address);
	return true;
}

/* movk: 16 bits of a constant are put in, at the place that the shift says. */
static struct code_value with_part(const struct code_state *state, const cs_arm64 *a)
{
	struct code_value value = register_value(state, a->operands[0].reg);
	unsigned shift =
		a->operands[1].shift.type == ARM64_SFT_LSL ? a->operands[1].shift.value : 0;
	uint64_t part = (uint64_t)0xffff;

	if (value.kind != CODE_CONSTANT || a->operands[1].type != ARM64_OP_IMM || shift > 48)
		return code_unknown;
	value.number = (int64_t)(((uint64_t)value.number & ~(part << shift)) |
				 ((uint64_t)a->operands[1].imm & part) << shift);
	return value;
}

/* adrp, adr, mov, movk, add and sub: the value of the first operand. */
static bool arithmetic_value(const struct code_state *state, const cs_insn *insn,
			     struct code_value *value)
{
	const cs_arm64 *a = &insn->detail->arm64;
	struct code_value last;

	if (a->op_count < 2 || a->operands[0].type != ARM64_OP_REG)
		return false;
	last = operand_value(state, &a->operands[a->op_count - 1]);
	switch (insn->id) {
	case ARM64_INS_ADRP:
	case ARM64_INS_ADR:
	case ARM64_INS_MOV:
	case ARM64_INS_MOVZ:
		*value = last;
		return a->op_count == 2;
	case ARM64_INS_MOVK:
		*value = with_part(state, a);
		return a->op_count == 2;
	case ARM64_INS_ADD:
		*value = code_sum(operand_value(state, &a->operands[1]), last);
		return a->op_count == 3;
	case ARM64_INS_SUB:
		*value = last.kind == CODE_CONSTANT && last.number != INT64_MIN
				 ? code_add(operand_value(state, &a->operands[1]), -last.number)
				 : code_unknown;
		return a->op_count == 3;
	default:
		return false;
	}
}

/* Everything that the instruction writes becomes unknown. */
static void spoil(struct code *code, struct code_state *state, const cs_insn *insn)
{
	const cs_arm64 *a = &insn->detail->arm64;
	cs_regs read, written;
	uint8_t n_read, n_written;

	if (cs_regs_access(code->handle, insn, read, &n_read, written, &n_written) != CS_ERR_OK) {
		code_state_clear(state);
		state->registers[CODE_SP] = code_unknown;
		return;
	}
	for (uint8_t i = 0; i < a->op_count; i++) {
		const cs_arm64_op *operand = &a->operands[i];

		if (operand->type == ARM64_OP_MEM)
			code_store(state, memory_address(state, operand), code_unknown, 64);
		else if (operand->type == ARM64_OP_REG && operand->access != CS_AC_READ)
			set_register(state, operand->reg, code_unknown);
	}
	for (uint8_t i = 0; i < n_written; i++)
		set_register(state, (arm64_reg)written[i], code_unknown);
}

static void apply_call(struct code_state *state)
{
	for (unsigned i = 0; i <= CALLER_SAVED; i++)
		state->registers[i] = code_unknown;
	state->registers[LINK] = code_unknown;
	for (unsigned i = CODE_VECTORS; i < CODE_REGISTERS; i++)
		state->registers[i] = code_unknown;
	state->zero_is_plain_tls = false;
}

static bool is_zero_branch(const cs_insn *insn)
{
	return insn->id == ARM64_INS_CBZ || insn->id == ARM64_INS_CBNZ;
}

void arm64_apply(struct code *code, struct code_state *state, const cs_insn *insn,
		 struct code_instruction *instruction)
{
	const cs_arm64 *a = &insn->detail->arm64;
	struct code_value value, with;

	if (instruction->flow == CODE_CALL) {
		apply_call(state);
		return;
	}
	if (instruction->flow == CODE_BRANCH) {
		if (is_zero_branch(insn)) {
			value = operand_value(state, &a->operands[0]);
			state->zero_is_plain_tls = code_is_object_type(&value);
		}
		return;
	}
	if (insn->id == ARM64_INS_CMP && a->op_count == 2) {
		value = operand_value(state, &a->operands[0]);
		with = operand_value(state, &a->operands[1]);
		if (with.kind == CODE_CONSTANT) {
			instruction->compared = value;
			instruction->with = with;
		}
		state->zero_is_plain_tls = code_is_object_type(&value) &&
					   with.kind == CODE_CONSTANT && with.number == 0;
		return;
	}
	if (a->update_flags)
		state->zero_is_plain_tls = false;
	if (apply_access(state, insn, instruction))
		return;
	if (arithmetic_value(state, insn, &value)) {
		set_register(state, a->operands[0].reg, value);
		return;
	}
	spoil(code, state, insn);
}

static enum code_flow flow_of(const cs_insn *insn)
{
	const cs_arm64 *a = &insn->detail->arm64;

	switch (insn->id) {
	case ARM64_INS_BL:
	case ARM64_INS_BLR:
		return CODE_CALL;
	case ARM64_INS_RET:
		return CODE_RETURN;
	case ARM64_INS_BR:
		return CODE_JUMP;
	case ARM64_INS_B:
		return a->cc == ARM64_CC_INVALID || a->cc == ARM64_CC_AL ? CODE_JUMP : CODE_BRANCH;
	case ARM64_INS_CBZ:
	case ARM64_INS_CBNZ:
	case ARM64_INS_TBZ:
	case ARM64_INS_TBNZ:
		return CODE_BRANCH;
	case ARM64_INS_BRK:
	case ARM64_INS_HLT:
		return CODE_END;
	default:
		return CODE_NEXT;
	}
}

void arm64_describe(const struct code *code, const cs_insn *insn, struct code_instruction *to)
{
	const cs_arm64 *a = &insn->detail->arm64;

	(void)code;
	memset(to, 0, sizeof(*to));
	to->address = insn->address;
	to->next = insn->address + insn->size;
	to->flow = flow_of(insn);
	to->on_zero =
		insn->id == ARM64_INS_CBZ || (insn->id == ARM64_INS_B && a->cc == ARM64_CC_EQ);
	to->on_not_zero =
		insn->id == ARM64_INS_CBNZ || (insn->id == ARM64_INS_B && a->cc == ARM64_CC_NE);
	if (to->flow != CODE_BRANCH && to->flow != CODE_JUMP && to->flow != CODE_CALL)
		return;
	/* The target comes last: tbz has a register and a bit before it. */
	if (a->op_count && a->operands[a->op_count - 1].type == ARM64_OP_IMM)
		to->target = (uint64_t)a->operands[a->op_count - 1].imm;
}
