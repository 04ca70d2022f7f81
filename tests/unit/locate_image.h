/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Makes small ELF images for the tests of the locate stage. */
#ifndef TLSPCAP_TESTS_LOCATE_IMAGE_H
#define TLSPCAP_TESTS_LOCATE_IMAGE_H

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tlspcap/locate.h>

/* One segment shows the whole file; the parts have fixed places. */
enum {
	AT_DYNAMIC = 0x200,
	AT_HASH = 0x300,
	AT_SYMBOLS = 0x400,
	AT_NAMES = 0x800,
	AT_STRINGS = 0xc00,
	AT_SECTIONS = 0xf00,
	AT_CODE = 0x1000,
	FUNCTION_SIZE = 0x100,
	IMAGE_SIZE = 0x3000,
};

struct elf_image {
	uint8_t bytes[IMAGE_SIZE];
	size_t n_symbols, n_names, n_strings, n_functions;
};

static inline Elf64_Ehdr *header_of(struct elf_image *image)
{
	return (Elf64_Ehdr *)image->bytes;
}

static inline Elf64_Phdr *segment_of(struct elf_image *image, size_t i)
{
	return (Elf64_Phdr *)(image->bytes + sizeof(Elf64_Ehdr)) + i;
}

static inline void start_image(struct elf_image *image)
{
	Elf64_Ehdr *header;
	Elf64_Dyn *dynamic;

	memset(image, 0, sizeof(*image));
	header = header_of(image);
	dynamic = (Elf64_Dyn *)(image->bytes + AT_DYNAMIC);
	memset(image->bytes + AT_CODE, 0xcc, IMAGE_SIZE - AT_CODE);
	memcpy(header->e_ident, ELFMAG, SELFMAG);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_type = ET_DYN;
	header->e_machine = EM_X86_64;
	header->e_phoff = sizeof(*header);
	header->e_phentsize = sizeof(Elf64_Phdr);
	header->e_phnum = 2;
	*segment_of(image, 0) = (Elf64_Phdr){.p_type = PT_LOAD,
					     .p_flags = PF_R | PF_X,
					     .p_filesz = IMAGE_SIZE,
					     .p_memsz = IMAGE_SIZE};
	*segment_of(image, 1) = (Elf64_Phdr){.p_type = PT_DYNAMIC,
					     .p_offset = AT_DYNAMIC,
					     .p_vaddr = AT_DYNAMIC,
					     .p_filesz = 6 * sizeof(Elf64_Dyn),
					     .p_memsz = 6 * sizeof(Elf64_Dyn)};
	*dynamic++ = (Elf64_Dyn){DT_HASH, {AT_HASH}};
	*dynamic++ = (Elf64_Dyn){DT_SYMTAB, {AT_SYMBOLS}};
	*dynamic++ = (Elf64_Dyn){DT_STRTAB, {AT_NAMES}};
	*dynamic++ = (Elf64_Dyn){DT_STRSZ, {AT_STRINGS - AT_NAMES}};
	*dynamic++ = (Elf64_Dyn){DT_NULL, {0}};
	image->n_symbols = 1;
	image->n_names = 1;
}

static inline Elf64_Sym *add_symbol(struct elf_image *image, const char *name, uint64_t address)
{
	Elf64_Sym *symbol = (Elf64_Sym *)(image->bytes + AT_SYMBOLS) + image->n_symbols++;
	uint32_t count = (uint32_t)image->n_symbols;

	symbol->st_name = (Elf64_Word)image->n_names;
	symbol->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	symbol->st_shndx = 1;
	symbol->st_value = address;
	symbol->st_size = FUNCTION_SIZE;
	strcpy((char *)image->bytes + AT_NAMES + image->n_names, name);
	image->n_names += strlen(name) + 1;
	memcpy(image->bytes + AT_HASH + 4, &count, sizeof(count));
	return symbol;
}

static inline uint64_t add_code(struct elf_image *image, const char *code, size_t size)
{
	uint64_t address = AT_CODE + FUNCTION_SIZE * image->n_functions++;

	assert_true(size <= FUNCTION_SIZE && address + FUNCTION_SIZE <= IMAGE_SIZE);
	memcpy(image->bytes + address, code, size);
	return address;
}

static inline uint64_t add_function(struct elf_image *image, const char *name, const char *code,
				    size_t size)
{
	uint64_t address = add_code(image, code, size);

	add_symbol(image, name, address);
	return address;
}

static inline uint64_t add_string(struct elf_image *image, const char *string)
{
	uint64_t address = AT_STRINGS + image->n_strings;

	strcpy((char *)image->bytes + address, string);
	image->n_strings += strlen(string) + 1;
	return address;
}

static inline void put_relative(struct elf_image *image, uint64_t at, uint64_t target)
{
	int32_t displacement = (int32_t)(target - (at + 4));

	memcpy(image->bytes + at, &displacement, sizeof(displacement));
}

static inline void start_library(struct elf_image *image)
{
	start_image(image);
	add_function(image, "SSL_read", "\xc3", 1);
	add_function(image, "SSL_write", "\xc3", 1);
}

static inline int locate_all(const struct elf_image *image, struct locate_result *results,
			     size_t max)
{
	uint8_t *exact = malloc(IMAGE_SIZE);
	int n;

	assert_non_null(exact);
	memcpy(exact, image->bytes, IMAGE_SIZE);
	n = locate_image(exact, IMAGE_SIZE, results, max);
	free(exact);
	return n;
}

static inline int locate(const struct elf_image *image, struct locate_result *result)
{
	return locate_all(image, result, 1);
}

static inline bool has_probe(const struct locate_result *result, uint64_t offset)
{
	for (size_t i = 0; i < result->n_probes; i++) {
		if (result->probes[i].offset == offset)
			return true;
	}
	return false;
}

#endif
