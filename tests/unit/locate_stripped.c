/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage on programs that have OpenSSL or BoringSSL inside and no symbols of it. */
#include <bpf/openssl.h>

#include "locate_image.h"

struct code {
	const char *bytes;
	size_t size;
};
#define CODE(string)                                                                               \
	{                                                                                          \
		string, sizeof(string) - 1                                                         \
	}

static const char *const labels[] = {"CLIENT_RANDOM", "EXPORTER_SECRET", "SERVER_TRAFFIC_SECRET_0"};

/* A program that calls `function` with each label as second argument. */
static uint64_t make_program(struct elf_image *image, const struct code *function)
{
	static const char call[] = "\x48\x8d\x35\0\0\0\0\xe8\0\0\0\0\xc3"; /* lea rsi; call; ret */
	uint64_t target;

	start_image(image);
	target = add_code(image, function->bytes, function->size);
	for (size_t i = 0; i < 3; i++) {
		uint64_t at = add_code(image, call, sizeof(call) - 1);

		put_relative(image, at + 3, add_string(image, labels[i]));
		put_relative(image, at + 8, target);
	}
	return target;
}

#define TO_HEX                                                                                     \
	"\xc0\xea\x04"	   /* shr dl, 4 */                                                         \
	"\x88\x14\x4e"	   /* mov [rsi+rcx*2], dl */                                               \
	"\x48\xff\xc1"	   /* inc rcx */                                                           \
	"\x48\x83\xf9\x20" /* cmp rcx, 32 */

static const struct {
	const char *what;
	struct code code;
	struct tlspcap_path path;
	bool unproved;
} functions[] = {
	{"passes it on",
	 CODE("\x48\x89\xf8\x49\x89\xd0\x48\x89\xf7\x49\x89\xc9"
	      "\x48\x8d\x90\x60\x01\0\0\xb9\x20\0\0\0"
	      "\x48\x89\xc6\xe9\0\0\x10\0"),
	 {1, {0x160}},
	 false},
	{"prints it, behind a pointer, counting from 0",
	 CODE("\x4c\x8b\x67\x30"	 /* mov r12, [rdi+0x30] */
	      "\x31\xc9"		 /* xor ecx, ecx */
	      "\x41\x0f\xb6\x54\x0c\x30" /* movzx edx, byte [r12+rcx+0x30] */
	      TO_HEX "\x75\xeb\xc3"),	 /* jne to the load; ret */
	 {2, {0x30, 0x30}},
	 true},
	{"prints it by a pointer that moves on",
	 CODE("\x4c\x8d\xbf\x60\x01\0\0" /* lea r15, [rdi+0x160] */
	      "\x31\xc9"		 /* xor ecx, ecx */
	      "\x41\x0f\xb6\x17"	 /* movzx edx, byte [r15] */
	      "\x49\x83\xc7\x01"	 /* add r15, 1 */
	      TO_HEX "\x75\xe9\xc3"),	 /* jne to the load; ret */
	 {1, {0x160}},
	 true},
	{"prints it, 16 bytes at once",
	 CODE("\xf3\x0f\x6f\x87\x88\x01\0\0" /* movdqu xmm0, [rdi+0x188] */
	      "\xf3\x0f\x6f\x8f\x98\x01\0\0" /* movdqu xmm1, [rdi+0x198] */
	      "\x66\x0f\x38\x00\xc1\xc3"),   /* pshufb xmm0, xmm1; ret */
	 {1, {0x188}},
	 true},
};

static void the_function_that_logs_tells_the_client_random(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		struct locate_result result;
		struct elf_image image;
		uint64_t target = make_program(&image, &functions[i].code);

		print_message("  %s\n", functions[i].what);
		assert_int_equal(locate(&image, &result), 1);
		assert_string_equal(result.family, "openssl");
		assert_true(result.secrets);
		assert_false(result.plaintext);
		assert_int_equal(result.n_probes, 1);
		assert_true(has_probe(&result, target));
		assert_int_equal(result.probes[0].function, OPENSSL_LOG_SECRET);
		assert_int_equal(result.probes[0].purpose, LOCATE_FOR_SECRETS);
		assert_memory_equal(&result.layout.client_random, &functions[i].path,
				    sizeof(struct tlspcap_path));
		assert_int_equal(result.layout.flags,
				 functions[i].unproved ? OPENSSL_RANDOM_UNPROVED : 0);
	}
}

