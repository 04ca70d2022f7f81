/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Follows values through x86-64 code: which register or stack slot holds the object, a field
 * of it, an argument or a constant. What is not modelled makes its destination unknown, so
 * that a wrong answer needs code that lies, not code that is merely new.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "locate_internal.h"

/* Instructions decoded for one file, whatever it holds. The usual file needs a few hundred. */
#define STEPS_MAX 60000

struct x86 {
	const struct elf_file *elf;
	csh handle;
	cs_insn *insn;
	size_t steps;
};

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

static const struct x86_value unknown;

int x86_open(const struct elf_file *elf, struct x86 **x86)
{
	struct x86 *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->elf = elf;
	if (cs_open(CS_ARCH_X86, CS_MODE_64, &new->handle) != CS_ERR_OK)
		goto out_free;
	if (cs_option(new->handle, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK)
		goto out_close;
	new->insn = cs_malloc(new->handle);
	if (!new->insn)
		goto out_close;
	*x86 = new;
	return 0;

out_close:
	cs_close(&new->handle);
out_free:
	free(new);
	return -ENOMEM;
}

void x86_close(struct x86 *x86)
{
	cs_free(x86->insn, 1);
	cs_close(&x86->handle);
	free(x86);
}

void x86_state_clear(struct x86_state *state)
{
	memset(state, 0, sizeof(*state));
	state->registers[X86_RSP] = (struct x86_value){.kind = X86_STACK, .width = 8};
}

void x86_state_entry(struct x86_state *state)
{
	static const uint8_t arguments[] = {X86_RSI, X86_RDX, X86_RCX, X86_R8, X86_R9};

	x86_state_clear(state);
	state->registers[X86_RDI] = (struct x86_value){.kind = X86_PATH, .width = 8};
	for (size_t i = 0; i < sizeof(arguments); i++)
		state->registers[arguments[i]] = (struct x86_value){
			.kind = X86_ARGUMENT, .width = 8, .index = (uint8_t)(i + 1)};
}

/* --- values -------------------------------------------------------------------------- */

/* The value's low `size` bytes. */
static struct x86_value narrow(struct x86_value value, unsigned size)
{
	if (size == 0 || size > 32)
		return unknown;
	if (size < value.width) {
		if (value.kind == X86_CONSTANT && size == 4)
			value.number = (uint32_t)value.number;
		else if (value.kind != X86_PATH)
			return unknown;
		value.width = (uint8_t)size;
	}
	return value;
}

static struct x86_value add(struct x86_value value, int64_t number)
{
	int64_t sum;

	if (value.kind == X86_UNKNOWN)
		return value;
	if (value.kind == X86_PATH) {
		if (value.width != 8 ||
		    __builtin_add_overflow(value.offset[value.index], number, &sum) ||
		    sum != (int32_t)sum)
			return unknown;
		value.offset[value.index] = (int32_t)sum;
		return value;
	}
	if (__builtin_add_overflow(value.number, number, &sum))
		return unknown;
	value.number = sum;
	return value;
}

static struct x86_value register_value(const struct x86_state *state, x86_reg reg)
{
	const struct operand_register *r;

	if (reg >= X86_REG_ENDING)
		return unknown;
	r = &operand_registers[reg];
	return r->index ? narrow(state->registers[r->index - 1], r->size) : unknown;
}

static void set_register(struct x86_state *state, x86_reg reg, struct x86_value value)
{
	const struct operand_register *r;

	if (reg >= X86_REG_ENDING || !operand_registers[reg].index)
		return;
	r = &operand_registers[reg];
	if (value.kind == X86_CONSTANT && r->size == 4) {
		value.number = (uint32_t)value.number; /* the upper half becomes zero */
		value.width = 8;
	} else if (value.kind == X86_CONSTANT && r->size != 8) {
		value = unknown;
	} else {
		value = narrow(value, r->size);
	}
	state->registers[r->index - 1] = value;
}

static struct x86_slot *slot_at(struct x86_state *state, int64_t at)
{
	for (size_t i = 0; i < X86_SLOTS; i++) {
		if (state->slots[i].value.kind != X86_UNKNOWN && state->slots[i].at == at)
			return &state->slots[i];
	}
	return NULL;
}

/* Forgets what a store of `size` bytes at `at` overwrites. */
static void spoil_slots(struct x86_state *state, int64_t at, unsigned size)
{
	for (size_t i = 0; i < X86_SLOTS; i++) {
		int64_t distance;

		if (__builtin_sub_overflow(state->slots[i].at, at, &distance) ||
		    (distance < (int64_t)size && distance > -(int64_t)state->slots[i].value.width))
			state->slots[i].value = unknown;
	}
}

static void store(struct x86_state *state, struct x86_value where, struct x86_value value,
		  unsigned size)
{
	struct x86_slot *slot = NULL;

	if (where.kind != X86_STACK)
		return; /* the caller's memory is not our stack frame */
	spoil_slots(state, where.number, size);
	if (size != 4 && size != 8)
		return;
	value = narrow(value, size);
	if (value.kind == X86_UNKNOWN)
		return;
	for (size_t i = 0; i < X86_SLOTS && !slot; i++) {
		if (state->slots[i].value.kind == X86_UNKNOWN)
			slot = &state->slots[i];
	}
	if (!slot) {
		slot = &state->slots[state->next_slot];
		state->next_slot = (state->next_slot + 1) % X86_SLOTS;
	}
	slot->at = where.number;
	slot->value = value;
}

static struct x86_value load(struct x86_state *state, struct x86_value where, unsigned size)
{
	const struct x86_slot *slot;

	if (where.kind == X86_STACK) {
		slot = slot_at(state, where.number);
		return slot ? narrow(slot->value, size) : unknown;
	}
	if (where.kind != X86_PATH || where.width != 8 || where.index == X86_LOADS_MAX ||
	    size == 0 || size > 32)
		return unknown;
	where.index++;
	where.offset[where.index] = 0;
	where.width = (uint8_t)size;
	return where;
}

/* --- operands ------------------------------------------------------------------------ */

static struct x86_value memory_address(const struct x86_state *state, const cs_insn *insn,
				       const x86_op_mem *memory)
{
	if (memory->segment != X86_REG_INVALID || memory->index != X86_REG_INVALID)
		return unknown;
	if (memory->base == X86_REG_RIP)
		return (struct x86_value){
			.kind = X86_CONSTANT,
			.width = 8,
			.number = (int64_t)(insn->address + insn->size + (uint64_t)memory->disp)};
	if (memory->base == X86_REG_INVALID)
		return (struct x86_value){.kind = X86_CONSTANT, .width = 8, .number = memory->disp};
	return add(register_value(state, memory->base), memory->disp);
}

static struct x86_value operand_value(struct x86_state *state, const cs_insn *insn,
				      const cs_x86_op *operand)
{
	if (operand->type == X86_OP_REG)
		return register_value(state, operand->reg);
	if (operand->type == X86_OP_IMM)
		return (struct x86_value){.kind = X86_CONSTANT, .width = 8, .number = operand->imm};
	if (operand->type == X86_OP_MEM)
		return load(state, memory_address(state, insn, &operand->mem), operand->size);
	return unknown;
}

static void set_operand(struct x86_state *state, const cs_insn *insn, const cs_x86_op *operand,
			struct x86_value value, struct x86_instruction *instruction)
{
	if (operand->type == X86_OP_REG) {
		set_register(state, operand->reg, value);
		return;
	}
	if (operand->type != X86_OP_MEM)
		return;
	instruction->stored = value;
	instruction->where = memory_address(state, insn, &operand->mem);
	store(state, instruction->where, value, operand->size);
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

/* The type is the first int of an SSL object since OpenSSL 3.2, and 0 means plain TLS. */
static bool is_object_type(const struct x86_value *value)
{
	return value->kind == X86_PATH && value->index == 1 && value->offset[0] == 0 &&
	       value->offset[1] == 0 && value->width == 4;
}

static bool compares_type(struct x86_state *state, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	struct x86_value a, b;

	if ((insn->id != X86_INS_TEST && insn->id != X86_INS_CMP) || x->op_count != 2)
		return false;
	a = operand_value(state, insn, &x->operands[0]);
	if (!is_object_type(&a))
		return false;
	if (insn->id == X86_INS_TEST)
		return x->operands[0].type == X86_OP_REG && x->operands[1].type == X86_OP_REG &&
		       x->operands[0].reg == x->operands[1].reg;
	b = operand_value(state, insn, &x->operands[1]);
	return b.kind == X86_CONSTANT && b.number == 0;
}

/*
 * Everything that the instruction writes becomes unknown. An operand whose use the
 * disassembler does not know counts as written.
 */
static void spoil(struct x86 *x86, struct x86_state *state, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	cs_regs read, written;
	uint8_t n_read, n_written;

	if (cs_regs_access(x86->handle, insn, read, &n_read, written, &n_written) != CS_ERR_OK) {
		x86_state_clear(state);
		state->registers[X86_RSP] = unknown;
		return;
	}
	for (uint8_t i = 0; i < x->op_count; i++) {
		const cs_x86_op *operand = &x->operands[i];

		if (operand->access == CS_AC_READ)
			continue;
		if (operand->type == X86_OP_MEM)
			store(state, memory_address(state, insn, &operand->mem), unknown,
			      operand->size);
		else if (operand->type == X86_OP_REG)
			set_register(state, operand->reg, unknown);
	}
	for (uint8_t i = 0; i < n_written; i++)
		set_register(state, (x86_reg)written[i], unknown);
}

static void apply_push(struct x86_state *state, const cs_insn *insn)
{
	const cs_x86_op *operand = &insn->detail->x86.operands[0];
	struct x86_value value = operand_value(state, insn, operand);
	struct x86_value *sp = &state->registers[X86_RSP];

	*sp = add(*sp, -8);
	store(state, *sp, operand->size == 8 ? value : unknown, 8);
}

static void apply_pop(struct x86_state *state, const cs_insn *insn)
{
	const cs_x86_op *operand = &insn->detail->x86.operands[0];
	struct x86_value value = load(state, state->registers[X86_RSP], 8);
	struct x86_instruction ignored;

	state->registers[X86_RSP] = add(state->registers[X86_RSP], 8);
	set_operand(state, insn, operand, value, &ignored);
}

/* What a call leaves: the registers that the callee must preserve, and our stack frame. */
static void apply_call(struct x86_state *state)
{
	static const uint8_t lost[] = {X86_RAX, X86_RCX, X86_RDX, X86_RSI, X86_RDI,
				       X86_R8,	X86_R9,	 X86_R10, X86_R11};

	for (size_t i = 0; i < sizeof(lost); i++)
		state->registers[lost[i]] = unknown;
	for (size_t i = X86_XMM0; i < X86_REGISTERS; i++)
		state->registers[i] = unknown;
	state->zero_is_plain_tls = false;
}

/* The sum of an address and a constant, in whichever order the compiler adds them. */
static struct x86_value sum_of(struct x86_value a, struct x86_value b)
{
	if (b.kind == X86_CONSTANT)
		return add(a, b.number);
	if (a.kind == X86_CONSTANT)
		return add(b, a.number);
	return unknown;
}

/* add and sub of 64 bits, xor of a register with itself: the register's new value. */
static bool arithmetic_value(struct x86_state *state, const cs_insn *insn, struct x86_value *value)
{
	const cs_x86_op *to = &insn->detail->x86.operands[0];
	const cs_x86_op *from = &insn->detail->x86.operands[1];

	if (insn->detail->x86.op_count != 2 || to->type != X86_OP_REG)
		return false;
	if (insn->id == X86_INS_XOR && from->type == X86_OP_REG && to->reg == from->reg) {
		*value = (struct x86_value){.kind = X86_CONSTANT, .width = 8};
		return true;
	}
	if (to->size != 8)
		return false;
	if (insn->id == X86_INS_ADD) {
		*value = sum_of(register_value(state, to->reg), operand_value(state, insn, from));
		return true;
	}
	if (insn->id == X86_INS_SUB && from->type == X86_OP_IMM && from->imm != INT64_MIN) {
		*value = add(register_value(state, to->reg), -from->imm);
		return true;
	}
	return false;
}

static void apply(struct x86 *x86, struct x86_state *state, const cs_insn *insn,
		  struct x86_instruction *instruction)
{
	const cs_x86 *x = &insn->detail->x86;
	struct x86_value value;
	bool type;

	if (instruction->flow == X86_CALL) {
		apply_call(state);
		return;
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
		spoil(x86, state, insn);
		set_register(state, x->operands[0].reg, value);
		state->zero_is_plain_tls = false;
		return;
	}
	type = compares_type(state, insn);
	spoil(x86, state, insn);
	if (instruction->flow != X86_BRANCH)
		state->zero_is_plain_tls = type;
}

static enum x86_flow flow_of(const struct x86 *x86, const cs_insn *insn)
{
	switch (insn->id) {
	case X86_INS_MOVSB:
	case X86_INS_MOVSW:
	case X86_INS_MOVSQ:
		return X86_COPY;
	case X86_INS_MOVSD: /* also the name of a move between SSE registers */
		return insn->detail->x86.op_count == 2 &&
				       insn->detail->x86.operands[0].type == X86_OP_MEM &&
				       insn->detail->x86.operands[1].type == X86_OP_MEM
			       ? X86_COPY
			       : X86_NEXT;
	case X86_INS_INT3:
	case X86_INS_UD2:
	case X86_INS_HLT:
		return X86_END;
	default:
		break;
	}
	if (cs_insn_group(x86->handle, insn, CS_GRP_CALL))
		return X86_CALL;
	if (cs_insn_group(x86->handle, insn, CS_GRP_RET) ||
	    cs_insn_group(x86->handle, insn, CS_GRP_IRET))
		return X86_RETURN;
	if (cs_insn_group(x86->handle, insn, CS_GRP_JUMP))
		return insn->id == X86_INS_JMP ? X86_JUMP : X86_BRANCH;
	return X86_NEXT;
}

static void describe(const struct x86 *x86, const cs_insn *insn, struct x86_instruction *to)
{
	const cs_x86 *x = &insn->detail->x86;

	memset(to, 0, sizeof(*to));
	to->address = insn->address;
	to->next = insn->address + insn->size;
	to->flow = flow_of(x86, insn);
	to->on_zero = insn->id == X86_INS_JE;
	to->on_not_zero = insn->id == X86_INS_JNE;
	if (to->flow != X86_BRANCH && to->flow != X86_JUMP && to->flow != X86_CALL)
		return;
	if (x->op_count == 1 && x->operands[0].type == X86_OP_IMM)
		to->target = (uint64_t)x->operands[0].imm;
}

bool x86_step(struct x86 *x86, uint64_t address, struct x86_state *state,
	      struct x86_instruction *instruction)
{
	uint64_t rest, at = address;
	const uint8_t *code;
	size_t size;

	if (x86->steps >= STEPS_MAX)
		return false;
	code = elf_file_code(x86->elf, address, &rest);
	if (!code)
		return false;
	x86->steps++;
	size = rest < 16 ? (size_t)rest : 16;
	if (!cs_disasm_iter(x86->handle, &code, &size, &at, x86->insn))
		return false;
	describe(x86, x86->insn, instruction);
	apply(x86, state, x86->insn, instruction);
	return true;
}

bool x86_exhausted(const struct x86 *x86)
{
	return x86->steps >= STEPS_MAX;
}
