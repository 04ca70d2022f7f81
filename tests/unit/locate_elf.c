/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage's reading of ELF files: small images, sound and damaged. */
#include <errno.h>
#include <lzma.h>

#include "locate_image.h"

/* --- symbols -------------------------------------------------------------------------- */

static void functions_count_only_when_defined_in_code(void **state)
{
	struct locate_result result;
	struct elf_image image;
	Elf64_Sym *symbol;

	(void)state;
	start_image(&image);
	add_symbol(&image, "SSL_read", AT_CODE);
	symbol = add_symbol(&image, "SSL_write", AT_CODE + 1);
	assert_int_equal(locate(&image, &result), 1);
	symbol->st_shndx = SHN_UNDEF;
	assert_int_equal(locate(&image, &result), 0);
	symbol->st_shndx = 1;
	symbol->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
	assert_int_equal(locate(&image, &result), 0);
	symbol->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
	symbol->st_value = IMAGE_SIZE;
	assert_int_equal(locate(&image, &result), 0);
	symbol->st_value = AT_CODE + 1;
	segment_of(&image, 0)->p_flags = PF_R;
	assert_int_equal(locate(&image, &result), 0);
}

static void aliases_get_one_probe(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_library(&image);
	add_symbol(&image, "SSL_connect", AT_CODE + 0x800);
	add_symbol(&image, "SSL_accept", AT_CODE + 0x800);
	assert_int_equal(locate(&image, &result), 1);
	assert_int_equal(result.n_probes, 3);
}

/* As in a program that holds OpenSSL and exports nothing; .symtab names carry versions. */
static void sections_are_enough(void **state)
{
	struct locate_result result;
	struct elf_image image;
	Elf64_Shdr *sections = (Elf64_Shdr *)(image.bytes + AT_SECTIONS);

	(void)state;
	start_image(&image);
	header_of(&image)->e_phnum = 1;
	header_of(&image)->e_shoff = AT_SECTIONS;
	header_of(&image)->e_shentsize = sizeof(Elf64_Shdr);
	header_of(&image)->e_shnum = 3;
	add_symbol(&image, "SSL_read@@OPENSSL_3.0.0", AT_CODE);
	add_symbol(&image, "SSL_write@OPENSSL_3.0.0", AT_CODE + 1);
	sections[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
				   .sh_offset = AT_SYMBOLS,
				   .sh_size = 3 * sizeof(Elf64_Sym),
				   .sh_entsize = sizeof(Elf64_Sym),
				   .sh_link = 2};
	sections[2] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = AT_NAMES, .sh_size = image.n_names};
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.plaintext_how, "symbol table");

	/* names that reach the end of the table without a NUL are no names */
	sections[2].sh_size = image.n_names - sizeof("@OPENSSL_3.0.0");
	assert_int_equal(locate(&image, &result), 0);
	sections[2].sh_size = UINT64_MAX - AT_NAMES + 1;
	assert_int_equal(locate(&image, &result), 0);
	sections[2].sh_size = image.n_names;
	sections[1].sh_link = 3;
	assert_int_equal(locate(&image, &result), 0);
	sections[1].sh_link = 2;
	sections[1].sh_size = UINT64_MAX;
	assert_int_equal(locate(&image, &result), 0);
	sections[1].sh_size = 3 * sizeof(Elf64_Sym);
	header_of(&image)->e_shnum = 0xfeff;
	assert_int_equal(locate(&image, &result), 0);
	header_of(&image)->e_shnum = 0; /* the number is in the first section */
	sections[0].sh_size = UINT64_MAX;
	assert_int_equal(locate(&image, &result), 0);
	sections[0].sh_size = 3;
	assert_int_equal(locate(&image, &result), 1);
}

/* An ELF file of sections only: two functions, with the addresses of the program's. */
static size_t make_minidebug(uint8_t *packed, size_t room, uint64_t address)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Shdr sections[3];
		Elf64_Sym symbols[3];
		char names[32];
	} inner = {0};
	size_t size = 0;

	memcpy(inner.header.e_ident, ELFMAG, SELFMAG);
	inner.header.e_ident[EI_CLASS] = ELFCLASS64;
	inner.header.e_ident[EI_DATA] = ELFDATA2LSB;
	inner.header.e_shoff = sizeof(inner.header);
	inner.header.e_shentsize = sizeof(Elf64_Shdr);
	inner.header.e_shnum = 3;
	inner.sections[1] =
		(Elf64_Shdr){.sh_type = SHT_SYMTAB,
			     .sh_offset = (uint64_t)((char *)inner.symbols - (char *)&inner),
			     .sh_size = sizeof(inner.symbols),
			     .sh_entsize = sizeof(Elf64_Sym),
			     .sh_link = 2};
	inner.sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
					 .sh_offset = (uint64_t)(inner.names - (char *)&inner),
					 .sh_size = sizeof(inner.names)};
	memcpy(inner.names, "\0SSL_read\0SSL_write", 20);
	for (size_t i = 0; i < 2; i++)
		inner.symbols[1 + i] = (Elf64_Sym){.st_name = i ? 10 : 1,
						   .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC),
						   .st_shndx = 1,
						   .st_value = address + i * FUNCTION_SIZE,
						   .st_size = FUNCTION_SIZE};
	assert_int_equal(lzma_easy_buffer_encode(LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64, NULL,
						 (const uint8_t *)&inner, sizeof(inner), packed,
						 &size, room),
			 LZMA_OK);
	return size;
}

