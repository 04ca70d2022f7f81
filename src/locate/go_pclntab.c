/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Go's pclntab: the table by which the runtime finds the function of an address. It names
 * every function, also in stripped programs. It is found by its first eight bytes in the
 * loaded segments; names of sections are not asked.
 *
 * The head, then (per form) offsets to the names and to the list of functions: pairs of an
 * address and the offset of a record, in the order of addresses, and one last address. A
 * record begins with the address again and the offset of the name.
 */
#include <errno.h>
#include <string.h>

#include "go_internal.h"

#define TABLES_MAX    8 /* heads that are looked at in one file; programs have one or two */
#define MODULES_MAX   8 /* words that point to a head, likewise */
#define FUNCTIONS_MAX ((uint64_t)4 << 20) /* the largest programs have 300,000 */
#define MODULE_WORDS  40		  /* of a module's description that are searched */

/* Where things are, in bytes from the table's start. */
struct shape {
	uint32_t magic;
	uint8_t address_size; /* of an address and of a record's offset in the list */
	uint8_t text_at;      /* the address that the list's ones are relative to; 0: none */
	uint8_t names_at;     /* the offset of the names is there; 0: they begin with the table */
	uint8_t list_at;      /* the offset of the list is there; 0: it follows the head */
};

static const struct shape shapes[] = {
	[GO_FORM_1_2] = {0xfffffffb, 8, 0, 0, 0},
	[GO_FORM_1_16] = {0xfffffffa, 8, 0, 24, 56},
	[GO_FORM_1_18] = {0xfffffff0, 4, 24, 32, 64},
	[GO_FORM_1_20] = {0xfffffff1, 4, 24, 32, 64},
};

#define N_SHAPES     (sizeof(shapes) / sizeof(shapes[0]))
#define HEAD_SIZE    72
#define OLD_LIST_AT  16 /* of GO_FORM_1_2 */
#define COUNT_AT     8
#define POINTER_SIZE 8

struct table {
	const struct elf_file *elf;
	const struct shape *shape;
	uint64_t address;
	const uint8_t *bytes; /* to the end of the segment */
	uint64_t size;
	uint64_t names, list; /* offsets */
	uint64_t records;     /* what offsets of records are relative to */
	uint64_t n;	      /* functions */
};

static uint64_t read_number(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, bytes, size); /* little-endian, as every file that is read */
	return value;
}

static const struct shape *shape_of(const uint8_t *head)
{
	uint64_t first = read_number(head, 8);
	uint8_t quantum = (uint8_t)(first >> 48);

	if (first >> 56 != POINTER_SIZE || (first >> 32 & 0xffff) != 0 ||
	    (quantum != 1 && quantum != 4))
		return NULL;
	for (size_t i = 0; i < N_SHAPES; i++) {
		if (shapes[i].magic == (uint32_t)first)
			return &shapes[i];
	}
	return NULL;
}

static uint64_t list_number(const struct table *table, uint64_t i)
{
	return read_number(table->bytes + table->list + i * table->shape->address_size,
			   table->shape->address_size);
}

/* The head's numbers; false: they do not fit the segment. */
static bool open_table(struct table *table, const uint8_t *bytes, uint64_t rest)
{
	const struct shape *shape = table->shape;
	uint64_t room;

	table->bytes = bytes;
	table->size = rest;
	if (rest < HEAD_SIZE)
		return false;
	table->n = read_number(bytes + COUNT_AT, 8);
	table->names = shape->names_at ? read_number(bytes + shape->names_at, 8) : 0;
	table->list = shape->list_at ? read_number(bytes + shape->list_at, 8) : OLD_LIST_AT;
	table->records = shape->list_at ? table->list : 0;
	if (!table->n || table->n > FUNCTIONS_MAX || table->names >= rest || table->list >= rest)
		return false;
	room = (rest - table->list) / shape->address_size;
	return 2 * table->n + 1 <= room;
}

