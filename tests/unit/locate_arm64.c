/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage on AArch64 code, in small images. Real libraries: tests/e2e/arm64.sh. */
#include <bpf/openssl.h>

#include "locate_image.h"

#define WORDS_MAX 12

/* Ends with a zero. */
struct function {
	uint32_t words[WORDS_MAX];
};

enum {
	RET = 0xd65f03c0,
	NOP = 0xd503201f,
	ADRP_X0 = 0x90000000,
	ADRP_X1 = 0x90000001,
	ADRP_X8 = 0x90000008,
	ADD_X0 = 0x91000000, /* x0, x0 */
	ADD_X1 = 0x91000021, /* x1, x1 */
	ADD_X8 = 0x91000108, /* x8, x8 */
	MOV_X1_X8 = 0xaa0803e1,
	MOV_X1_XZR = 0xaa1f03e1,
	BL = 0x94000000,
	B = 0x14000000,
};

static uint64_t add_words(struct elf_image *image, const struct function *function)
{
	size_t n = 0;

	while (n < WORDS_MAX && function->words[n])
		n++;
	return add_code(image, (const char *)function->words, n * sizeof(uint32_t));
}

static void start_arm64(struct elf_image *image)
{
	start_image(image);
	header_of(image)->e_machine = EM_AARCH64;
}

/* --- fields -------------------------------------------------------------------------- */

static const struct {
	const char *what;
	struct function function;
	struct tlspcap_path path;
} randoms[] = {
	/* ldr x8, [x0, #0x160]; str x8, [x1] */
	{"a field", {{0xf940b008, 0xf9000028, RET}}, {1, {0x160}}},
	/* cbz x2, end; ldr q0, [x0, #0x160]; str q0, [x1]; ldr q0, [x0, #0x170]; str q0, [x1, #16]
	 */
	{"vector registers",
	 {{0xb40000a2, 0x3dc05800, 0x3d800020, 0x3dc05c00, 0x3d800420, RET}},
	 {1, {0x160}}},
	/* ldr x8, [x0, #0xa8]; mov x9, x1; add x1, x8, #0xb8; mov x0, x9; b far away */
	{"a tail call of memcpy, the field behind a pointer",
	 {{0xf9405408, 0xaa0103e9, 0x9102e101, 0xaa0903e0, 0x14040000}},
	 {2, {0xa8, 0xb8}}},
	/* ldr w8, [x0]; cbz w8, +12; ldr x0, [x0, #0x58]; nop; ldr x8, [x0, #0x188]; str x8, [x1]
	 */
	{"QUIC behind a pointer",
	 {{0xb9400008, 0x34000068, 0xf9402c00, NOP, 0xf940c408, 0xf9000028, RET}},
	 {1, {0x188}}},
	/* bl away; ldr x8, [x0, #0x160]; str x8, [x1] */
	{"after a call that may have changed the register",
	 {{0x94040000, 0xf940b008, 0xf9000028, RET}},
	 {0}},
	/* ldr x8, [x0, x2]; str x8, [x1] */
	{"an index in the address", {{0xf8626808, 0xf9000028, RET}}, {0}},
	/* mvn x8, x8 between load and store */
	{"a changed value", {{0xf940b008, 0xaa2803e8, 0xf9000028, RET}}, {0}},
	{"an endless loop", {{B}}, {0}},
	{"a word that is no instruction", {{0xffffffff}}, {0}},
};

static void the_client_random_is_found_in_its_accessor(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
		static const struct function empty = {{RET}};
		struct locate_result result;
		struct elf_image image;

		print_message("  %s\n", randoms[i].what);
		start_arm64(&image);
		add_symbol(&image, "SSL_read", add_words(&image, &empty));
		add_symbol(&image, "SSL_write", add_words(&image, &empty));
		add_symbol(&image, "ssl_log_secret", add_words(&image, &empty));
		add_symbol(&image, "SSL_get_client_random",
			   add_words(&image, &randoms[i].function));
		assert_int_equal(locate(&image, &result), 1);
		assert_int_equal(result.layout.flags,
				 randoms[i].path.steps ? 0 : OPENSSL_RANDOM_UNPROVED);
		if (randoms[i].path.steps)
			assert_memory_equal(&result.layout.client_random, &randoms[i].path,
					    sizeof(struct tlspcap_path));
	}
}

/* --- the function that logs ------------------------------------------------------------ */

/* Passes (label, object, object + 0x160, 32, …) on. */
static const struct function passes_on = {{0xaa0003e8, 0xaa0303e5, 0xaa0203e4, 0xaa0103e0,
					   0xaa0803e1, 0x91058102, 0x52800403, 0x14040000}};
/* x20 = [x0 + 0x30] + 0x30; x9 from 0 to 32: ldrb w10, [x20, x9] */
static const struct function prints_by_index = {
	{0xf9401814, 0xaa1f03e9, 0x9100c294, 0x38696a8a, 0x91000529, 0xf100813f, 0x54ffffa1, RET}};
