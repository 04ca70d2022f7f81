/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Finds the function that logs secrets in code without symbols: it is the one that is
 * called with the labels of the NSS key log format as its second argument.
 *
 * Code is not disassembled from end to end. Its bytes are searched for a displacement or an
 * immediate that hits a label, and only the few instructions from there to the next call are
 * decoded. A vote counts when the label is in the second argument's register at that call;
 * votes without this rule elect wrong functions in real libraries.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "locate_internal.h"

#define COPIES_MAX     64  /* of label strings in the file */
#define SLOTS_MAX      64  /* words of data with their addresses */
#define REFERENCES_MAX 256 /* to label strings in the code */
#define WALK_MAX       48  /* instructions from a reference to the call */
#define LABELS_NEEDED  3   /* different ones; OpenSSL's code shows three */

/* Index 0 must be among the votes. Linkers merge a label into the tail of a longer one. */
static const char *const labels[] = {
	"CLIENT_RANDOM",
	"CLIENT_EARLY_TRAFFIC_SECRET",
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET",
	"CLIENT_TRAFFIC_SECRET_0",
	"SERVER_TRAFFIC_SECRET_0",
	"EXPORTER_SECRET",
	"EARLY_EXPORTER_SECRET",
};

#define N_LABELS (sizeof(labels) / sizeof(labels[0]))

struct copy {
	uint64_t address;
	unsigned label; /* index */
};

/* A word that the loader sets to a label's address: code reads it there (a GOT). */
struct slot {
	uint64_t address;
	uint64_t label_address;
};

struct reference {
	uint64_t from; /* address of the instruction that takes the label's address, … */
	int held_by;   /* … or of the one behind it, and the register that has it; -1: not so */
	uint64_t label_address;
	unsigned label;
	uint64_t called; /* the function called with the label; 0: none */
	uint64_t jumped; /* a jump with the label in place on the way: perhaps a tail call */
};

struct candidate {
	uint64_t address;
	unsigned labels; /* bit mask */
};

struct search {
	const struct elf_file *elf;
	struct copy copies[COPIES_MAX];
	size_t n_copies;
	uint64_t lowest, highest; /* addresses of copies */
	struct slot slots[SLOTS_MAX];
	size_t n_slots;
	struct reference references[REFERENCES_MAX];
	size_t n_references;
	struct candidate candidates[REFERENCES_MAX];
	size_t n_candidates;
};

static bool add_copy(struct search *search, uint64_t address, unsigned label)
{
	if (search->n_copies == COPIES_MAX)
		return false;
	if (!search->n_copies || address < search->lowest)
		search->lowest = address;
	if (!search->n_copies || address > search->highest)
		search->highest = address;
	search->copies[search->n_copies++] = (struct copy){address, label};
	return true;
}

/* False: more copies than there is room for. */
static bool find_copies(struct search *search, const struct elf_segment *segment)
{
	const uint8_t *start = search->elf->bytes + segment->offset, *end = start + segment->size;

	for (unsigned i = 0; i < N_LABELS; i++) {
		size_t length = strlen(labels[i]) + 1; /* with its NUL */
		const uint8_t *at = start;

		while ((at = memmem(at, (size_t)(end - at), labels[i], length))) {
			if (!add_copy(search, segment->address + (uint64_t)(at - start), i))
				return false;
			at++;
		}
	}
	return true;
}

static bool is_copy(const struct search *search, uint64_t address)
{
	if (address < search->lowest || address > search->highest)
		return false;
	for (size_t i = 0; i < search->n_copies; i++) {
		if (search->copies[i].address == address)
			return true;
	}
	return false;
}

/* On x86-64, linkers put the label's own address into the code. False: as above. */
static bool find_slots(struct search *search)
{
	const struct elf_file *elf = search->elf;

	if (elf->machine != EM_AARCH64)
		return true;
	for (uint64_t i = 0; i < elf->n_relocations && i < ELF_RELOCATIONS_MAX; i++) {
		Elf64_Rela relocation = elf_file_relocation(elf, i);

		if (!is_copy(search, (uint64_t)relocation.r_addend) ||
		    !elf_file_is_relative(elf, &relocation))
			continue;
		if (search->n_slots == SLOTS_MAX)
			return false;
		search->slots[search->n_slots++] =
			(struct slot){relocation.r_offset, (uint64_t)relocation.r_addend};
	}
	return true;
}

