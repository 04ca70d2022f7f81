/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Go's table of functions in every form that it has had, in files at fixed addresses and in
 * position-independent ones, sound and damaged. Real programs: tests/e2e/go.sh.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <bpf/go.h>
#include <tlspcap/locate.h>

/* Offsets in the file; the segments are loaded at BASE plus these. */
enum {
	BASE = 0x400000,
	AT_TEXT = 0x1000,
	AT_DATA = 0x2000,
	AT_TABLE = 0x2000,
	AT_LIST = 0x100, /* in the table, but for the oldest form */
	AT_RECORDS = 0x300,
	AT_NAMES = 0x600,
	AT_MODULE = 0x3000,
	AT_INFO = 0x3200,
	AT_STRING = 0x3240,
	AT_VERSION = 0x3280,
	AT_DYNAMIC = 0x3300,
	AT_RELOCATIONS = 0x3400,
	IMAGE_SIZE = 0x4000,
	FUNCTION_SIZE = 0x100,
	FIRST = 0x40, /* the first function's distance to the code's beginning */
	N = 7,
};

static const char *const names[N] = {
	"main.main",
	"crypto/tls.(*Conn).Write",
	"crypto/tls.(*Conn).Read",
	"crypto/tls.(*Conn).ReadX",
	"crypto/tls.(*Conn).Close",
	"crypto/tls.keysFromMasterSecret",
	"crypto/tls.(*Config).writeKeyLog",
};

enum form { FORM_1_2, FORM_1_16, FORM_1_18, FORM_1_20 };

static const uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};

struct image {
	uint8_t bytes[IMAGE_SIZE];
	bool relocated; /* addresses are in relocations, and nothing is in their place */
	size_t n_relocations;
};

static void put(struct image *image, uint64_t at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size && at + i < IMAGE_SIZE; i++)
		image->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

static void put_address(struct image *image, uint64_t at, uint64_t address)
{
	const Elf64_Rela relocation = {.r_offset = BASE + at,
				       .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE),
				       .r_addend = (int64_t)address};

	if (!image->relocated) {
		put(image, at, address, 8);
		return;
	}
	memcpy(image->bytes + AT_RELOCATIONS + image->n_relocations++ * sizeof(relocation),
	       &relocation, sizeof(relocation));
}

static uint64_t function_at(size_t i)
{
	return BASE + AT_TEXT + FIRST + FUNCTION_SIZE * i;
}

static void put_head(struct image *image)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)image->bytes;
	Elf64_Phdr *segment = (Elf64_Phdr *)(header + 1);

	memcpy(header->e_ident, ELFMAG, SELFMAG);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_type = image->relocated ? ET_DYN : ET_EXEC;
	header->e_machine = EM_X86_64;
	header->e_phoff = sizeof(*header);
	header->e_phentsize = sizeof(*segment);
	header->e_phnum = image->relocated ? 3 : 2;
	segment[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				  .p_flags = PF_R | PF_X,
				  .p_offset = AT_TEXT,
				  .p_vaddr = BASE + AT_TEXT,
				  .p_filesz = AT_DATA - AT_TEXT,
				  .p_memsz = AT_DATA - AT_TEXT};
	segment[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				  .p_flags = PF_R | PF_W,
				  .p_offset = AT_DATA,
				  .p_vaddr = BASE + AT_DATA,
				  .p_filesz = IMAGE_SIZE - AT_DATA,
				  .p_memsz = IMAGE_SIZE - AT_DATA};
	segment[2] = (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_vaddr = BASE + AT_DYNAMIC};
}

/* Each function: nops, and a return at its middle and at its end. */
static void put_code(struct image *image)
{
	memset(image->bytes + AT_TEXT, 0xcc, AT_DATA - AT_TEXT);
	memset(image->bytes + AT_TEXT + FIRST, 0x90, (size_t)N * FUNCTION_SIZE);
	for (size_t i = 0; i < N; i++) {
		image->bytes[function_at(i) - BASE + FUNCTION_SIZE / 2] = 0xc3;
		image->bytes[function_at(i) - BASE + FUNCTION_SIZE - 1] = 0xc3;
	}
}

