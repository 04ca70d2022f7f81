/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A bounded reader of ELF64 little-endian images.
 *
 * libelf is not used here: it takes a writable image, follows section headers before program
 * headers, and these files are hostile. What the loader uses (program headers and the dynamic
 * section) is believed first; section headers only add what the loader does not look at.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "locate_internal.h"

/* Real files have no more than their header pages twice; see elf_file_open(). */
#define OVERLAP_SLACK 65536

static bool in_range(uint64_t size, uint64_t offset, uint64_t length)
{
	return offset <= size && length <= size - offset;
}

static uint32_t read32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static const uint8_t *find_bytes(const struct elf_file *elf, uint64_t address, bool code,
				 uint64_t *rest)
{
	for (size_t i = 0; i < elf->n_segments; i++) {
		const struct elf_segment *segment = &elf->segments[i];
		uint64_t into = address - segment->address;

		if (address < segment->address || into >= segment->size ||
		    (code && !segment->executable))
			continue;
		*rest = segment->size - into;
		return elf->bytes + segment->offset + into;
	}
	return NULL;
}

const uint8_t *elf_file_at(const struct elf_file *elf, uint64_t address, uint64_t *rest)
{
	return find_bytes(elf, address, false, rest);
}

const uint8_t *elf_file_code(const struct elf_file *elf, uint64_t address, uint64_t *rest)
{
	return find_bytes(elf, address, true, rest);
}

static int add_segment(struct elf_file *elf, const Elf64_Phdr *header)
{
	struct elf_segment *segment;

	if (header->p_filesz == 0)
		return 0;
	if (elf->n_segments == ELF_SEGMENTS_MAX)
		return -EBADMSG;
	if (!in_range(elf->size, header->p_offset, header->p_filesz))
		return -EBADMSG;
	if (header->p_filesz > header->p_memsz ||
	    header->p_vaddr + header->p_filesz < header->p_vaddr)
		return -EBADMSG;
	segment = &elf->segments[elf->n_segments++];
	segment->address = header->p_vaddr;
	segment->offset = header->p_offset;
	segment->size = header->p_filesz;
	segment->executable = header->p_flags & PF_X;
	return 0;
}

static int read_segments(struct elf_file *elf, const Elf64_Ehdr *header, uint64_t *dynamic)
{
	uint64_t total = 0;

	if (header->e_phnum == 0)
		return 0;
	if (header->e_phentsize != sizeof(Elf64_Phdr) ||
	    !in_range(elf->size, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr)))
		return -EBADMSG;
	for (size_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr program;
		int err = 0;

		memcpy(&program, elf->bytes + header->e_phoff + i * sizeof(program),
		       sizeof(program));
		if (program.p_type == PT_LOAD)
			err = add_segment(elf, &program);
		else if (program.p_type == PT_DYNAMIC)
			*dynamic = program.p_vaddr;
		if (err)
			return err;
	}
	/* Segments that show the same bytes many times would multiply the searches' work. */
	for (size_t i = 0; i < elf->n_segments; i++)
		total += elf->segments[i].size;
	return total > 2 * elf->size + OVERLAP_SLACK ? -EBADMSG : 0;
}

/* DT_HASH: the number of chains is the number of symbols (gABI, Hash Table). */
static uint64_t count_by_hash(const struct elf_file *elf, uint64_t address)
{
	uint64_t rest;
	const uint8_t *hash = elf_file_at(elf, address, &rest);

	return hash && rest >= 8 ? read32(hash + 4) : 0;
}

/*
 * DT_GNU_HASH: header (buckets, first hashed symbol, bloom words, shift), bloom filter of
 * 64-bit words, buckets, chains. The chain that starts at the highest bucket ends, with its
 * low bit set, at the last symbol.
 */
static uint64_t count_by_gnu_hash(const struct elf_file *elf, uint64_t address)
{
	uint64_t rest, words, n_buckets, first, buckets_at, chains_at, last = 0;
	const uint8_t *hash = elf_file_at(elf, address, &rest);

	if (!hash || rest < 16)
		return 0;
	words = rest / 4;
	n_buckets = read32(hash);
	first = read32(hash + 4);
	buckets_at = 4 + 2 * (uint64_t)read32(hash + 8);
	chains_at = buckets_at + n_buckets;
	if (chains_at > words)
		return 0;
	for (uint64_t i = buckets_at; i < chains_at; i++) {
		uint32_t bucket = read32(hash + 4 * i);

		if (bucket > last)
			last = bucket;
	}
	if (last < first)
		return first;
	for (uint64_t i = chains_at + (last - first); i < words; i++, last++) {
		if (read32(hash + 4 * i) & 1)
			return last + 1;
	}
	return 0;
}