/* The name of function `i` begins with `prefix`; or NULL. *rest: bytes to the table's end. */
static const char *name_of(const struct table *table, uint64_t i, const char *prefix,
			   uint64_t *rest)
{
	const unsigned width = table->shape->address_size;
	uint64_t record = table->records + list_number(table, 2 * i + 1), name;
	size_t length = strlen(prefix);

	if (record < table->records || record > table->size || table->size - record < width + 4)
		return NULL;
	name = table->names + read_number(table->bytes + record + width, 4);
	if (name >= table->size || table->size - name <= length ||
	    memcmp(table->bytes + name, prefix, length) != 0)
		return NULL;
	*rest = table->size - name;
	return (const char *)table->bytes + name;
}

/*
 * The module's description has, side by side, the lowest and the highest address of its code,
 * and behind these where the code begins. It is known by what the list says of them, not by
 * its place in the description, which differs by release.
 */
static bool text_of_module(const struct table *table, uint64_t module, uint64_t *text)
{
	uint64_t first = list_number(table, 0), last = list_number(table, 2 * table->n);
	uint64_t words[MODULE_WORDS], rest;

	if (!elf_file_words(table->elf, module, words, MODULE_WORDS))
		return false;
	for (size_t i = 1; i + 2 < MODULE_WORDS; i++) {
		if (words[i + 1] - words[i] != last - first || words[i + 2] != words[i] - first ||
		    !elf_file_code(table->elf, words[i], &rest))
			continue;
		*text = words[i + 2];
		return true;
	}
	return false;
}

/* Where the code begins. Since Go 1.26 the head does not tell. */
static bool find_text(const struct table *table, uint64_t *text)
{
	uint64_t module, from = 0;

	if (!table->shape->text_at) {
		*text = 0; /* the list has whole addresses */
		return true;
	}
	if (!elf_file_words(table->elf, table->address + table->shape->text_at, text, 1))
		return false;
	if (*text)
		return true;
	for (int i = 0; i < MODULES_MAX; i++) {
		if (!elf_file_find_word(table->elf, table->address, from, &module))
			return false;
		if (text_of_module(table, module, text))
			return true;
		from = module + 8;
	}
	return false;
}

/* The address of entry `i` of the list; position-independent files relocate whole ones. */
static bool address_of(const struct table *table, uint64_t i, uint64_t text, uint64_t *address)
{
	if (table->shape->address_size == 8)
		return elf_file_words(table->elf, table->address + table->list + 16 * i, address,
				      1);
	*address = text + list_number(table, 2 * i);
	return true;
}

/* Gives the function its place. False: there is no code. */
static bool place(const struct table *table, uint64_t i, uint64_t text,
		  struct elf_function *function)
{
	uint64_t start, end, rest;

	if (!address_of(table, i, text, &start) || !address_of(table, i + 1, text, &end) ||
	    end <= start || !elf_file_code(table->elf, start, &rest) || end - start > rest)
		return false;
	function->address = start;
	function->size = end - start;
	function->found = true;
	return true;
}

/* Which of the functions `i` is; `name` has `rest` bytes. NULL: none. */
static struct elf_function *match(struct elf_function *functions, size_t n, const char *name,
				  uint64_t rest)
{
	for (size_t i = 0; i < n; i++) {
		size_t size = strlen(functions[i].name) + 1;

		if (!functions[i].found && rest >= size && !memcmp(name, functions[i].name, size))
			return &functions[i];
	}
	return NULL;
}

