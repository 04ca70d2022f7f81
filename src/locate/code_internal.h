/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Between the tracker of values (code.c) and what knows a machine's instructions (x86.c, arm64.c).
 */
#ifndef TLSPCAP_LOCATE_CODE_INTERNAL_H
#define TLSPCAP_LOCATE_CODE_INTERNAL_H

#include <capstone/capstone.h>

#include "locate_internal.h"

struct code_machine {
	uint16_t elf_machine; /* EM_… */
	int arch, mode;	      /* capstone's */
	unsigned result;      /* the register of a function's result */
	/* What kind of instruction it is. */
	void (*describe)(const struct code *code, const cs_insn *insn, struct code_instruction *to);
	/* What it does to the values; a store is noted in the instruction. */
	void (*apply)(struct code *code, struct code_state *state, const cs_insn *insn,
		      struct code_instruction *instruction);
};

struct code {
	const struct elf_file *elf;
	const struct code_machine *machine;
	csh handle;
	cs_insn *insn;
	size_t steps;
};

extern const struct code_value code_unknown;

/* The value's low `size` bytes. */
struct code_value code_narrow(struct code_value value, unsigned size);

/* An address so many bytes further on; a constant plus a number. */
struct code_value code_add(struct code_value value, int64_t number);

/*
 * The sum of an address and a constant, in whichever order the compiler adds them; or of two
 * words of the object.
 */
struct code_value code_sum(struct code_value a, struct code_value b);

/* The low `size` bytes of a register, by its index in the state. */
struct code_value code_get(const struct code_state *state, unsigned index, unsigned size);
void code_set(struct code_state *state, unsigned index, unsigned size, struct code_value value);

/* Memory: of the stack frame, or a field of the object. */
struct code_value code_load(struct code_state *state, struct code_value where, unsigned size);
void code_store(struct code_state *state, struct code_value where, struct code_value value,
		unsigned size);

/* Whether it is the int that says whether the object is one of plain TLS. */
bool code_is_object_type(const struct code_value *value);

/* --- the machines -------------------------------------------------------------------- */

void x86_describe(const struct code *code, const cs_insn *insn, struct code_instruction *to);
void x86_apply(struct code *code, struct code_state *state, const cs_insn *insn,
	       struct code_instruction *instruction);

void arm64_describe(const struct code *code, const cs_insn *insn, struct code_instruction *to);
void arm64_apply(struct code *code, struct code_state *state, const cs_insn *insn,
		 struct code_instruction *instruction);

#endif
