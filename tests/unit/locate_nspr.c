/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage on NSS: the table of secure sockets, the labels' function, the token's table. */
#include <bpf/nspr.h>

#include "locate_relocations.h"

#define OPS	    12
#define READ_COVERS "\x31\xc9\xe9\0\0\0\0"     /* xor ecx, ecx; jmp */
#define READ_BELOW  "\x48\x8b\x07\xff\x60\x10" /* mov rax, [rdi]; jmp [rax+0x10] */

static const char *const labels[] = {
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET",
	"CLIENT_TRAFFIC_SECRET_0",
	"SERVER_TRAFFIC_SECRET_0",
};

/* What a kind of sockets does; the table's address is `at`. Its function i is ops[i]. */
static void add_ops(struct relocations *relocations, uint64_t at, bool secure, uint64_t ops[OPS])
{
	struct elf_image *image = relocations->image;
	uint64_t nothing = add_code(image, "\xc3", 1);

	for (int i = 0; i < OPS; i++)
		ops[i] = nothing;
	ops[5] = add_code(image, "\xc3", 1);
	ops[6] = add_code(image, "\xc3", 1);
	ops[7] = add_code(image, "\xc3", 1);
	for (int i = 8; i < 10; i++) {
		if (secure) {
			ops[i] = add_code(image, READ_COVERS, sizeof(READ_COVERS) - 1);
			put_relative(image, ops[i] + 3, ops[i - 2]);
		} else {
			ops[i] = add_code(image, READ_BELOW, sizeof(READ_BELOW) - 1);
		}
	}
	for (uint64_t i = 0; i < OPS; i++)
		if (i != 1)
			put_pointer(relocations, at + 8 * i, ops[i]);
}

/* Passes each of the first n labels as the fifth argument; the function that gets them. */
static uint64_t add_derive(struct elf_image *image, size_t n)
{
	static const char call[] = "\x4c\x8d\x05\0\0\0\0\xe8\0\0\0\0"; /* lea r8; call */
	uint64_t derive = add_code(image, "\xc3", 1);
	uint64_t caller = add_code(image, "\xc3", 1);

	for (size_t i = 0; i < n; i++) {
		uint64_t at = caller + i * (sizeof(call) - 1);

		memcpy(image->bytes + at, call, sizeof(call) - 1);
		put_relative(image, at + 3, add_string(image, labels[i]));
		put_relative(image, at + 8, derive);
	}
	add_string(image, "CLIENT_RANDOM");
	return derive;
}

static void start_libssl3(struct elf_image *image)
{
	start_image(image);
	add_function(image, "SSL_ImportFD", "\xc3", 1);
	add_function(image, "SSL_ForceHandshake", "\xc3", 1);
	add_string(image, "Version: NSS 3.99.1 Basic ECC");
}

static void a_library_that_talks(void **state)
{
	uint64_t secure[OPS], plain[OPS], derive;
	struct relocations relocations = {0};
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_libssl3(&image);
	relocations.image = &image;
	add_ops(&relocations, AT_DATA, false, plain);
	add_ops(&relocations, AT_DATA + 0x100, true, secure);
	derive = add_derive(&image, 4);
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.family, "nspr");
	assert_string_equal(result.version, "3.99.1");
	assert_true(result.plaintext && result.secrets);
	assert_int_equal(result.n_probes, 4);
	assert_int_equal(result.probes[0].offset, secure[6]);
	assert_int_equal(result.probes[0].function, NSPR_RECV);
	assert_int_equal(result.probes[1].offset, secure[7]);
	assert_int_equal(result.probes[1].function, NSPR_SEND);
	assert_int_equal(result.probes[2].offset, secure[5]);
	assert_int_equal(result.probes[2].when, LOCATE_ENTER);
	assert_int_equal(result.probes[3].offset, derive);
	assert_int_equal(result.probes[3].purpose, LOCATE_FOR_SECRETS);
}

/* Where relocations are compact, the addresses are in their places. */
static void a_library_with_compact_relocations(void **state)
{
	struct relocations relocations = {0};
	struct locate_result result;
	struct elf_image image;
	uint64_t secure[OPS];

	(void)state;
	start_libssl3(&image);
	relocations.image = &image;
	add_ops(&relocations, AT_DATA, true, secure);
	secure[1] = 0;
	memcpy(image.bytes + AT_DATA, secure, sizeof(secure));
	/* Without the others; and what is data is no code. */
	memset(image.bytes + AT_RELOCATIONS, 0, relocations.n * sizeof(Elf64_Rela));
	header_of(&image)->e_phnum = 3;
	*segment_of(&image, 2) = (Elf64_Phdr){.p_type = PT_LOAD,
					      .p_flags = PF_R | PF_W,
					      .p_offset = AT_DATA,
					      .p_vaddr = 0x10000 + AT_DATA,
					      .p_filesz = 0x400,
					      .p_memsz = 0x400};
	assert_int_equal(locate(&image, &result), 1);
	assert_true(result.plaintext);
	assert_int_equal(result.n_probes, 3);
	assert_true(has_probe(&result, secure[6]) && has_probe(&result, secure[7]));
}

