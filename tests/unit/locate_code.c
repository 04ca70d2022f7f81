/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The locate stage on small images: code that compilers make of the same source in other
 * ways, and code that must not be believed.
 */
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

/* --- fields -------------------------------------------------------------------------- */

/* 3.2: plain TLS is the object itself, QUIC has it behind a pointer. */
#define QUIC_BEHIND_POINTER                                                                        \
	"\x8b\x07"				   /* mov eax, [rdi] */                            \
	"\x85\xc0"				   /* test eax, eax */                             \
	"\x74\x04"				   /* je +4 */                                     \
	"\x48\x8b\x7f\x58"			   /* mov rdi, [rdi+0x58] */                       \
	"\x48\x8b\x87\x88\x01\0\0\x48\x89\x06\xc3" /* mov rax, [rdi+0x188]; mov [rsi], rax; ret */

static const struct {
	const char *what;
	struct code code;
	struct tlspcap_path path;
} randoms[] = {
	{"a field",
	 CODE("\x48\x8b\x87\x60\x01\0\0" /* mov rax, [rdi+0x160] */
	      "\x48\x89\x06\xc3"),	 /* mov [rsi], rax; ret */
	 {1, {0x160}}},
	{"a vector register",
	 CODE("\xf3\x0f\x6f\x87\x60\x01\0\0" /* movdqu xmm0, [rdi+0x160] */
	      "\x0f\x11\x06\xc3"),	     /* movups [rsi], xmm0; ret */
	 {1, {0x160}}},
	{"a tail call of memcpy, the field behind a pointer",
	 CODE("\x48\x8b\x47\x30"	 /* mov rax, [rdi+0x30] */
	      "\x48\x83\xc0\x30"	 /* add rax, 0x30 */
	      "\x48\x89\xf7\x48\x89\xc6" /* mov rdi, rsi; mov rsi, rax */
	      "\xe9\xf0\xff\x0f\0"),	 /* jmp far away */
	 {2, {0x30, 0x30}}},
	{"the offset first, the pointer added to it",
	 CODE("\x48\x89\xf0"	     /* mov rax, rsi */
	      "\xbe\xb8\0\0\0"	     /* mov esi, 0xb8 */
	      "\x48\x03\x77\x38"     /* add rsi, [rdi+0x38] */
	      "\x48\x89\xc7"	     /* mov rdi, rax */
	      "\xe8\0\0\x10\0\xc3"), /* call memcpy; ret */
	 {2, {0x38, 0xb8}}},
	{"no optimization: all through the stack",
	 CODE("\x55\x48\x89\xe5\x48\x83\xec\x20"	 /* push rbp; mov rbp, rsp; sub rsp, 32 */
	      "\x48\x89\x7d\xf8\x48\x89\x75\xf0"	 /* mov [rbp-8], rdi; mov [rbp-16], rsi */
	      "\x48\x8b\x45\xf8\x48\x8d\x88\x60\x01\0\0" /* mov rax, [rbp-8]; lea rcx, … */
	      "\x48\x8b\x45\xf0"			 /* mov rax, [rbp-16] */
	      "\x48\x89\xce\x48\x89\xc7"		 /* mov rsi, rcx; mov rdi, rax */
	      "\xe8\0\0\x10\0\xc9\xc3"),		 /* call memcpy; leave; ret */
	 {1, {0x160}}},
	{"QUIC behind a pointer", CODE(QUIC_BEHIND_POINTER), {1, {0x188}}},
	{"two answers",
	 CODE("\x48\x85\xd2\x74\x0b"			   /* test rdx, rdx; je +11 */
	      "\x48\x8b\x87\x60\x01\0\0\x48\x89\x06\xc3"   /* [rdi+0x160] to [rsi]; ret */
	      "\x48\x8b\x87\x70\x01\0\0\x48\x89\x06\xc3"), /* [rdi+0x170] to [rsi]; ret */
	 {0}},
	{"a changed value",
	 CODE("\x48\x8b\x87\x60\x01\0\0\x48\xf7\xd0" /* mov rax, [rdi+0x160]; not rax */
	      "\x48\x89\x06\xc3"),
	 {0}},
	{"an index in the address",
	 CODE("\x48\x8b\x84\x17\x60\x01\0\0" /* mov rax, [rdi+rdx+0x160] */
	      "\x48\x89\x06\xc3"),
	 {0}},
	{"after a call that may have changed the register",
	 CODE("\xe8\0\0\x10\0" /* call */
	      "\x48\x8b\x87\x60\x01\0\0\x48\x89\x06\xc3"),
	 {0}},
	{"a negative offset", CODE("\x48\x8b\x87\x60\xff\xff\xff\x48\x89\x06\xc3"), {0}},
	{"the object's start", CODE("\x48\x8b\x07\x48\x89\x06\xc3"), {0}},
	{"four loads in a row",
	 CODE("\x48\x8b\x47\x08\x48\x8b\x40\x08\x48\x8b\x40\x08\x48\x8b\x40\x08"
	      "\x48\x89\x06\xc3"),
	 {0}},
	{"an endless loop", CODE("\xeb\xfe"), {0}},
	{"bytes that are no code", CODE("\x06\x06\x06"), {0}},
};