static void put_table(struct image *image, enum form form)
{
	const size_t width = form < FORM_1_18 ? 8 : 4;
	const uint64_t list = form == FORM_1_2 ? 16 : AT_LIST;
	const uint64_t records = form == FORM_1_2 ? 0 : AT_LIST;
	const uint64_t names_at = form == FORM_1_2 ? 0 : AT_NAMES;
	uint64_t name = AT_NAMES;

	put(image, AT_TABLE, magics[form], 4);
	put(image, AT_TABLE + 6, 0x0801, 2);
	put(image, AT_TABLE + 8, N, 8);
	if (form != FORM_1_2) {
		put(image, AT_TABLE + (form == FORM_1_16 ? 24 : 32), AT_NAMES, 8);
		put(image, AT_TABLE + (form == FORM_1_16 ? 56 : 64), AT_LIST, 8);
	}
	for (size_t i = 0; i <= N; i++) {
		const uint64_t entry = AT_TABLE + list + 2 * width * i;
		const uint64_t record = AT_RECORDS + 32 * i;

		if (width == 8)
			put_address(image, entry, function_at(i));
		else
			put(image, entry, FIRST + FUNCTION_SIZE * i, 4);
		if (i == N)
			break;
		put(image, entry + width, record - records, width);
		put(image, AT_TABLE + record + width, name - names_at, 4);
		strcpy((char *)image->bytes + AT_TABLE + name, names[i]);
		name += strlen(names[i]) + 1;
	}
}

/* As Go 1.26 and newer have it; `skip` words more in front than there are. */
static void put_module(struct image *image, size_t skip)
{
	put_address(image, AT_MODULE, BASE + AT_TABLE);
	put_address(image, AT_MODULE + 8 * (20 + skip), function_at(0));
	put_address(image, AT_MODULE + 8 * (21 + skip), function_at(N));
	put_address(image, AT_MODULE + 8 * (22 + skip), BASE + AT_TEXT);
}

static void put_version(struct image *image, const char *version)
{
	memcpy(image->bytes + AT_INFO, "\xff Go buildinf:\x08", 15);
	strcpy((char *)image->bytes + AT_VERSION, version);
	put_address(image, AT_INFO + 16, BASE + AT_STRING);
	put_address(image, AT_STRING, BASE + AT_VERSION);
	put(image, AT_STRING + 8, strlen(version), 8);
}

static void put_inline_version(struct image *image, const char *version)
{
	memcpy(image->bytes + AT_INFO, "\xff Go buildinf:\x08\x02", 16);
	image->bytes[AT_INFO + 32] = (uint8_t)strlen(version);
	strcpy((char *)image->bytes + AT_INFO + 33, version);
}

static void end_image(struct image *image)
{
	const Elf64_Dyn dynamic[] = {
		{DT_RELA, {BASE + AT_RELOCATIONS}},
		{DT_RELASZ, {image->n_relocations * sizeof(Elf64_Rela)}},
		{DT_NULL, {0}},
	};

	if (image->relocated)
		memcpy(image->bytes + AT_DYNAMIC, dynamic, sizeof(dynamic));
}

static void start_image(struct image *image, enum form form, bool relocated)
{
	memset(image, 0, sizeof(*image));
	image->relocated = relocated;
	put_head(image);
	put_code(image);
	put_table(image, form);
}

static int locate(const struct image *image, size_t size, struct locate_result *result)
{
	uint8_t *exact = malloc(size ? size : 1);
	int n;

	assert_non_null(exact);
	memcpy(exact, image->bytes, size);
	n = locate_image(exact, size, result, 1);
	free(exact);
	return n;
}

static const struct locate_probe *find(const struct locate_result *result, uint64_t offset)
{
	for (size_t i = 0; i < result->n_probes; i++)
		if (result->probes[i].offset == offset)
			return &result->probes[i];
	return NULL;
}

static void assert_probe(const struct locate_result *result, uint64_t offset, int function,
			 int when, int purpose)
{
	const struct locate_probe *probe = find(result, offset);

	assert_non_null(probe);
	assert_int_equal(probe->function, function);
	assert_int_equal(probe->when, when);
	assert_int_equal(probe->purpose, purpose);
}

