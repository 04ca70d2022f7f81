/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the files of the locate stage share: a bounded ELF reader (elf.c), a tracker of
 * values through code (code.c, for each machine x86.c), the search for the function that logs
 * secrets (keylog.c), the decoding of fields out of accessors (accessor.c), and the table of
 * library families (families.def).
 */
#ifndef TLSPCAP_LOCATE_INTERNAL_H
#define TLSPCAP_LOCATE_INTERNAL_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/locate.h>

/* --- elf.c --------------------------------------------------------------------------- */

/* Loadable segments. Linkers make four to ten; a file with more is refused as damaged. */
#define ELF_SEGMENTS_MAX 64

struct elf_segment {
	uint64_t address; /* virtual, as linked */
	uint64_t offset;  /* in the file */
	uint64_t size;	  /* bytes in the file; the part without file bytes is left out */
	bool executable;
};

struct elf_symbols {
	const uint8_t *entries;
	uint64_t count;
	const char *names;
	uint64_t names_size;
};

/* All pointers but `unpacked` point into the image. */
struct elf_file {
	const uint8_t *bytes;
	uint64_t size;
	uint16_t machine; /* EM_… */
	uint16_t type;	  /* ET_… */
	struct elf_segment segments[ELF_SEGMENTS_MAX];
	size_t n_segments;
	struct elf_symbols dynamic; /* .dynsym; count 0: none */
	struct elf_symbols full;    /* .symtab; count 0: none */
	struct elf_symbols mini;    /* of MiniDebugInfo; count 0: none */
	void *unpacked;		    /* which they are in; elf_file_close() frees it */
	uint64_t labels;	    /* segments with key log labels, a bit for each */
	const char *soname;	    /* NUL-terminated inside the image; NULL: none */
	const uint8_t *relocations; /* Elf64_Rela, of the dynamic section */
	uint64_t n_relocations;
};

/* A function that is looked for. The caller sets `name`, the rest is found. */
struct elf_function {
	const char *name;
	uint64_t address;
	uint64_t size; /* bytes; 0: the symbol does not tell */
	bool found;
	bool exported; /* found among the dynamic symbols */
};

/* Reads the tables. Returns 0, -ENOEXEC or -EBADMSG, with locate_image()'s meaning. */
int elf_file_open(struct elf_file *elf, const void *image, size_t size);
void elf_file_close(struct elf_file *elf);

/* What the section headers add: symbol tables. Part of elf_file_open(). */
void elf_file_sections(struct elf_file *elf, const Elf64_Ehdr *header);

/*
 * Unpacks the bytes of a .gnu_debugdata; the symbols point into what is returned, to be freed.
 * NULL: it is none, too large, or there is no memory.
 */
void *minidebug_open(const uint8_t *packed, size_t size, struct elf_symbols *symbols);

/* The bytes at a virtual address and, in *rest, how many follow in its segment; or NULL. */
const uint8_t *elf_file_at(const struct elf_file *elf, uint64_t address, uint64_t *rest);

/* The same for code; NULL when no executable bytes are there. */
const uint8_t *elf_file_code(const struct elf_file *elf, uint64_t address, uint64_t *rest);

/* Finds defined functions by name, in one pass over each symbol table. Dynamic ones win. */
void elf_file_find(const struct elf_file *elf, struct elf_function *functions, size_t n);

/* --- words.c ------------------------------------------------------------------------- */

#define ELF_WORDS_MAX 64

/* Programs of 500 MB have two million; more are not gone through, a search takes too long. */
#define ELF_RELOCATIONS_MAX ((uint64_t)8 << 20)

/* The file's relocation `i`, below elf->n_relocations. */
Elf64_Rela elf_file_relocation(const struct elf_file *elf, uint64_t i);

/* Whether it puts an address of this very file into its place. */
bool elf_file_is_relative(const struct elf_file *elf, const Elf64_Rela *relocation);

/*
 * Reads `n` (at most ELF_WORDS_MAX) words of 8 bytes as they are when the file is loaded at
 * the addresses that it was linked for: relative relocations are applied. False: not all of
 * them are in the file, or there are more relocations than are looked at.
 */
bool elf_file_words(const struct elf_file *elf, uint64_t address, uint64_t *words, size_t n);

/*
 * The next aligned word in memory that the program does not execute, at `from` or behind it,
 * whose value is `value`. False: there is none.
 */
bool elf_file_find_word(const struct elf_file *elf, uint64_t value, uint64_t from,
			uint64_t *address);

/* --- code.c, code_walk.c ------------------------------------------------------------- */

/* Loads in a row that a path can hold; a struct tlspcap_path has as many steps. */
#define CODE_LOADS_MAX 3