static void add_minidebug(struct elf_image *image, size_t offset, size_t size)
{
	Elf64_Shdr *sections = (Elf64_Shdr *)(image->bytes + AT_SECTIONS);
	Elf64_Ehdr *header = header_of(image);

	memset(sections, 0, 3 * sizeof(*sections));
	header->e_shoff = AT_SECTIONS;
	header->e_shentsize = sizeof(Elf64_Shdr);
	header->e_shnum = 3;
	header->e_shstrndx = 1;
	sections[1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB, .sh_offset = AT_STRINGS, .sh_size = image->n_strings};
	sections[2] = (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_offset = offset, .sh_size = size};
}

static void names_are_found_in_minidebuginfo(void **state)
{
	uint8_t packed[0x800] = {0};
	struct locate_result result;
	struct elf_image image;
	uint64_t address;
	size_t size;

	(void)state;
	start_image(&image);
	address = add_code(&image, "\xc3", 1);
	add_code(&image, "\xc3", 1);
	add_string(&image, ".gnu_debugdata");
	size = make_minidebug(packed, sizeof(packed), address);
	memcpy(image.bytes + IMAGE_SIZE - sizeof(packed), packed, sizeof(packed));
	add_minidebug(&image, IMAGE_SIZE - 0x800, size);
	assert_int_equal(locate(&image, &result), 1);
	assert_true(has_probe(&result, address));
	assert_string_equal(result.plaintext_how, "MiniDebugInfo");
	/* Cut short, and damaged: no names, no harm. */
	add_minidebug(&image, IMAGE_SIZE - 0x800, size / 2);
	assert_int_equal(locate(&image, &result), 0);
	add_minidebug(&image, IMAGE_SIZE - 0x800, UINT64_MAX);
	assert_int_equal(locate(&image, &result), 0);
	add_minidebug(&image, IMAGE_SIZE - 0x800, size);
	image.bytes[IMAGE_SIZE - sizeof(packed) + size / 2] ^= 0x55;
	assert_int_equal(locate(&image, &result), 0);
}

/* What unpacks to more than any program's symbols is left packed, soon and in little memory. */
static void minidebuginfo_that_grows_without_end_is_refused(void **state)
{
	size_t unpacked = (size_t)256 << 20, size = 0;
	uint8_t *zeros = calloc(1, unpacked), packed[0x10000];
	struct locate_result result;
	struct elf_image image;

	(void)state;
	assert_non_null(zeros);
	assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, zeros, unpacked, packed,
						 &size, sizeof(packed)),
			 LZMA_OK);
	free(zeros);
	start_image(&image);
	add_string(&image, ".gnu_debugdata");
	/* The first 7 KiB, which are 50 MiB. */
	assert_true(size > 0x1c00);
	memcpy(image.bytes + IMAGE_SIZE - 0x1c00, packed, 0x1c00);
	add_minidebug(&image, IMAGE_SIZE - 0x1c00, 0x1c00);
	assert_int_equal(locate(&image, &result), 0);
}

static void other_machines_give_plaintext_only(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_library(&image);
	add_function(&image, "ssl_log_secret", "\xc3", 1);
	header_of(&image)->e_machine = EM_RISCV;
	assert_int_equal(locate(&image, &result), 1);
	assert_true(result.plaintext);
	assert_false(result.secrets);
	assert_non_null(strstr(result.secrets_how, "243"));
}

/* Enough to say that it is not captured, and no more. */
static void a_tls_library_of_another_class_is_named(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_library(&image);
	header_of(&image)->e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(locate(&image, &result), -ENOEXEC);
	add_string(&image, "CLIENT_RANDOM");
	assert_int_equal(locate(&image, &result), -ENOTSUP);
	header_of(&image)->e_ident[EI_CLASS] = ELFCLASS64;
	assert_int_equal(locate(&image, &result), 1);
	assert_int_equal(result.machine, EM_X86_64);
	header_of(&image)->e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(locate(&image, &result), -ENOTSUP);
}

/* --- damage --------------------------------------------------------------------------- */