static void the_client_random_is_found_in_what_compilers_make(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
		struct locate_result result;
		struct elf_image image;

		print_message("%s\n", randoms[i].what);
		start_library(&image);
		add_function(&image, "ssl_log_secret", "\xc3", 1);
		add_function(&image, "SSL_get_client_random", randoms[i].code.bytes,
			     randoms[i].code.size);
		assert_int_equal(locate(&image, &result), 1);
		assert_true(result.plaintext);
		assert_true(result.secrets);
		/* What is not understood is guessed, and has to be proved. */
		assert_int_equal(result.layout.flags,
				 randoms[i].path.steps ? 0 : OPENSSL_RANDOM_UNPROVED);
		if (!randoms[i].path.steps)
			continue;
		assert_memory_equal(&result.layout.client_random, &randoms[i].path,
				    sizeof(struct tlspcap_path));
	}
}

static const struct {
	struct code code;
	struct tlspcap_path path;
} flags[] = {
	{CODE("\x8b\x47\x38\xc3"), {1, {0x38}}},		   /* mov eax, [rdi+0x38]; ret */
	{CODE("\x0f\xb6\x47\x38\xc3"), {0}},			   /* a byte */
	{CODE("\x8b\x47\x38\x83\xe0\x01\xc3"), {0}},		   /* a bit */
	{CODE("\x31\xc0\xc3"), {0}},				   /* return 0 */
	{CODE("\x48\x85\xff\x74\x04\x8b\x47\x78\xc3\x31\xc0\xc3"), /* 0 when there is none */
	 {1, {0x78}}},
	{CODE("\x8b\x47\x38\x89\x44\x24\xfc" /* through the stack, */
	      "\xc7\x44\x24\xf8\0\0\0\0"     /* beside another int */
	      "\x8b\x44\x24\xfc\xc3"),
	 {1, {0x38}}},
	{CODE("\x8b\x47\x38\x89\x44\x24\xfc"
	      "\x66\xc7\x44\x24\xfe\0\0" /* half of it overwritten */
	      "\x8b\x44\x24\xfc\xc3"),
	 {0}},
	{CODE("\x8b\x07\x85\xc0\x75\x04\x8b\x47\x78\xc3" /* QUIC: another field */
	      "\x48\x8b\x47\x58\x8b\x40\x78\xc3"),
	 {1, {0x78}}},
};

static void the_server_flag_is_an_int_or_unknown(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct locate_result result;
		struct elf_image image;

		start_library(&image);
		add_function(&image, "SSL_is_server", flags[i].code.bytes, flags[i].code.size);
		assert_int_equal(locate(&image, &result), 1);
		assert_memory_equal(&result.layout.server_flag, &flags[i].path,
				    sizeof(struct tlspcap_path));
	}
}

/* --- the function that logs secrets --------------------------------------------------- */

static const char *const three_labels[] = {"CLIENT_RANDOM", "EXPORTER_SECRET",
					   "SERVER_TRAFFIC_SECRET_0"};

/* ssl_log_secret without a symbol: passes (label, object, object + 0x160, 32, …) on. */
static const char log_secret[] = "\x48\x89\xf8\x49\x89\xd0\x48\x89\xf7\x49\x89\xc9"
				 "\x48\x8d\x90\x60\x01\0\0\xb9\x20\0\0\0"
				 "\x48\x89\xc6\xe9\0\0\x10\0";

static uint64_t add_log_secret(struct elf_image *image)
{
	return add_code(image, log_secret, sizeof(log_secret) - 1);
}

/* `before` lea rsi, label; `between` call target */
static void add_call(struct elf_image *image, const char *label, const struct code *lea,
		     const struct code *between, uint64_t target)
{
	char code[64];
	uint64_t at;

	memcpy(code, lea->bytes, lea->size);
	memset(code + lea->size, 0, 4);
	memcpy(code + lea->size + 4, between->bytes, between->size);
	memcpy(code + lea->size + 4 + between->size, "\xe8\0\0\0\0\xc3", 6);
	at = add_code(image, code, lea->size + between->size + 10);
	put_relative(image, at + lea->size, add_string(image, label));
	put_relative(image, at + lea->size + 5 + between->size, target);
}

static const struct code lea_rsi = CODE("\x48\x8d\x35"), lea_rax = CODE("\x48\x8d\x05");
static const struct code nothing = CODE(""), rax_to_rsi = CODE("\x48\x89\xc6");

static void start_stripped_library(struct elf_image *image)
{
	start_library(image);
	add_function(image, "SSL_get_client_random", randoms[0].code.bytes, randoms[0].code.size);
}

