/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Searches of x86-64 code for what refers to an address, without disassembling all of it. */
#include <string.h>

#include "locate_internal.h"

/* lea r64, [rip + disp32]: REX.W 8d, ModRM mod 00 rm 101. */
static bool scan_leas(const struct elf_file *elf, const struct elf_segment *segment,
		      uint64_t address, references_fn fn, void *ctx)
{
	const uint8_t *start = elf->bytes + segment->offset, *end = start + segment->size;
	const uint8_t *at = start;

	while ((at = memchr(at, 0x8d, (size_t)(end - at))) && end - at >= 6) {
		uint64_t here = segment->address + (uint64_t)(at - start);
		int32_t displacement;

		memcpy(&displacement, at + 2, sizeof(displacement));
		if (at > start && (at[-1] & 0xfb) == 0x48 && (at[1] & 0xc7) == 0x05 &&
		    here + 6 + (uint64_t)(int64_t)displacement == address && !fn(ctx, here - 1))
			return false;
		at++;
	}
	return true;
}

void references_find(const struct elf_file *elf, uint64_t address, references_fn fn, void *ctx)
{
	for (size_t i = 0; i < elf->n_segments; i++) {
		if (elf->segments[i].executable &&
		    !scan_leas(elf, &elf->segments[i], address, fn, ctx))
			return;
	}
}

/* call rel32 to each byte of the window; calls[i]: how many of window - i, 255 at most. */
static void count_calls(const struct elf_file *elf, const struct elf_segment *segment,
			uint64_t address, uint8_t *calls, size_t window)
{
	const uint8_t *start = elf->bytes + segment->offset, *end = start + segment->size;
	const uint8_t *at = start;

	while ((at = memchr(at, 0xe8, (size_t)(end - at))) && end - at >= 5) {
		uint64_t here = segment->address + (uint64_t)(at - start), before;
		int32_t displacement;

		memcpy(&displacement, at + 1, sizeof(displacement));
		before = address - (here + 5 + (uint64_t)(int64_t)displacement);
		if (before < window && calls[before] < UINT8_MAX)
			calls[before]++;
		at++;
	}
}

/* A byte that only looks like a call hits the window once in a while, but not one place twice. */
#define CALLS_NEEDED 2

bool references_function(const struct elf_file *elf, uint64_t address, uint64_t *start)
{
	uint8_t calls[REFERENCES_WINDOW] = {0};

	for (size_t i = 0; i < elf->n_segments; i++) {
		if (elf->segments[i].executable)
			count_calls(elf, &elf->segments[i], address, calls, sizeof(calls));
	}
	for (size_t before = 0; before < sizeof(calls); before++) {
		if (calls[before] < CALLS_NEEDED)
			continue;
		*start = address - before;
		return true;
	}
	return false;
}
