/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Follows values through x86-64 code: which register or stack slot holds the object, a field
 * of it, an argument or a constant. What is not modelled makes its destination unknown, so
 * that a wrong answer needs code that lies, not code that is merely new.
 */
#include <capstone/capstone.h>
#include <string.h>

#include "code_internal.h"

struct operand_register {
	uint8_t index; /* enum x86_register + 1; 0: not tracked */
	uint8_t size;
};

#define GENERAL(reg64, reg32, reg16, reg8, index)                                                  \
	[X86_REG_##reg64] = {(index) + 1, 8}, [X86_REG_##reg32] = {(index) + 1, 4},                \
	[X86_REG_##reg16] = {(index) + 1, 2}, [X86_REG_##reg8] = {(index) + 1, 1}
#define NUMBERED(n)                                                                                \
	[X86_REG_R##n] = {X86_R##n + 1, 8}, [X86_REG_R##n##D] = {X86_R##n + 1, 4},                 \
	[X86_REG_R##n##W] = {X86_R##n + 1, 2}, [X86_REG_R##n##B] = {X86_R##n + 1, 1}
#define VECTOR(n)                                                                                  \
	[X86_REG_XMM##n] = {X86_XMM0 + (n) + 1, 16}, [X86_REG_YMM##n] = {X86_XMM0 + (n) + 1, 32},  \
	[X86_REG_ZMM##n] = {X86_XMM0 + (n) + 1, 64}

/* AH and its like have size 0: writing them spoils the register, reading them tells nothing. */
static const struct operand_register operand_registers[X86_REG_ENDING] = {
	GENERAL(RAX, EAX, AX, AL, X86_RAX),
	GENERAL(RCX, ECX, CX, CL, X86_RCX),
	GENERAL(RDX, EDX, DX, DL, X86_RDX),
	GENERAL(RBX, EBX, BX, BL, X86_RBX),
	GENERAL(RSP, ESP, SP, SPL, X86_RSP),
	GENERAL(RBP, EBP, BP, BPL, X86_RBP),
	GENERAL(RSI, ESI, SI, SIL, X86_RSI),
	GENERAL(RDI, EDI, DI, DIL, X86_RDI),
	NUMBERED(8),
	NUMBERED(9),
	NUMBERED(10),
	NUMBERED(11),
	NUMBERED(12),
	NUMBERED(13),
	NUMBERED(14),
	NUMBERED(15),
	VECTOR(0),
	VECTOR(1),
	VECTOR(2),
	VECTOR(3),
	VECTOR(4),
	VECTOR(5),
	VECTOR(6),
	VECTOR(7),
	VECTOR(8),
	VECTOR(9),
	VECTOR(10),
	VECTOR(11),
	VECTOR(12),
	VECTOR(13),
	VECTOR(14),
	VECTOR(15),
	[X86_REG_AH] = {X86_RAX + 1, 0},
	[X86_REG_BH] = {X86_RBX + 1, 0},
	[X86_REG_CH] = {X86_RCX + 1, 0},
	[X86_REG_DH] = {X86_RDX + 1, 0},
};

static struct code_value register_value(const struct code_state *state, x86_reg reg)
{
	const struct operand_register *r;

	if (reg >= X86_REG_ENDING)
		return code_unknown;
	r = &operand_registers[reg];
	return r->index ? code_get(state, r->index - 1u, r->size) : code_unknown;
}

static void set_register(struct code_state *state, x86_reg reg, struct code_value value)
{
	const struct operand_register *r;

	if (reg >= X86_REG_ENDING || !operand_registers[reg].index)
		return;
	r = &operand_registers[reg];
	code_set(state, r->index - 1u, r->size, value);
}

/* --- operands ------------------------------------------------------------------------ */

static struct code_value memory_address(const struct code_state *state, const cs_insn *insn,
					const x86_op_mem *memory)
{
	struct code_value index = {.kind = CODE_CONSTANT, .width = 8};

	if (memory->segment != X86_REG_INVALID)
		return code_unknown;
	/* A loop that begins at 0 tells where what it reads begins. */
	if (memory->index != X86_REG_INVALID)
		index = register_value(state, memory->index);
	if (index.kind != CODE_CONSTANT || index.number < 0 || index.number > INT16_MAX)
		return code_unknown;
	if (memory->base == X86_REG_RIP)
		return (struct code_value){
			.kind = CODE_CONSTANT,
			.width = 8,
			.number = (int64_t)(insn->address + insn->size + (uint64_t)memory->disp)};
	if (memory->base == X86_REG_INVALID)
		return (struct code_value){
			.kind = CODE_CONSTANT, .width = 8, .number = memory->disp};
	return code_add(code_add(register_value(state, memory->base), memory->disp),
			index.number * memory->scale);
}

static struct code_value operand_value(struct code_state *state, const cs_insn *insn,
				       const cs_x86_op *operand)
{
	if (operand->type == X86_OP_REG)
		return register_value(state, operand->reg);
	if (operand->type == X86_OP_IMM)
		return (struct code_value){
			.kind = CODE_CONSTANT, .width = 8, .number = operand->imm};
	if (operand->type == X86_OP_MEM)
		return code_load(state, memory_address(state, insn, &operand->mem), operand->size);
	return code_unknown;
}

static void set_operand(struct code_state *state, const cs_insn *insn, const cs_x86_op *operand,
			struct code_value value, struct code_instruction *instruction)
{
	if (operand->type == X86_OP_REG) {
		set_register(state, operand->reg, value);
		return;
	}
	if (operand->type != X86_OP_MEM)
		return;
	instruction->stored = value;
	instruction->where = memory_address(state, insn, &operand->mem);
	code_store(state, instruction->where, value, operand->size);
}

/* --- instructions -------------------------------------------------------------------- */

static bool is_move(unsigned id)
{
	switch (id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVQ:
	case X86_INS_MOVD:
	case X86_INS_MOVUPS:
	case X86_INS_MOVUPD:
	case X86_INS_MOVAPS:
	case X86_INS_MOVAPD:
	case X86_INS_MOVDQU:
	case X86_INS_MOVDQA:
	case X86_INS_LDDQU:
	case X86_INS_VMOVQ:
	case X86_INS_VMOVD:
	case X86_INS_VMOVUPS:
	case X86_INS_VMOVUPD:
	case X86_INS_VMOVAPS:
	case X86_INS_VMOVAPD:
	case X86_INS_VMOVDQU:
	case X86_INS_VMOVDQA:
		return true;
	default:
		return false;
	}
}

/* Of a sign- or zero-extending load only the loaded bytes are known to be the field. */
static bool is_extension(unsigned id)
{
	return id == X86_INS_MOVZX || id == X86_INS_MOVSX || id == X86_INS_MOVSXD;
}

static bool compares_type(struct code_state *state, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	struct code_value a, b;

	if ((insn->id != X86_INS_TEST && insn->id != X86_INS_CMP) || x->op_count != 2)
		return false;
	a = operand_value(state, insn, &x->operands[0]);
	if (!code_is_object_type(&a))
		return false;
	if (insn->id == X86_INS_TEST)
		return x->operands[0].type == X86_OP_REG && x->operands[1].type == X86_OP_REG &&
		       x->operands[0].reg == x->operands[1].reg;
	b = operand_value(state, insn, &x->operands[1]);
	return b.kind == CODE_CONSTANT && b.number == 0;
}

/*
 * Everything that the instruction writes becomes unknown. An operand whose use the
 * disassembler does not know counts as written.
 */
static void spoil(struct code *code, struct code_state *state, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	cs_regs read, written;
	uint8_t n_read, n_written;

	if (cs_regs_access(code->handle, insn, read, &n_read, written, &n_written) != CS_ERR_OK) {
		code_state_clear(state);
		state->registers[X86_RSP] = code_unknown;
		return;
	}
	for (uint8_t i = 0; i < x->op_count; i++) {
		const cs_x86_op *operand = &x->operands[i];

		if (operand->access == CS_AC_READ)
			continue;
		if (operand->type == X86_OP_MEM)
			code_store(state, memory_address(state, insn, &operand->mem), code_unknown,
				   operand->size);
		else if (operand->type == X86_OP_REG)
			set_register(state, operand->reg, code_unknown);
	}
	for (uint8_t i = 0; i < n_written; i++)
		set_register(state, (x86_reg)written[i], code_unknown);
}

static void apply_push(struct code_state *state, const cs_insn *insn)
{
	const cs_x86_op *operand = &insn->detail->x86.operands[0];
	struct code_value value = operand_value(state, insn, operand);
	struct code_value *sp = &state->registers[X86_RSP];

	*sp = code_add(*sp, -8);
	code_store(state, *sp, operand->size == 8 ? value : code_unknown, 8);
}

static void apply_pop(struct code_state *state, const cs_insn *insn)
{
	const cs_x86_op *operand = &insn->detail->x86.operands[0];
	struct code_value value = code_load(state, state->registers[X86_RSP], 8);
	struct code_instruction ignored;

	state->registers[X86_RSP] = code_add(state->registers[X86_RSP], 8);
	set_operand(state, insn, operand, value, &ignored);
}

/* What a call leaves: the registers that the callee must preserve, and our stack frame. */
static void apply_call(struct code_state *state)
{
	static const uint8_t lost[] = {X86_RAX, X86_RCX, X86_RDX, X86_RSI, X86_RDI,
				       X86_R8,	X86_R9,	 X86_R10, X86_R11};

	for (size_t i = 0; i < sizeof(lost); i++)
		state->registers[lost[i]] = code_unknown;
	for (size_t i = X86_XMM0; i < X86_XMM0 + 16; i++)
		state->registers[i] = code_unknown;
	state->zero_is_plain_tls = false;
}

/* add and sub of 64 bits, xor of a register with itself: the register's new value. */
static bool arithmetic_value(struct code_state *state, const cs_insn *insn,
			     struct code_value *value)
{
	const cs_x86_op *to = &insn->detail->x86.operands[0];
	const cs_x86_op *from = &insn->detail->x86.operands[1];

	if (insn->detail->x86.op_count != 2 || to->type != X86_OP_REG)
		return false;
	if (insn->id == X86_INS_XOR && from->type == X86_OP_REG && to->reg == from->reg) {
		*value = (struct code_value){.kind = CODE_CONSTANT, .width = 8};
		return true;
	}
	if (to->size != 8)
		return false;
	if (insn->id == X86_INS_ADD) {
		*value = code_sum(register_value(state, to->reg), operand_value(state, insn, from));
		return true;
	}
	if (insn->id == X86_INS_SUB && from->type == X86_OP_IMM && from->imm != INT64_MIN) {
		*value = code_add(register_value(state, to->reg), -from->imm);
		return true;
	}
	return false;
}

void x86_apply(struct code *code, struct code_state *state, const cs_insn *insn,
	       struct code_instruction *instruction)
{
	const cs_x86 *x = &insn->detail->x86;
	struct code_value value;
	bool type;

	if (instruction->flow == CODE_CALL) {
		apply_call(state);
		return;
	}
	if ((is_move(insn->id) || is_extension(insn->id)) && x->op_count == 2 &&
	    x->operands[1].type == X86_OP_MEM) {
		instruction->read = memory_address(state, insn, &x->operands[1].mem);
		instruction->read_size = x->operands[1].size;
	}
	if (is_move(insn->id) && x->op_count == 2) {
		set_operand(state, insn, &x->operands[0],
			    operand_value(state, insn, &x->operands[1]), instruction);
		return;
	}
	if (is_extension(insn->id) && x->op_count == 2 && x->operands[1].type == X86_OP_MEM) {
		set_operand(state, insn, &x->operands[0],
			    operand_value(state, insn, &x->operands[1]), instruction);
		return;
	}
	if (insn->id == X86_INS_LEA && x->op_count == 2) {
		set_operand(state, insn, &x->operands[0],
			    memory_address(state, insn, &x->operands[1].mem), instruction);
		return;
	}
	if (insn->id == X86_INS_PUSH && x->op_count == 1) {
		apply_push(state, insn);
		return;
	}
	if (insn->id == X86_INS_POP && x->op_count == 1) {
		apply_pop(state, insn);
		return;
	}
	if (arithmetic_value(state, insn, &value)) {
		spoil(code, state, insn);
		set_register(state, x->operands[0].reg, value);
		state->zero_is_plain_tls = false;
		return;
	}
	if (insn->id == X86_INS_CMP && x->op_count == 2 && x->operands[1].type == X86_OP_IMM) {
		instruction->compared = operand_value(state, insn, &x->operands[0]);
		instruction->with = operand_value(state, insn, &x->operands[1]);
	}
	type = compares_type(state, insn);
	spoil(code, state, insn);
	if (instruction->flow != CODE_BRANCH)
		state->zero_is_plain_tls = type;
}

static enum code_flow flow_of(const struct code *code, const cs_insn *insn)
{
	switch (insn->id) {
	case X86_INS_MOVSB:
	case X86_INS_MOVSW:
	case X86_INS_MOVSQ:
		return CODE_COPY;
	case X86_INS_MOVSD: /* also the name of a move between SSE registers */
		return insn->detail->x86.op_count == 2 &&
				       insn->detail->x86.operands[0].type == X86_OP_MEM &&
				       insn->detail->x86.operands[1].type == X86_OP_MEM
			       ? CODE_COPY
			       : CODE_NEXT;
	case X86_INS_INT3:
	case X86_INS_UD2:
	case X86_INS_HLT:
		return CODE_END;
	default:
		break;
	}
	if (cs_insn_group(code->handle, insn, CS_GRP_CALL))
		return CODE_CALL;
	if (cs_insn_group(code->handle, insn, CS_GRP_RET) ||
	    cs_insn_group(code->handle, insn, CS_GRP_IRET))
		return CODE_RETURN;
	if (cs_insn_group(code->handle, insn, CS_GRP_JUMP))
		return insn->id == X86_INS_JMP ? CODE_JUMP : CODE_BRANCH;
	return CODE_NEXT;
}

void x86_describe(const struct code *code, const cs_insn *insn, struct code_instruction *to)
{
	const cs_x86 *x = &insn->detail->x86;

	memset(to, 0, sizeof(*to));
	to->address = insn->address;
	to->next = insn->address + insn->size;
	to->flow = flow_of(code, insn);
	to->on_zero = insn->id == X86_INS_JE;
	to->on_not_zero = insn->id == X86_INS_JNE;
	if (to->flow != CODE_BRANCH && to->flow != CODE_JUMP && to->flow != CODE_CALL)
		return;
	if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM)
		to->target = (uint64_t)x->operands[0].imm;
}
