/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage on programs with rustls inside: no symbols, labels without a NUL. */
#include <bpf/rustls.h>

#include "locate_relocations.h"

static const char *const labels[] = {
	"CLIENT_EARLY_TRAFFIC_SECRET",	   "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
	"SERVER_TRAFFIC_SECRET_0",	   "EXPORTER_SECRET",
};

/* A slice: what comes next follows at once. */
static uint64_t add_slice(struct elf_image *image, const char *text)
{
	uint64_t at = add_string(image, text);

	image->n_strings--;
	return at;
}

struct program {
	struct elf_image image;
	uint64_t start, uses, will_log, returns, master;
};

static void add_calls(struct elf_image *image, uint64_t target, int n)
{
	uint64_t at = add_code(image, "\xc3", 1);

	for (int i = 0; i < n; i++, at += 5) {
		image->bytes[at] = 0xe8;
		put_relative(image, at + 1, target);
	}
}

/* The function that derives is called from so many places, and the table used by so many. */
static void make_program(struct program *program, int calls, int uses)
{
	static const char derive[] = "\x53"		    /* push rbx */
				     "\x48\x8d\x0d\0\0\0\0" /* lea rcx, [table] */
				     "\x48\x8b\x34\x08"	    /* mov rsi, [rax+rcx] */
				     "\xff\x55\x28"	    /* call [rbp+0x28] */
				     "\x84\xc0\x74\x03"	    /* test al, al; je */
				     "\xff\x55\x20"	    /* call [rbp+0x20] */
				     "\x5b\xc3";	    /* pop rbx; ret */
	static const char master[] = "\x48\x8d\x35\0\0\0\0" /* lea rsi, [label] */
				     "\xba\x0d\0\0\0"	    /* mov edx, 13 */
				     "\x41\xb8\x20\0\0\0"   /* mov r8d, 32 */
				     "\xff\x50\x20\xc3";    /* call [rax+0x20]; ret */
	struct elf_image *image = &program->image;
	struct relocations relocations = {image, 0};
	uint64_t at;

	start_image(image);
	for (uint64_t i = 0; i < 6; i++)
		put_pointer(&relocations, AT_DATA + 8 * i, add_slice(image, labels[i]));
	/* Not at the start of a page, nor aligned. */
	at = add_code(image, "\xc3", 1) + 0x15;
	for (int i = 0; i < uses; i++, at += 0x40) {
		memcpy(image->bytes + at, derive, sizeof(derive) - 1);
		put_relative(image, at + 4, AT_DATA);
		program->start = at;
	}
	program->will_log = program->start + 12;
	program->returns = program->start + sizeof(derive) - 2;
	add_calls(image, program->start, calls);
	at = add_code(image, master, sizeof(master) - 1);
	put_relative(image, at + 3, add_slice(image, "CLIENT_RANDOM"));
	program->master = at + 18;
	add_string(image, ".cargo/hyper-rustls-1.2.3/src/lib.rs/rustls-0.23.40/src/lib.rs");
}

static const struct locate_probe *find(const struct locate_result *result, uint64_t offset)
{
	for (size_t i = 0; i < result->n_probes; i++)
		if (result->probes[i].offset == offset)
			return &result->probes[i];
	return NULL;
}

static void both_versions_of_tls(void **state)
{
	struct locate_result result;
	struct program program;

	(void)state;
	make_program(&program, 2, 1);
	assert_int_equal(locate(&program.image, &result), 1);
	assert_string_equal(result.family, "rustls");
	assert_string_equal(result.version, "0.23.40");
	assert_true(result.secrets);
	assert_false(result.plaintext);
	assert_int_equal(result.n_probes, 4);
	assert_int_equal(find(&result, program.start)->function, RUSTLS_DERIVE);
	assert_int_equal(find(&result, program.will_log)->function, RUSTLS_WILL_LOG);
	assert_int_equal(find(&result, program.returns)->function, RUSTLS_DERIVED);
	assert_int_equal(find(&result, program.returns)->when, LOCATE_LEAVE_AT);
	assert_int_equal(find(&result, program.master)->function, RUSTLS_MASTER);
}

/* One call may be bytes that only look like one; two uses have two functions. */
static void what_is_not_sure_is_not_probed(void **state)
{
	static const struct {
		int calls, uses;
		const char *why;
	} cases[] = {
		{1, 1, "the start of the function"},
		{2, 2, "not used in just one place"},
	};
	struct locate_result result;
	struct program program;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_program(&program, cases[i].calls, cases[i].uses);
		assert_int_equal(locate(&program.image, &result), 1);
		assert_false(result.secrets);
		assert_non_null(strstr(result.secrets_how, cases[i].why));
		assert_int_equal(result.n_probes, 1);
		assert_non_null(find(&result, program.master));
	}
}

/* The same labels as strings are another library's. */
static void strings_are_no_slices(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_image(&image);
	for (int i = 0; i < 6; i++)
		add_string(&image, labels[i]);
	add_string(&image, "CLIENT_RANDOM");
	assert_int_equal(locate(&image, &result), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_versions_of_tls),
		cmocka_unit_test(what_is_not_sure_is_not_probed),
		cmocka_unit_test(strings_are_no_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