/* Notes the instruction at `from` when `address` is a label's. False: no more room. */
static bool check_reference(struct search *search, uint64_t from, int held_by, uint64_t address)
{
	if (address < search->lowest || address > search->highest)
		return true;
	for (size_t i = 0; i < search->n_copies; i++) {
		if (search->copies[i].address != address)
			continue;
		if (search->n_references == REFERENCES_MAX)
			return false;
		search->references[search->n_references++] =
			(struct reference){.from = from,
					   .held_by = held_by,
					   .label_address = address,
					   .label = search->copies[i].label};
		return true;
	}
	return true;
}

/* lea r64, [rip + disp32]: REX.W 8d, ModRM mod 00 rm 101. */
static bool scan_relative(struct search *search, const struct elf_segment *segment)
{
	const uint8_t *start = search->elf->bytes + segment->offset, *end = start + segment->size;
	const uint8_t *at = start;

	while ((at = memchr(at, 0x8d, (size_t)(end - at)))) {
		uint64_t address = segment->address + (uint64_t)(at - start);
		int32_t displacement;

		if (end - at < 6)
			return true;
		if (at > start && (at[-1] & 0xfb) == 0x48 && (at[1] & 0xc7) == 0x05) {
			memcpy(&displacement, at + 2, sizeof(displacement));
			if (!check_reference(search, address - 1, -1,
					     address + 6 + (uint64_t)(int64_t)displacement))
				return false;
		}
		at++;
	}
	return true;
}

/* mov r32, imm32: b8 + r, with a prefix for r8d and up. Only code at fixed addresses has it. */
static bool scan_absolute(struct search *search, const struct elf_segment *segment)
{
	const uint8_t *start = search->elf->bytes + segment->offset;

	for (uint64_t i = 0; i + 5 <= segment->size; i++) {
		bool prefixed = i > 0 && start[i - 1] == 0x41;
		uint32_t address;

		if ((start[i] & 0xf8) != 0xb8)
			continue;
		memcpy(&address, start + i + 1, sizeof(address));
		if (!check_reference(search, segment->address + i - prefixed, -1, address))
			return false;
	}
	return true;
}

/* The label whose address is in the word at `address`; 0: none. */
static uint64_t label_in_slot(const struct search *search, uint64_t address)
{
	for (size_t i = 0; i < search->n_slots; i++) {
		if (search->slots[i].address == address)
			return search->slots[i].label_address;
	}
	return 0;
}

static bool take_page_use(void *ctx, const struct page_use *use)
{
	struct search *search = ctx;
	uint64_t label = use->loads ? label_in_slot(search, use->address) : use->address;

	return !label || check_reference(search, use->at + 4, (int)use->to, label);
}

/* False: more references than there is room for. */
static bool scan_code(struct search *search, const struct elf_segment *segment)
{
	if (search->elf->machine == EM_AARCH64)
		return pages_find(search->elf, segment, take_page_use, search);
	return scan_relative(search, segment) &&
	       (search->elf->type != ET_EXEC || scan_absolute(search, segment));
}

static bool holds(const struct code_value *value, uint64_t address)
{
	return value->kind == CODE_CONSTANT && value->width == 8 &&
	       (uint64_t)value->number == address;
}

/* Decodes from the reference to the next call, through at most one jump. */
static void follow_reference(struct code *code, unsigned argument, struct reference *reference)
{
	uint64_t address = reference->from;
	struct code_state state, before;
	struct code_instruction i;
	bool jumped = false;

	code_state_clear(&state);
	if (reference->held_by >= 0)
		state.registers[reference->held_by] =
			(struct code_value){.kind = CODE_CONSTANT,
					    .width = 8,
					    .number = (int64_t)reference->label_address};
	for (int n = 0; n < WALK_MAX; n++) {
		before = state;
		if (!code_step(code, address, &state, &i) || i.flow == CODE_RETURN ||
		    i.flow == CODE_END)
			return;
		if (i.flow == CODE_CALL) {
			if (holds(&before.registers[argument], reference->label_address))
				reference->called = i.target;
			return;
		}
		if (i.flow == CODE_JUMP) {
			if (jumped || !i.target)
				return;
			jumped = true;
			if (holds(&before.registers[argument], reference->label_address))
				reference->jumped = i.target;
		}
		address = i.flow == CODE_JUMP ? i.target : i.next;
	}
}