static void assert_all(const struct image *image, const char *version, unsigned flags)
{
	static const int functions[N] = {0,	   GO_WRITE,  GO_READ,	    0,
					 GO_CLOSE, GO_MASTER, GO_LOG_SECRET};
	struct locate_result result;
	size_t n = 0;

	assert_int_equal(locate(image, IMAGE_SIZE, &result), 1);
	assert_string_equal(result.family, "go");
	assert_string_equal(result.version, version);
	assert_true(result.secrets);
	assert_true(result.plaintext);
	assert_int_equal(result.layout.flags, flags);
	for (size_t i = 0; i < N; i++) {
		const uint64_t start = function_at(i) - BASE;
		const int purpose =
			functions[i] >= GO_LOG_SECRET ? LOCATE_FOR_SECRETS : LOCATE_FOR_PLAINTEXT;

		if (!functions[i])
			continue;
		assert_probe(&result, start, functions[i], LOCATE_ENTER, purpose);
		n++;
		if (functions[i] > GO_WRITE)
			continue;
		assert_probe(&result, start + FUNCTION_SIZE / 2, functions[i], LOCATE_LEAVE_AT,
			     purpose);
		assert_probe(&result, start + FUNCTION_SIZE - 1, functions[i], LOCATE_LEAVE_AT,
			     purpose);
		n += 2;
	}
	assert_int_equal(result.n_probes, n);
}

static void test_fixed_addresses(void **state)
{
	struct image image;

	(void)state;
	start_image(&image, FORM_1_2, false);
	put_version(&image, "go1.15.15");
	assert_all(&image, "1.15.15", GO_ON_STACK);
	start_image(&image, FORM_1_16, false);
	put_version(&image, "go1.16.3");
	assert_all(&image, "1.16.3", GO_ON_STACK);
	start_image(&image, FORM_1_16, false);
	put_version(&image, "go1.17");
	assert_all(&image, "1.17", 0);
	start_image(&image, FORM_1_18, false);
	put_address(&image, AT_TABLE + 24, BASE + AT_TEXT);
	put_inline_version(&image, "go1.19.8");
	assert_all(&image, "1.19.8", 0);
	start_image(&image, FORM_1_20, false);
	put_address(&image, AT_TABLE + 24, BASE + AT_TEXT);
	put_inline_version(&image, "go1.24.4 X:boringcrypto");
	assert_all(&image, "1.24.4", 0);
}

static void test_position_independent(void **state)
{
	struct image image;

	(void)state;
	start_image(&image, FORM_1_2, true);
	put_version(&image, "go1.15.15");
	end_image(&image);
	assert_all(&image, "1.15.15", GO_ON_STACK);
	start_image(&image, FORM_1_20, true);
	put_address(&image, AT_TABLE + 24, BASE + AT_TEXT);
	put_inline_version(&image, "go1.24.4");
	end_image(&image);
	assert_all(&image, "1.24.4", 0);
}

/* arm64: instructions have one width, and a RET is known by its bits. */
static void test_arm64(void **state)
{
	const uint64_t read = function_at(2) - BASE;
	struct locate_result result;
	struct image image;

	(void)state;
	start_image(&image, FORM_1_20, false);
	((Elf64_Ehdr *)image.bytes)->e_machine = EM_AARCH64;
	put(&image, AT_TABLE + 6, 0x0804, 2);
	put_address(&image, AT_TABLE + 24, BASE + AT_TEXT);
	put_inline_version(&image, "go1.24.4");
	for (uint64_t at = AT_TEXT + FIRST; at < function_at(N) - BASE; at += 4)
		put(&image, at, at % FUNCTION_SIZE == 0 ? 0xd65f03c0 : 0xd503201f, 4);
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 1);
	assert_true(result.secrets);
	assert_true(result.plaintext);
	assert_probe(&result, read, GO_READ, LOCATE_ENTER, LOCATE_FOR_PLAINTEXT);
	assert_probe(&result, read + FUNCTION_SIZE - FIRST, GO_READ, LOCATE_LEAVE_AT,
		     LOCATE_FOR_PLAINTEXT);
	assert_int_equal(result.n_probes, 5 + 2);
}

/* Go 1.26 on: the head does not say where the code begins. */
static void test_text_from_module(void **state)
{
	struct image image;

	(void)state;
	for (int relocated = 0; relocated < 2; relocated++) {
		start_image(&image, FORM_1_20, relocated);
		put_module(&image, relocated ? 3 : 0); /* another release, another place */
		put_inline_version(&image, "go1.27.3");
		end_image(&image);
		assert_all(&image, "1.27.3", 0);
	}
}

static void test_without_module(void **state)
{
	struct locate_result result;
	struct image image;

	(void)state;
	start_image(&image, FORM_1_20, false);
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 1);
	assert_false(result.secrets);
	assert_false(result.plaintext);
	assert_int_equal(result.n_probes, 0);
	assert_non_null(strstr(result.secrets_how, "moduledata"));
	/* A module of other code is not this one's. */
	put_module(&image, 0);
	put_address(&image, AT_MODULE + 8 * 21, function_at(N) + 16);
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 1);
	assert_false(result.secrets);
}