/* mov eax, [rdi+0x10]; call [rax]; ret */
static const struct code silent = CODE("\x8b\x47\x10\xff\x10\xc3");

static void a_function_that_tells_nothing_is_believed_of_a_known_library(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	make_program(&image, &silent);
	assert_int_equal(locate(&image, &result), 0);
	add_string(&image, "OpenSSL 3.2.1 30 Jan 2024");
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.version, "3.2.1");
	assert_true(result.secrets);
	assert_int_equal(result.layout.flags, OPENSSL_RANDOM_UNPROVED);
	for (size_t i = 0; i < 3; i++)
		assert_int_not_equal(result.layout.path[i].steps, 0);
}

/* Two fields that are read byte by byte, far from each other: neither is believed. */
static void two_fields_are_none(void **state)
{
	static const struct code two = CODE("\x0f\xb6\x87\x60\x01\0\0\x0f\xb6\x8f\x90\x01\0\0\xc3");
	struct locate_result result;
	struct elf_image image;

	(void)state;
	make_program(&image, &two);
	assert_int_equal(locate(&image, &result), 0);
}

static void programs_without_the_function_are_none(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_image(&image);
	for (size_t i = 0; i < 3; i++)
		add_string(&image, labels[i]);
	add_string(&image, "OpenSSL 3.2.1 30 Jan 2024");
	assert_int_equal(locate(&image, &result), 0);
}

/* Another family knows the same function by its symbols: the program is its alone. */
static void gnutls_has_a_family_of_its_own(void **state)
{
	/* lea rax, [rdi+0x60]; mov [rsi], rax; ret */
	static const char get_random[] = "\x48\x8d\x47\x60\x48\x89\x06\xc3";
	struct locate_result results[2];
	struct elf_image image;

	(void)state;
	make_program(&image, &functions[0].code);
	add_function(&image, "gnutls_handshake", "\xc3", 1);
	add_function(&image, "gnutls_record_recv", "\xc3", 1);
	add_function(&image, "gnutls_record_send", "\xc3", 1);
	add_function(&image, "gnutls_session_get_random", get_random, sizeof(get_random) - 1);
	assert_int_equal(locate_all(&image, results, 2), 1);
	assert_string_equal(results[0].family, "gnutls");
	assert_true(results[0].secrets);
}

static void boringssl_is_told_from_what_it_says_to_be(void **state)
{
	static const struct {
		const char *text, *version;
	} cases[] = {
		{"OpenSSL 1.1.1 (compatible; BoringSSL)", "BoringSSL"},
		{"Failed to create BoringSSLCertificate", "BoringSSL"},
		{"OpenSSL 1.1.1w  11 Sep 2023", "1.1.1w"},
		{"LibreSSL 3.8.2", "LibreSSL 3.8.2"},
		{"nothing", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct locate_result result;
		struct elf_image image;

		make_program(&image, &functions[1].code);
		add_string(&image, cases[i].text);
		assert_int_equal(locate(&image, &result), 1);
		assert_string_equal(result.version, cases[i].version);
	}
}

/* Two segments that show the same bytes, full of a name without a version: an end comes. */
static void segments_that_overlap_are_searched_once_each(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	make_program(&image, &functions[1].code);
	for (int i = 0; i < 8; i++)
		add_string(&image, "OpenSSL none, LibreSSL none");
	header_of(&image)->e_phnum = 3;
	*segment_of(&image, 2) = (Elf64_Phdr){.p_type = PT_LOAD,
					      .p_flags = PF_R,
					      .p_offset = 0x800,
					      .p_vaddr = 0x10000,
					      .p_filesz = IMAGE_SIZE - 0x800,
					      .p_memsz = IMAGE_SIZE};
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.version, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_function_that_logs_tells_the_client_random),
		cmocka_unit_test(a_function_that_tells_nothing_is_believed_of_a_known_library),
		cmocka_unit_test(two_fields_are_none),
		cmocka_unit_test(programs_without_the_function_are_none),
		cmocka_unit_test(gnutls_has_a_family_of_its_own),
		cmocka_unit_test(segments_that_overlap_are_searched_once_each),
		cmocka_unit_test(boringssl_is_told_from_what_it_says_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