/* What the dynamic section says: addresses, but DT_STRSZ and DT_SONAME. 0: not there. */
struct dynamic_section {
	uint64_t symbols, names, names_size, hash, gnu_hash, soname, relocations, relocations_size;
};

static void read_dynamic_section(const struct elf_file *elf, uint64_t address,
				 struct dynamic_section *d)
{
	uint64_t rest;
	const uint8_t *bytes = elf_file_at(elf, address, &rest);

	memset(d, 0, sizeof(*d));
	for (; bytes && rest >= sizeof(Elf64_Dyn);
	     bytes += sizeof(Elf64_Dyn), rest -= sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		memcpy(&entry, bytes, sizeof(entry));
		if (entry.d_tag == DT_NULL)
			return;
		if (entry.d_tag == DT_SYMTAB)
			d->symbols = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRTAB)
			d->names = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRSZ)
			d->names_size = entry.d_un.d_val;
		else if (entry.d_tag == DT_HASH)
			d->hash = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_GNU_HASH)
			d->gnu_hash = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_SONAME)
			d->soname = entry.d_un.d_val;
		else if (entry.d_tag == DT_RELA)
			d->relocations = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_RELASZ)
			d->relocations_size = entry.d_un.d_val;
	}
}

static void read_dynamic_symbols(struct elf_file *elf, const struct dynamic_section *d)
{
	uint64_t rest, names_rest, count;
	const uint8_t *entries;
	const char *names;

	if (!d->symbols || !d->names)
		return;
	entries = elf_file_at(elf, d->symbols, &rest);
	names = (const char *)elf_file_at(elf, d->names, &names_rest);
	if (!entries || !names || d->names_size > names_rest)
		return;
	if (d->soname && d->soname < d->names_size &&
	    memchr(names + d->soname, '\0', d->names_size - d->soname))
		elf->soname = names + d->soname;
	count = d->gnu_hash ? count_by_gnu_hash(elf, d->gnu_hash) : 0;
	if (!count && d->hash)
		count = count_by_hash(elf, d->hash);
	if (count > rest / sizeof(Elf64_Sym))
		return;
	elf->dynamic = (struct elf_symbols){entries, count, names, d->names_size};
}

static void read_relocations(struct elf_file *elf, const struct dynamic_section *d)
{
	uint64_t rest;
	const uint8_t *entries = d->relocations ? elf_file_at(elf, d->relocations, &rest) : NULL;

	if (!entries || d->relocations_size > rest)
		return;
	elf->relocations = entries;
	elf->n_relocations = d->relocations_size / sizeof(Elf64_Rela);
}

static void read_dynamic(struct elf_file *elf, uint64_t address)
{
	struct dynamic_section d;

	read_dynamic_section(elf, address, &d);
	read_dynamic_symbols(elf, &d);
	read_relocations(elf, &d);
}

static void read_symbol_section(struct elf_file *elf, const uint8_t *headers, uint64_t n,
				const Elf64_Shdr *section, struct elf_symbols *symbols)
{
	Elf64_Shdr names;

	if (symbols->count || section->sh_entsize != sizeof(Elf64_Sym) || section->sh_link >= n)
		return;
	memcpy(&names, headers + section->sh_link * sizeof(names), sizeof(names));
	if (names.sh_type != SHT_STRTAB || !in_range(elf->size, names.sh_offset, names.sh_size) ||
	    !in_range(elf->size, section->sh_offset, section->sh_size))
		return;
	symbols->entries = elf->bytes + section->sh_offset;
	symbols->count = section->sh_size / sizeof(Elf64_Sym);
	symbols->names = (const char *)elf->bytes + names.sh_offset;
	symbols->names_size = names.sh_size;
}

static bool is_named(const struct elf_file *elf, const uint8_t *headers, uint64_t n,
		     const Elf64_Ehdr *header, const Elf64_Shdr *section, const char *name)
{
	size_t size = strlen(name) + 1;
	Elf64_Shdr names;

	if (header->e_shstrndx >= n)
		return false;
	memcpy(&names, headers + header->e_shstrndx * sizeof(names), sizeof(names));
	return in_range(elf->size, names.sh_offset, names.sh_size) &&
	       in_range(names.sh_size, section->sh_name, size) &&
	       memcmp(elf->bytes + names.sh_offset + section->sh_name, name, size) == 0;
}