enum code_kind {
	CODE_UNKNOWN = 0,
	CODE_CONSTANT, /* number */
	CODE_ARGUMENT, /* the integer argument `index` at entry, plus number */
	CODE_STACK,    /* the stack pointer at entry, plus number */
	CODE_PATH,     /* from the object (the first argument): `index` loads, see below */
	CODE_SUM,      /* of what is loaded from the object at offset[0] and at offset[1] */
};

/*
 * What a register or stack slot holds. CODE_PATH: starting at the object, add offset[0] and
 * load, add offset[1] and load, … `index` times, then add offset[index]. So the object
 * itself is index 0, offset {0}. Only the low `width` bytes are known to be this value; a
 * path is an address only when width is 8.
 */
struct code_value {
	uint8_t kind;
	uint8_t index;
	uint8_t width;
	int64_t number;
	int32_t offset[CODE_LOADS_MAX + 1];
};

/*
 * Indices into code_state.registers. The first integer arguments are 0 … 5 and the stack
 * pointer is CODE_SP, whatever the machine; the others are the machine's own affair.
 */
#define CODE_ARGUMENTS 6
#define CODE_SP	       31
#define CODE_VECTORS   32 /* the first vector register */
#define CODE_REGISTERS 64

enum x86_register {
	X86_RDI,
	X86_RSI,
	X86_RDX,
	X86_RCX,
	X86_R8,
	X86_R9,
	X86_RAX,
	X86_RBX,
	X86_RBP,
	X86_R10,
	X86_R11,
	X86_R12,
	X86_R13,
	X86_R14,
	X86_R15,
	X86_RSP = CODE_SP,
	X86_XMM0 = CODE_VECTORS,
};

#define CODE_SLOTS 16

struct code_slot {
	int64_t at; /* relative to the stack pointer at entry */
	struct code_value value;
};

struct code_state {
	struct code_value registers[CODE_REGISTERS];
	struct code_slot slots[CODE_SLOTS];
	uint8_t next_slot;	/* the one to overwrite when all are in use */
	bool zero_is_plain_tls; /* the flags compare the object's type with 0 */
};

struct code; /* a disassembler with its work memory */

enum code_flow {
	CODE_NEXT, /* goes on with the next instruction */
	CODE_BRANCH,
	CODE_JUMP,
	CODE_CALL,
	CODE_RETURN,
	CODE_COPY, /* a string move, rep or not */
	CODE_END,  /* a trap, or an indirect jump */
};

struct code_instruction {
	uint64_t address;
	uint64_t next;	 /* address of the instruction behind it */
	uint64_t target; /* of a direct branch, jump or call; 0: none */
	enum code_flow flow;
	bool leaves;		    /* a jump out of the walked function, or an indirect one */
	bool on_zero;		    /* a branch taken when the zero flag is set */
	bool on_not_zero;	    /* … when it is clear */
	struct code_value stored;   /* a move to memory: what, … */
	struct code_value where;    /* … and to which address; CODE_UNKNOWN: no store */
	struct code_value compared; /* a comparison: of what, … */
	struct code_value with;	    /* … and with which constant; CODE_UNKNOWN: none */
	struct code_value read;	    /* the address that a load reads; CODE_UNKNOWN: no load */
	uint8_t read_size;	    /* bytes */
};

/* Whether the file's machine is one whose code is read. */
bool code_is_known(const struct elf_file *elf);

/* Returns 0, -ENOMEM, or -ENOTSUP: not code of a known machine. `elf` must outlive it. */
int code_open(const struct elf_file *elf, struct code **code);
void code_close(struct code *code);

/* Every register unknown but the stack pointer. */
void code_state_clear(struct code_state *state);

/* As at a function's entry: the object, and the arguments 1 … 5 behind it. */
void code_state_entry(struct code_state *state);

/* What a function that returned or returns now has as its result. */
const struct code_value *code_result(const struct code *code, const struct code_state *state);

/*
 * Decodes the instruction at `address` and applies it to `state`. Returns false where no
 * instruction can be decoded, or when the file has used up its share of work.
 */
bool code_step(struct code *code, uint64_t address, struct code_state *state,
	       struct code_instruction *instruction);

/* True when the file's share of work is used up, so that what was found may be half. */
bool code_exhausted(const struct code *code);

/* Called after each instruction, with the state before it. */
typedef void (*code_look_fn)(void *ctx, const struct code_instruction *instruction,
			     const struct code_state *before);

/*
 * Walks every way through the `size` bytes of code at `start`, from a function's entry,
 * within bounds. Size 0: not known. Returns 0, -E2BIG when the bounds ended the walk too
 * early, or -ENOMEM.
 */
int code_explore(struct code *code, uint64_t start, uint64_t size, code_look_fn look, void *ctx);

/* --- keylog.c ------------------------------------------------------------------------ */

