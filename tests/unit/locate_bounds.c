/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage on large files that were made to take time: it does not. */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "locate_image.h"

#define LARGE	       ((size_t)32 << 20)
#define SECONDS_MAX    10 /* with sanitizers, on a busy machine; without, some 0.1 s */
#define MEMORY_MAX_KIB (512 << 10)

static const char labels[] = "CLIENT_RANDOM\0EXPORTER_SECRET\0SERVER_TRAFFIC_SECRET_0";

/* A program of one segment: headers, three labels, and `fill` again and again. */
static uint8_t *make_large(uint16_t machine, uint16_t type, const void *fill, size_t length)
{
	uint8_t *bytes = calloc(1, LARGE);
	Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;

	assert_non_null(bytes);
	memcpy(header->e_ident, ELFMAG, SELFMAG);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_type = type;
	header->e_machine = machine;
	header->e_phoff = sizeof(*header);
	header->e_phentsize = sizeof(Elf64_Phdr);
	header->e_phnum = 1;
	*(Elf64_Phdr *)(header + 1) = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = LARGE, .p_memsz = LARGE};
	memcpy(bytes + 0x400, labels, sizeof(labels));
	for (size_t at = 0x1000; at + length <= LARGE; at += length)
		memcpy(bytes + at, fill, length);
	return bytes;
}

static void large_files_take_little_time(void **state)
{
	static const struct {
		const char *what;
		uint16_t machine, type;
		const char *fill;
		size_t length;
	} cases[] = {
		{"half of a reference", EM_X86_64, ET_DYN, "\x8d", 1},
		{"references to nothing", EM_X86_64, ET_DYN, "\x48\x8d\x35\0\0\0\0", 7},
		{"references to a label", EM_X86_64, ET_EXEC, "\xbe\0\x04\0\0", 5},
		{"pages without places", EM_AARCH64, ET_DYN, "\x01\0\0\x90", 4},
		{"pages and places", EM_AARCH64, ET_DYN, "\x01\0\0\x90\x21\0\x10\x91", 8},
		{"beginnings of labels", EM_X86_64, ET_DYN, "CLIENT_RANDO", 12},
		{"labels", EM_X86_64, ET_DYN, "CLIENT_RANDOM", 14},
		{"names without a version", EM_X86_64, ET_DYN, "OpenSSL LibreSSL ", 17},
		{"zeros", EM_X86_64, ET_DYN, "", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *bytes =
			make_large(cases[i].machine, cases[i].type, cases[i].fill, cases[i].length);
		struct locate_result results[4];
		struct timespec start, end;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
		assert_int_equal(locate_image(bytes, LARGE, results, 4), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
		free(bytes);
		print_message("  %s: %ld ms\n", cases[i].what,
			      (end.tv_sec - start.tv_sec) * 1000 +
				      (end.tv_nsec - start.tv_nsec) / 1000000);
		assert_true(end.tv_sec - start.tv_sec < SECONDS_MAX);
	}
}

static void and_little_memory(void **state)
{
	struct rusage usage;

	(void)state;
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	print_message("  %ld KiB\n", usage.ru_maxrss);
	assert_true(usage.ru_maxrss < MEMORY_MAX_KIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_files_take_little_time),
		cmocka_unit_test(and_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