/* Each file has one at most, and is read once. */
static void read_minidebug(struct elf_file *elf, const Elf64_Shdr *section)
{
	if (!elf->unpacked && in_range(elf->size, section->sh_offset, section->sh_size))
		elf->unpacked = minidebug_open(elf->bytes + section->sh_offset, section->sh_size,
					       &elf->mini);
}

/* The loader does not need sections, so a file without sound ones is no damaged file. */
void elf_file_sections(struct elf_file *elf, const Elf64_Ehdr *header)
{
	const uint8_t *headers;
	uint64_t n = header->e_shnum;
	Elf64_Shdr section;

	if (!header->e_shoff || header->e_shentsize != sizeof(section) ||
	    !in_range(elf->size, header->e_shoff, sizeof(section)))
		return;
	headers = elf->bytes + header->e_shoff;
	if (!n) { /* more than 65279 sections: the number is in the first one */
		memcpy(&section, headers, sizeof(section));
		n = section.sh_size;
	}
	if (n > (elf->size - header->e_shoff) / sizeof(section))
		return;
	for (uint64_t i = 0; i < n; i++) {
		memcpy(&section, headers + i * sizeof(section), sizeof(section));
		if (section.sh_type == SHT_SYMTAB)
			read_symbol_section(elf, headers, n, &section, &elf->full);
		else if (section.sh_type == SHT_DYNSYM)
			read_symbol_section(elf, headers, n, &section, &elf->dynamic);
		/* Inside of it there is no second one: without segments nothing is run. */
		else if (section.sh_type == SHT_PROGBITS && elf->n_segments &&
			 is_named(elf, headers, n, header, &section, ".gnu_debugdata"))
			read_minidebug(elf, &section);
	}
}

int elf_file_open(struct elf_file *elf, const void *image, size_t size)
{
	uint64_t dynamic = 0;
	Elf64_Ehdr header;
	int err;

	memset(elf, 0, sizeof(*elf));
	if (size < EI_NIDENT || memcmp(image, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	memcpy(header.e_ident, image, EI_NIDENT);
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, image, sizeof(header));
	elf->bytes = image;
	elf->size = size;
	elf->machine = header.e_machine;
	elf->type = header.e_type;
	if (elf->type != ET_EXEC && elf->type != ET_DYN)
		return 0; /* nothing that a process can run: no segments, no symbols */
	err = read_segments(elf, &header, &dynamic);
	if (err)
		return err;
	if (dynamic)
		read_dynamic(elf, dynamic);
	elf_file_sections(elf, &header);
	return 0;
}

void elf_file_close(struct elf_file *elf)
{
	free(elf->unpacked);
	elf->unpacked = NULL;
}

/* .symtab may carry the symbol version behind the name: name@VERSION or name@@VERSION. */
static bool name_is(const char *name, uint64_t rest, const char *wanted)
{
	size_t length = strlen(wanted);

	return rest > length && memcmp(name, wanted, length) == 0 &&
	       (name[length] == '\0' || name[length] == '@');
}

static void take_symbol(const struct elf_file *elf, const struct elf_symbols *symbols,
			const Elf64_Sym *symbol, struct elf_function *functions, size_t n)
{
	const char *name = symbols->names + symbol->st_name;
	uint64_t rest = symbols->names_size - symbol->st_name, code;

	for (size_t i = 0; i < n; i++) {
		struct elf_function *function = &functions[i];

		if (function->found || !name_is(name, rest, function->name))
			continue;
		if (!elf_file_code(elf, symbol->st_value, &code))
			continue;
		function->address = symbol->st_value;
		function->size = symbol->st_size;
		function->exported = symbols == &elf->dynamic;
		function->found = true;
	}
}

static void find_in(const struct elf_file *elf, const struct elf_symbols *symbols,
		    struct elf_function *functions, size_t n)
{
	bool first[256] = {false};

	for (size_t i = 0; i < n; i++)
		first[(uint8_t)functions[i].name[0]] = true;
	for (uint64_t i = 0; i < symbols->count; i++) {
		Elf64_Sym symbol;

		memcpy(&symbol, symbols->entries + i * sizeof(symbol), sizeof(symbol));
		if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
		    symbol.st_name >= symbols->names_size ||
		    !first[(uint8_t)symbols->names[symbol.st_name]])
			continue;
		take_symbol(elf, symbols, &symbol, functions, n);
	}
}

void elf_file_find(const struct elf_file *elf, struct elf_function *functions, size_t n)
{
	find_in(elf, &elf->dynamic, functions, n);
	find_in(elf, &elf->full, functions, n);
	find_in(elf, &elf->mini, functions, n);
}