static void files_of_other_kinds_are_told_apart(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_library(&image);
	assert_int_equal(locate_image(image.bytes, 0, &result, 1), -ENOEXEC);
	assert_int_equal(locate_image("#!/bin/sh\nexit 0\n", 17, &result, 1), -ENOEXEC);
	assert_int_equal(locate_image(image.bytes, 63, &result, 1), -EBADMSG);
	assert_int_equal(locate_image(image.bytes, IMAGE_SIZE, &result, 0), 0);
	image.bytes[EI_CLASS] = ELFCLASS32;
	assert_int_equal(locate(&image, &result), -ENOEXEC);
	image.bytes[EI_CLASS] = ELFCLASS64;
	image.bytes[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(locate(&image, &result), -ENOEXEC);
	image.bytes[EI_DATA] = ELFDATA2LSB;
	header_of(&image)->e_type = ET_REL;
	assert_int_equal(locate(&image, &result), 0);
}

static void damaged_segments_are_refused(void **state)
{
	struct elf_image sound, image;
	struct locate_result result;

	(void)state;
	start_library(&sound);
	image = sound;
	header_of(&image)->e_phnum = 0xffff;
	assert_int_equal(locate(&image, &result), -EBADMSG);
	image = sound;
	header_of(&image)->e_phoff = UINT64_MAX - 8;
	assert_int_equal(locate(&image, &result), -EBADMSG);
	image = sound;
	header_of(&image)->e_phentsize = 1;
	assert_int_equal(locate(&image, &result), -EBADMSG);
	image = sound;
	segment_of(&image, 0)->p_offset = 1;
	assert_int_equal(locate(&image, &result), -EBADMSG);
	image = sound;
	segment_of(&image, 0)->p_offset = UINT64_MAX;
	assert_int_equal(locate(&image, &result), -EBADMSG);
	image = sound;
	segment_of(&image, 0)->p_vaddr = UINT64_MAX - 16;
	assert_int_equal(locate(&image, &result), -EBADMSG);
	image = sound;
	segment_of(&image, 0)->p_memsz = 1;
	assert_int_equal(locate(&image, &result), -EBADMSG);
}

static void segments_that_repeat_the_file_are_refused(void **state)
{
	struct locate_result result;
	struct elf_image *image = calloc(1, sizeof(*image));
	const size_t n = 16;
	Elf64_Phdr *segments;

	(void)state;
	assert_non_null(image);
	start_library(image);
	segments = (Elf64_Phdr *)(image->bytes + AT_SECTIONS);
	for (size_t i = 0; i < n; i++)
		memcpy(&segments[i], segment_of(image, 0), sizeof(*segments));
	header_of(image)->e_phoff = AT_SECTIONS;
	header_of(image)->e_phnum = (Elf64_Half)n;
	assert_int_equal(locate(image, &result), -EBADMSG);
	free(image);
}

static void damaged_dynamic_tables_give_no_symbols(void **state)
{
	static const struct {
		int tag;
		uint64_t value;
	} changes[] = {
		{0, UINT64_MAX},     {0, IMAGE_SIZE - 4}, {1, UINT64_MAX},
		{1, IMAGE_SIZE - 1}, {2, IMAGE_SIZE},	  {2, UINT64_MAX - 8},
		{3, UINT64_MAX},     {3, IMAGE_SIZE},	  {3, 0},
	};
	struct locate_result result;
	struct elf_image image;
	uint32_t huge = UINT32_MAX;

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		start_library(&image);
		((Elf64_Dyn *)(image.bytes + AT_DYNAMIC))[changes[i].tag].d_un.d_val =
			changes[i].value;
		assert_int_equal(locate(&image, &result), 0);
	}
	start_library(&image);
	memcpy(image.bytes + AT_HASH + 4, &huge, sizeof(huge));
	assert_int_equal(locate(&image, &result), 0);
	start_library(&image);
	((Elf64_Dyn *)(image.bytes + AT_DYNAMIC))->d_tag = DT_GNU_HASH;
	memset(image.bytes + AT_HASH, 0xff, 64);
	assert_int_equal(locate(&image, &result), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_count_only_when_defined_in_code),
		cmocka_unit_test(aliases_get_one_probe),
		cmocka_unit_test(sections_are_enough),
		cmocka_unit_test(names_are_found_in_minidebuginfo),
		cmocka_unit_test(minidebuginfo_that_grows_without_end_is_refused),
		cmocka_unit_test(other_machines_give_plaintext_only),
		cmocka_unit_test(a_tls_library_of_another_class_is_named),
		cmocka_unit_test(files_of_other_kinds_are_told_apart),
		cmocka_unit_test(damaged_segments_are_refused),
		cmocka_unit_test(segments_that_repeat_the_file_are_refused),
		cmocka_unit_test(damaged_dynamic_tables_give_no_symbols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