struct keylog_site {
	uint64_t address; /* of the function that is called with a label and a secret */
	unsigned labels;  /* how many different labels speak for it */
};

/*
 * Finds the function that gets key log labels as its second argument. Returns 0, or
 * -ENOENT with *why (a static string) set.
 */
int keylog_find(const struct elf_file *elf, struct code *code, struct keylog_site *site,
		const char **why);

/*
 * The segments that hold the one label that keylog_find() cannot do without, a bit for each: the
 * other strings of the TLS library are there, too.
 */
uint64_t keylog_segments(const struct elf_file *elf);

/* Another function that gets labels. */
struct keylog_rule {
	unsigned argument; /* which of its arguments they are: 0 … 5 */
	unsigned labels;   /* so many different ones must speak for it */
	bool with_random;  /* and CLIENT_RANDOM among them */
};

int keylog_find_by(const struct elf_file *elf, struct code *code, const struct keylog_rule *rule,
		   struct keylog_site *site, const char **why);

/* --- references.c -------------------------------------------------------------------- */

/* False: no more. */
typedef bool (*references_fn)(void *ctx, uint64_t from);

/*
 * Tells each instruction that takes this address: in position-independent x86-64 code, and in
 * AArch64 code, where it is the first of the two that put the address together.
 */
void references_find(const struct elf_file *elf, uint64_t address, references_fn fn, void *ctx);

#define REFERENCES_WINDOW 1024 /* bytes */

/*
 * The start of the function that the code at `address` is in, without symbols: the nearest place
 * at or before it, within REFERENCES_WINDOW, that several calls go to. False: there is none.
 */
bool references_function(const struct elf_file *elf, uint64_t address, uint64_t *start);

/* AArch64: adrp xN, page, and an instruction behind it that has the place in the page. */
struct page_use {
	uint64_t from; /* address of the adrp */
	uint64_t at; /* of the other one: add xM, xN, #place or, if `loads`, ldr xM, [xN, #place] */
	uint64_t address; /* page and place */
	unsigned to;	  /* M */
	bool loads;
};

typedef bool (*pages_fn)(void *ctx, const struct page_use *use);

/* Tells all of a segment. Other instructions can be between the two. False: `fn` said so. */
bool pages_find(const struct elf_file *elf, const struct elf_segment *segment, pages_fn fn,
		void *ctx);

/* --- accessor.c ---------------------------------------------------------------------- */

/*
 * Where the object keeps the client random: as `function` copies it out,
 * size_t f(const OBJECT *, unsigned char *out, size_t). False: not decodable for sure.
 */
bool accessor_client_random(struct code *code, const struct elf_function *function,
			    struct tlspcap_path *path);

/* The same, from the function that logs a secret and passes the client random on. */
bool accessor_keylog_random(struct code *code, const struct elf_function *function,
			    struct tlspcap_path *path);

/*
 * The same, from one that does not pass it on but prints it: it is what the function reads
 * byte by byte of the object. Likely, not sure: to be verified when it runs.
 */
bool accessor_printed_random(struct code *code, const struct elf_function *function,
			     struct tlspcap_path *path);

/* Where the object keeps the int that int f(const OBJECT *) returns. */
bool accessor_int(struct code *code, const struct elf_function *function,
		  struct tlspcap_path *path);

/* The constant that the function always returns. */
bool accessor_constant(struct code *code, const struct elf_function *function, uint64_t *number);

/* --- probe.c ------------------------------------------------------------------------- */

/*
 * One probe for one place: names that share an address (aliases) are called once. `when` is
 * enum locate_when, or-ed; `purpose` enum locate_purpose. False: no code is at `address`, or
 * there is no more room.
 */
bool locate_add_probe(const struct elf_file *elf, struct locate_result *result, uint64_t address,
		      const char *name, uint8_t function, unsigned when, unsigned purpose);

/* One function of a family that has all its functions in a table. */
struct locate_row {
	const char *name;
	uint8_t function; /* 0: not probed, read only */
	uint8_t when;
	uint8_t purpose;
};

/* Finds the functions of `n` rows; and adds a probe for each that is found and has a number. */
void locate_find_rows(const struct elf_file *elf, const struct locate_row *rows,
		      struct elf_function *functions, size_t n);
void locate_add_rows(const struct elf_file *elf, const struct locate_row *rows,
		     const struct elf_function *functions, size_t n, struct locate_result *result);

/* For people: "[+0xa8]+0xb8". */
void locate_print_path(char *to, size_t size, const struct tlspcap_path *path);

/* --- the families -------------------------------------------------------------------- */

/* Returns 1 when the family's functions are in the file, 0 when not, or -ENOMEM. */
#define FAMILY(name, ...)                                                                          \
	int name##_locate(const struct elf_file *elf, struct locate_result *result);
#include "families.def"
#undef FAMILY

#endif