static struct candidate *find_candidate(struct search *search, uint64_t address)
{
	for (size_t i = 0; i < search->n_candidates; i++) {
		if (search->candidates[i].address == address)
			return &search->candidates[i];
	}
	return NULL;
}

/*
 * First the plain calls. Then those behind a jump, which is a tail call or leads to a call
 * that several places share: they only add to a function that plain calls speak for.
 */
static void vote(struct search *search)
{
	struct candidate *candidate;
	uint64_t rest;

	for (size_t i = 0; i < search->n_references; i++) {
		const struct reference *r = &search->references[i];

		if (!r->called || r->jumped || !elf_file_code(search->elf, r->called, &rest))
			continue;
		candidate = find_candidate(search, r->called);
		if (!candidate) {
			candidate = &search->candidates[search->n_candidates++];
			candidate->address = r->called;
		}
		candidate->labels |= 1u << r->label;
	}
	for (size_t i = 0; i < search->n_references; i++) {
		const struct reference *r = &search->references[i];

		if (!r->jumped)
			continue;
		candidate = find_candidate(search, r->jumped);
		if (!candidate && r->called)
			candidate = find_candidate(search, r->called);
		if (candidate)
			candidate->labels |= 1u << r->label;
	}
}

static int elect(const struct search *search, const struct keylog_rule *rule,
		 struct keylog_site *site, const char **why)
{
	site->address = 0;
	for (size_t i = 0; i < search->n_candidates; i++) {
		const struct candidate *candidate = &search->candidates[i];
		unsigned n = (unsigned)__builtin_popcount(candidate->labels);

		if (n < rule->labels || (rule->with_random && !(candidate->labels & 1)))
			continue;
		if (site->address) {
			*why = "more than one function gets the key log labels";
			return -ENOENT;
		}
		site->address = candidate->address;
		site->labels = n;
	}
	if (site->address)
		return 0;
	*why = "no function gets enough of the key log labels";
	return -ENOENT;
}

uint64_t keylog_segments(const struct elf_file *elf)
{
	uint64_t found = 0;

	for (size_t i = 0; i < elf->n_segments; i++) {
		if (memmem(elf->bytes + elf->segments[i].offset, elf->segments[i].size, labels[0],
			   strlen(labels[0]) + 1))
			found |= 1ull << i;
	}
	return found;
}

int keylog_find_by(const struct elf_file *elf, struct code *code, const struct keylog_rule *rule,
		   struct keylog_site *site, const char **why)
{
	struct search search = {.elf = elf};
	bool room = true;

	/* Compilers keep strings together, and without the first label the others say nothing. */
	for (size_t i = 0; i < elf->n_segments && room; i++)
		room = !(elf->labels >> i & 1) || find_copies(&search, &elf->segments[i]);
	if (!room || !find_slots(&search)) {
		*why = "the file holds too many copies of the key log labels";
		return -ENOENT;
	}
	if (!search.n_copies) {
		*why = "the file holds no key log labels";
		return -ENOENT;
	}
	for (size_t i = 0; i < elf->n_segments && room; i++) {
		if (!elf->segments[i].executable)
			continue;
		room = scan_code(&search, &elf->segments[i]);
	}
	if (!room) {
		*why = "the code refers to key log labels too many times";
		return -ENOENT;
	}
	for (size_t i = 0; i < search.n_references; i++)
		follow_reference(code, rule->argument, &search.references[i]);
	if (code_exhausted(code)) {
		*why = "the code around the key log labels is too large to read";
		return -ENOENT;
	}
	vote(&search);
	return elect(&search, rule, site, why);
}

int keylog_find(const struct elf_file *elf, struct code *code, struct keylog_site *site,
		const char **why)
{
	static const struct keylog_rule rule = {
		.argument = 1, .labels = LABELS_NEEDED, .with_random = true};

	return keylog_find_by(elf, code, &rule, site, why);
}