static void no_table_or_two_is_none(void **state)
{
	struct locate_result result;
	struct elf_image image;
	uint64_t ops[OPS];

	(void)state;
	for (int secure = 0; secure <= 2; secure += 2) {
		struct relocations relocations = {&image, 0};

		start_libssl3(&image);
		add_ops(&relocations, AT_DATA, secure, ops);
		if (secure)
			add_ops(&relocations, AT_DATA + 0x100, true, ops);
		assert_int_equal(locate(&image, &result), 1);
		assert_false(result.plaintext);
		assert_non_null(strstr(result.plaintext_how, "not found"));
		assert_int_equal(result.n_probes, 0);
	}
}

/* Whose they are is found in another way; too few labels name no function. */
static void too_few_labels_name_nobody(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_libssl3(&image);
	add_derive(&image, 3);
	assert_int_equal(locate(&image, &result), 1);
	assert_true(result.secrets);
	assert_non_null(strstr(result.secrets_how, "by records"));
	assert_int_equal(result.n_probes, 0);
}

static void make_token(struct elf_image *image, uint16_t size, uint8_t version)
{
	static const char get_vector[] = "\x48\x8d\x05\0\0\0\0\xc3"; /* lea rax; ret */
	const uint8_t header[] = {size & 0xff, size >> 8, 0x25, version};
	struct relocations relocations = {image, 0};
	uint64_t at;

	start_image(image);
	at = add_function(image, "FREEBL_GetVector", get_vector, sizeof(get_vector) - 1);
	put_relative(image, at + 3, AT_DATA);
	memcpy(image->bytes + AT_DATA, header, sizeof(header));
	put_pointer(&relocations, AT_DATA + 8 + 8 * 141, add_code(image, "\xc3", 1));
	put_pointer(&relocations, AT_DATA + 8 + 8 * 143, add_code(image, "\xc3", 1));
	put_pointer(&relocations, AT_DATA + 8 + 8 * 174, add_code(image, "\xc3", 1));
}

static void a_token(void **state)
{
	static const uint8_t functions[] = {NSPR_HMAC_UPDATE, NSPR_HMAC_FINISH, NSPR_P_HASH};
	struct locate_result result;
	struct elf_image image;

	(void)state;
	make_token(&image, 1928, 3);
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.family, "nspr");
	assert_true(result.secrets && !result.plaintext);
	assert_int_equal(result.n_probes, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(result.probes[i].offset, AT_CODE + (i + 1) * FUNCTION_SIZE);
		assert_int_equal(result.probes[i].function, functions[i]);
	}
}

/* Compilers choose between the table and nothing without a branch. */
static void a_token_that_chooses(void **state)
{
	static const char get_vector[] = "\x48\x8d\x05\0\0\0\0" /* lea rax, [vector] */
					 "\x48\x0f\x44\xc8"	/* cmove rcx, rax */
					 "\x48\x89\xc8\xc3";	/* mov rax, rcx; ret */
	struct locate_result result;
	struct elf_image image;

	(void)state;
	make_token(&image, 1928, 3);
	memcpy(image.bytes + AT_CODE, get_vector, sizeof(get_vector) - 1);
	put_relative(&image, AT_CODE + 3, AT_DATA);
	assert_int_equal(locate(&image, &result), 1);
	assert_int_equal(result.n_probes, 3);
}

static void a_token_with_another_table(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	make_token(&image, 1000, 3); /* ends before TLS_P_hash */
	assert_int_equal(locate(&image, &result), 0);
	make_token(&image, 1928, 4);
	assert_int_equal(locate(&image, &result), 0);
	make_token(&image, 1928, 3);
	memset(image.bytes + AT_RELOCATIONS, 0, sizeof(Elf64_Rela)); /* no HMAC_Update */
	add_string(&image, "Version: NSS 3.99");
	assert_int_equal(locate(&image, &result), 1);
	assert_false(result.secrets);
	assert_int_equal(result.n_probes, 0);
	assert_non_null(strstr(result.secrets_how, "HMAC_Update"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library_that_talks),
		cmocka_unit_test(a_library_with_compact_relocations),
		cmocka_unit_test(no_table_or_two_is_none),
		cmocka_unit_test(too_few_labels_name_nobody),
		cmocka_unit_test(a_token),
		cmocka_unit_test(a_token_that_chooses),
		cmocka_unit_test(a_token_with_another_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