/* x19 = x0 + 0x160: ldrb w10, [x19], #1 */
static const struct function prints_by_pointer = {
	{0x91058013, 0x3840166a, 0x7100255f, 0x54ffffc8, RET}};

static const char *const labels[] = {"CLIENT_RANDOM", "EXPORTER_SECRET", "SERVER_TRAFFIC_SECRET_0"};

static void or_word(struct elf_image *image, uint64_t at, uint32_t bits)
{
	uint32_t word;

	memcpy(&word, image->bytes + at, sizeof(word));
	word |= bits;
	memcpy(image->bytes + at, &word, sizeof(word));
}

/* A call site: completes its adrp, add and branch for the label and the target. */
static uint64_t add_call(struct elf_image *image, const struct function *call, const char *label,
			 uint64_t target)
{
	uint64_t at = add_words(image, call), string = add_string(image, label);

	for (size_t i = 0; call->words[i]; i++, at += 4) {
		uint32_t pages = (uint32_t)((string >> 12) - (at >> 12));
		uint32_t word = call->words[i];

		if ((word & 0x9f000000) == 0x90000000)
			or_word(image, at, (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5);
		else if ((word & 0xffc00000) == 0x91000000)
			or_word(image, at, (uint32_t)(string & 0xfff) << 10);
		else if ((word & 0x7fffffff) == B)
			or_word(image, at, (uint32_t)((target - at) >> 2) & 0x3ffffff);
	}
	return at;
}

static const struct function plain = {{ADRP_X1, ADD_X1, BL, RET}};
static const struct function parted = {{ADRP_X8, NOP, ADD_X8, NOP, MOV_X1_X8, BL, RET}};
static const struct function tail = {{ADRP_X1, ADD_X1, B}};
static const struct function first_argument = {{ADRP_X0, ADD_X0, BL, RET}};
static const struct function overwritten = {{ADRP_X1, ADD_X1, MOV_X1_XZR, BL, RET}};

static uint64_t make_program(struct elf_image *image, const struct function *function,
			     const struct function *const calls[3])
{
	uint64_t target;

	start_arm64(image);
	target = add_words(image, function);
	for (size_t i = 0; i < 3; i++)
		add_call(image, calls[i], labels[i], target);
	return target;
}

static void labels_as_second_argument_elect_the_function(void **state)
{
	const struct function *const calls[] = {&plain, &parted, &tail};
	static const struct {
		const struct function *function;
		struct tlspcap_path path;
		bool unproved;
	} cases[] = {
		{&passes_on, {1, {0x160}}, false},
		{&prints_by_index, {2, {0x30, 0x30}}, true},
		{&prints_by_pointer, {1, {0x160}}, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct locate_result result;
		struct elf_image image;
		uint64_t target = make_program(&image, cases[i].function, calls);

		assert_int_equal(locate(&image, &result), 1);
		assert_true(result.secrets);
		assert_false(result.plaintext);
		assert_true(has_probe(&result, target));
		assert_non_null(strstr(result.secrets_how, "3 key log labels"));
		assert_memory_equal(&result.layout.client_random, &cases[i].path,
				    sizeof(struct tlspcap_path));
		assert_int_equal(result.layout.flags,
				 cases[i].unproved ? OPENSSL_RANDOM_UNPROVED : 0);
	}
}

static void other_arguments_elect_nothing(void **state)
{
	const struct function *const calls[][3] = {
		{&first_argument, &first_argument, &first_argument},
		{&plain, &plain, &overwritten},
		{&tail, &tail, &tail},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct locate_result result;
		struct elf_image image;

		make_program(&image, &passes_on, calls[i]);
		assert_int_equal(locate(&image, &result), 0);
	}
}

/* The two halves of an address are of one piece of code. */
static void a_page_that_is_far_away_is_forgotten(void **state)
{
	const struct function *const calls[] = {&plain, &plain, &plain};
	struct locate_result result;
	struct elf_image image;
	uint32_t nop = NOP;

	(void)state;
	make_program(&image, &passes_on, calls);
	assert_int_equal(locate(&image, &result), 1);
	/* The last call's second half is alone then; the page stands in the call before it. */
	memcpy(image.bytes + AT_CODE + 3 * FUNCTION_SIZE, &nop, sizeof(nop));
	assert_int_equal(locate(&image, &result), 0);
}

/* A constant of two halves: mov w0, #0x700; movk w0, #0x306, lsl #16. */
static void a_version_is_put_together(void **state)
{
	static const struct function empty = {{RET}}, number = {{0x5280e000, 0x72a060c0, RET}};
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_arm64(&image);
	add_symbol(&image, "mbedtls_ssl_read", add_words(&image, &empty));
	add_symbol(&image, "mbedtls_ssl_write", add_words(&image, &empty));
	add_symbol(&image, "mbedtls_version_get_number", add_words(&image, &number));
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.version, "3.6.7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_client_random_is_found_in_its_accessor),
		cmocka_unit_test(labels_as_second_argument_elect_the_function),
		cmocka_unit_test(other_arguments_elect_nothing),
		cmocka_unit_test(a_page_that_is_far_away_is_forgotten),
		cmocka_unit_test(a_version_is_put_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