static void test_unknown_convention(void **state)
{
	struct locate_result result;
	struct image image;

	(void)state;
	start_image(&image, FORM_1_16, false); /* registers or stack? */
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 1);
	assert_false(result.secrets);
	assert_non_null(strstr(result.secrets_how, "not known"));
	start_image(&image, FORM_1_2, false);
	put_version(&image, "go1.11.2");
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 1);
	assert_false(result.secrets);
	assert_int_equal(result.n_probes, 0);
	assert_non_null(strstr(result.secrets_how, "1.12"));
}

/* Code that cannot be read to its end may have returns that are not known. */
static void test_unreadable_code(void **state)
{
	struct locate_result result;
	struct image image;

	(void)state;
	start_image(&image, FORM_1_18, false);
	put_address(&image, AT_TABLE + 24, BASE + AT_TEXT);
	image.bytes[function_at(2) - BASE + 7] = 0x06; /* no instruction of 64 bits */
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 1);
	assert_true(result.secrets);
	assert_false(result.plaintext);
	assert_non_null(strstr(result.plaintext_how, "Read"));
	for (size_t i = 0; i < result.n_probes; i++)
		assert_int_equal(result.probes[i].purpose, LOCATE_FOR_SECRETS);
}

static void test_no_tls(void **state)
{
	struct locate_result result;
	struct image image;
	uint8_t *at;

	(void)state;
	start_image(&image, FORM_1_18, false);
	put_address(&image, AT_TABLE + 24, BASE + AT_TEXT);
	while ((at = memmem(image.bytes, IMAGE_SIZE, "crypto/tls", 10)))
		memcpy(at, "crypto/tlz", 10);
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 0);
	memset(image.bytes + AT_TABLE, 0, IMAGE_SIZE - AT_TABLE);
	assert_int_equal(locate(&image, IMAGE_SIZE, &result), 0);
}

static void check_sound(const struct locate_result *result)
{
	assert_true(result->n_probes <= LOCATE_PROBES_MAX);
	for (size_t i = 0; i < result->n_probes; i++)
		assert_true(result->probes[i].offset < IMAGE_SIZE);
}

static void damage(const struct image *image, size_t start, size_t size)
{
	struct image damaged = *image;
	struct locate_result result;

	for (size_t at = start; at < start + size; at++) {
		for (int value = 0x7f; value <= 0xff; value += 0x80) {
			damaged.bytes[at] = (uint8_t)value;
			if (locate(&damaged, IMAGE_SIZE, &result) > 0)
				check_sound(&result);
		}
		damaged.bytes[at] = image->bytes[at];
	}
}

/* Each byte of what is believed, changed; and files that end early. */
static void test_damaged(void **state)
{
	struct locate_result result;
	struct image image;

	(void)state;
	for (int form = FORM_1_2; form <= FORM_1_20; form++) {
		start_image(&image, form, true);
		put_module(&image, 0);
		put_version(&image, "go1.17");
		end_image(&image);
		damage(&image, AT_TABLE, 0x48);		   /* the head */
		damage(&image, AT_TABLE + AT_LIST, 0x48);  /* the list */
		damage(&image, AT_TABLE + AT_RECORDS, 16); /* records */
		damage(&image, AT_INFO + 12, 16);
		damage(&image, AT_STRING, 16);
		damage(&image, AT_DYNAMIC, 32);
		damage(&image, AT_RELOCATIONS, 48);
		for (size_t size = 0; size < IMAGE_SIZE; size += 61)
			if (locate(&image, size, &result) > 0)
				check_sound(&result);
	}
}

/* Tables everywhere, each with as many functions as can be claimed. */
static void test_many_tables(void **state)
{
	struct locate_result result;
	struct image image;

	(void)state;
	start_image(&image, FORM_1_18, false);
	for (uint64_t at = AT_TABLE; at + 0x100 < IMAGE_SIZE; at += 8) {
		put(&image, at, 0x08010000fffffff0, 8);
		at += 8;
		put(&image, at, (at / 16) % 2 ? ~0ull : 64, 8);
	}
	locate(&image, IMAGE_SIZE, &result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_addresses), cmocka_unit_test(test_position_independent),
		cmocka_unit_test(test_arm64),		cmocka_unit_test(test_text_from_module),
		cmocka_unit_test(test_without_module),	cmocka_unit_test(test_unknown_convention),
		cmocka_unit_test(test_unreadable_code), cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_damaged),		cmocka_unit_test(test_many_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