static void labels_as_second_argument_elect_the_function(void **state)
{
	struct locate_result result;
	struct elf_image image;
	uint64_t target;

	(void)state;
	start_stripped_library(&image);
	target = add_log_secret(&image);
	add_call(&image, three_labels[0], &lea_rsi, &nothing, target);
	add_call(&image, three_labels[1], &lea_rax, &rax_to_rsi, target);
	add_call(&image, three_labels[2], &lea_rsi, &nothing, target);
	assert_int_equal(locate(&image, &result), 1);
	assert_true(result.secrets);
	assert_true(has_probe(&result, target));
	assert_non_null(strstr(result.secrets_how, "3 key log labels"));
	assert_non_null(
		strstr(result.secrets_how, "+0x160 (SSL_get_client_random, ssl_log_secret)"));
}

static void labels_in_code_at_fixed_addresses_are_found(void **state)
{
	static const struct code mov_esi = CODE("\xbe");
	struct locate_result result;
	struct elf_image image;
	uint64_t target;

	(void)state;
	start_stripped_library(&image);
	header_of(&image)->e_type = ET_EXEC;
	target = add_log_secret(&image);
	for (size_t i = 0; i < 3; i++) {
		uint32_t label = (uint32_t)(AT_STRINGS + image.n_strings);
		uint64_t at = AT_CODE + FUNCTION_SIZE * image.n_functions;

		add_call(&image, three_labels[i], &mov_esi, &nothing, target);
		memcpy(image.bytes + at + 1, &label, sizeof(label));
	}
	assert_int_equal(locate(&image, &result), 1);
	assert_true(has_probe(&result, target));
}

static void the_logging_function_alone_tells_the_client_random(void **state)
{
	struct locate_result result;
	struct elf_image image;
	uint64_t target;

	(void)state;
	start_library(&image);
	target = add_log_secret(&image);
	for (size_t i = 0; i < 3; i++)
		add_call(&image, three_labels[i], &lea_rsi, &nothing, target);
	assert_int_equal(locate(&image, &result), 1);
	assert_true(result.secrets);
	assert_int_equal(result.layout.client_random.offset[0], 0x160);
}

static void two_sources_that_disagree_are_not_believed(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_library(&image);
	add_function(&image, "SSL_get_client_random", QUIC_BEHIND_POINTER,
		     sizeof(QUIC_BEHIND_POINTER) - 1);
	add_function(&image, "ssl_log_secret", log_secret, sizeof(log_secret) - 1);
	assert_int_equal(locate(&image, &result), 1);
	assert_false(result.secrets);
	assert_int_equal(result.layout.client_random.steps, 0);
	assert_non_null(strstr(result.secrets_how, "disagree"));
}

static void weak_votes_elect_nothing(void **state)
{
	static const struct code other_rsi = CODE("\x31\xf6"); /* xor esi, esi */
	static const struct {
		const char *labels[3];
		const struct code *lea, *between;
	} cases[] = {
		{{"CLIENT_RANDOM", "EXPORTER_SECRET", "EXPORTER_SECRET"}, &lea_rsi, &nothing},
		{{"CLIENT_TRAFFIC_SECRET_0", "EXPORTER_SECRET", "SERVER_TRAFFIC_SECRET_0"},
		 &lea_rsi,
		 &nothing},
		{{"CLIENT_RANDOM", "EXPORTER_SECRET", "SERVER_TRAFFIC_SECRET_0"},
		 &lea_rsi,
		 &other_rsi},
		{{"CLIENT_RANDOM", "EXPORTER_SECRET", "SERVER_TRAFFIC_SECRET_0"},
		 &lea_rax,
		 &nothing},
		{{"CLIENT_RANDOM", "EXPORTER_SECRET", "SERVER_TRAFFIC_SECRETS"},
		 &lea_rsi,
		 &nothing},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct locate_result result;
		struct elf_image image;
		uint64_t target;

		start_stripped_library(&image);
		target = add_log_secret(&image);
		for (size_t j = 0; j < 3; j++)
			add_call(&image, cases[i].labels[j], cases[i].lea, cases[i].between,
				 target);
		assert_int_equal(locate(&image, &result), 1);
		assert_true(result.plaintext);
		assert_false(result.secrets);
		assert_false(has_probe(&result, target));
		assert_non_null(strstr(result.secrets_how, "no symbol ssl_log_secret"));
	}
}

static void two_elected_functions_are_none(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_stripped_library(&image);
	for (size_t n = 0; n < 2; n++) {
		uint64_t target = add_log_secret(&image);

		for (size_t i = 0; i < 3; i++)
			add_call(&image, three_labels[i], &lea_rsi, &nothing, target);
	}
	assert_int_equal(locate(&image, &result), 1);
	assert_false(result.secrets);
	assert_non_null(strstr(result.secrets_how, "more than one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_client_random_is_found_in_what_compilers_make),
		cmocka_unit_test(the_server_flag_is_an_int_or_unknown),
		cmocka_unit_test(labels_as_second_argument_elect_the_function),
		cmocka_unit_test(labels_in_code_at_fixed_addresses_are_found),
		cmocka_unit_test(the_logging_function_alone_tells_the_client_random),
		cmocka_unit_test(two_sources_that_disagree_are_not_believed),
		cmocka_unit_test(weak_votes_elect_nothing),
		cmocka_unit_test(two_elected_functions_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