/* Returns as go_find_functions(). */
static int look_into(const struct table *table, const char *prefix, struct elf_function *functions,
		     size_t n, const char **why)
{
	uint64_t text = 0, rest;
	bool has_text = false;
	size_t found = 0;

	for (uint64_t i = 0; i < table->n && found < n; i++) {
		const char *name = name_of(table, i, prefix, &rest);
		struct elf_function *function = name ? match(functions, n, name, rest) : NULL;

		if (!function)
			continue;
		if (!has_text && !find_text(table, &text)) {
			*why = "where the code begins is neither in pclntab nor in moduledata";
			return -ENOENT;
		}
		has_text = true;
		if (!place(table, i, text, function)) {
			*why = "pclntab's addresses are none of code";
			return -ENOENT;
		}
		found++;
	}
	return found > 0;
}

int go_find_functions(const struct elf_file *elf, const char *prefix,
		      struct elf_function *functions, size_t n, enum go_form *form,
		      const char **why)
{
	int tables = 0, result = 0;

	for (size_t i = 0; i < elf->n_segments; i++) {
		const struct elf_segment *segment = &elf->segments[i];
		uint64_t at = -segment->address % POINTER_SIZE;

		for (; at < segment->size && segment->size - at >= HEAD_SIZE; at += POINTER_SIZE) {
			const uint8_t *head = elf->bytes + segment->offset + at;
			struct table table = {.elf = elf, .address = segment->address + at};

			table.shape = shape_of(head);
			if (!table.shape || !open_table(&table, head, segment->size - at))
				continue;
			if (tables++ == TABLES_MAX)
				return result;
			result = look_into(&table, prefix, functions, n, why);
			*form = (enum go_form)(table.shape - shapes);
			if (result > 0)
				return result;
		}
	}
	return result;
}

/* --- version ------------------------------------------------------------------------- */

static const char build_info[] = "\xff Go buildinf:";

#define INFO_ALIGNMENT	16
#define INFO_SIZE	32
#define INFO_FLAGS_AT	15
#define INFO_INLINE	2  /* Go 1.18 on: the text follows, after its length */
#define INFO_POINTER_AT 16 /* before: where the string is described */
#define VERSION_MAX	64

/* "go1.24.4 X:boringcrypto": the number. */
static void copy_version(const uint8_t *text, uint64_t length, char *to, size_t size)
{
	size_t n = 0;

	if (length < 3 || memcmp(text, "go", 2) != 0)
		return;
	for (uint64_t i = 2; i < length && n + 1 < size; i++) {
		if (!memchr("0123456789.abcdefghijklmnopqrstuvwxyz-", text[i], 38))
			break;
		to[n++] = (char)text[i];
	}
	to[n] = '\0';
}

static void version_by_pointer(const struct elf_file *elf, uint64_t info, char *to, size_t size)
{
	uint64_t pointer, string[2], rest;
	const uint8_t *text;

	if (!elf_file_words(elf, info + INFO_POINTER_AT, &pointer, 1) ||
	    !elf_file_words(elf, pointer, string, 2) || string[1] > VERSION_MAX)
		return;
	text = elf_file_at(elf, string[0], &rest);
	if (text && rest >= string[1])
		copy_version(text, string[1], to, size);
}

void go_find_version(const struct elf_file *elf, char *to, size_t size)
{
	to[0] = '\0';
	for (size_t i = 0; i < elf->n_segments && !to[0]; i++) {
		const struct elf_segment *segment = &elf->segments[i];
		const uint8_t *start = elf->bytes + segment->offset, *end = start + segment->size;
		const uint8_t *at = segment->executable ? NULL
							: memmem(start, segment->size, build_info,
								 sizeof(build_info) - 1);
		uint64_t address;

		if (!at || end - at <= INFO_SIZE)
			continue;
		address = segment->address + (uint64_t)(at - start);
		if (address % INFO_ALIGNMENT)
			continue; /* somebody who looks for it, too */
		if (!(at[INFO_FLAGS_AT] & INFO_INLINE))
			version_by_pointer(elf, address, to, size);
		else if (at[INFO_SIZE] <= VERSION_MAX && end - at > INFO_SIZE + at[INFO_SIZE])
			copy_version(at + INFO_SIZE + 1, at[INFO_SIZE], to, size);
	}
}
