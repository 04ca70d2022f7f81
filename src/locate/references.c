/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Searches of code for what refers to an address, without disassembling all of it. */
#include <elf.h>
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

#define PAGE_DISTANCE 256 /* bytes between the two halves of an address */

static uint32_t instruction_at(const struct elf_file *elf, const struct elf_segment *segment,
			       uint64_t at)
{
	uint32_t code;

	memcpy(&code, elf->bytes + segment->offset + at, sizeof(code));
	return code;
}

bool pages_find(const struct elf_file *elf, const struct elf_segment *segment, pages_fn fn,
		void *ctx)
{
	struct {
		uint64_t from, page;
	} pages[32] = {0};

	for (uint64_t i = 0; i + 4 <= segment->size; i += 4) {
		uint32_t code = instruction_at(elf, segment, i);
		struct page_use use = {.at = segment->address + i, .to = code & 31};
		uint64_t place = code >> 10 & 0xfff;
		unsigned of = code >> 5 & 31;

		if ((code & 0x9f000000) == 0x90000000) { /* adrp */
			int64_t pages_on =
				(int64_t)(((code >> 3 & 0x1ffffc) | (code >> 29 & 3)) ^ 0x100000) -
				0x100000;

			pages[use.to].from = use.at;
			pages[use.to].page = (use.at & ~0xfffull) + (uint64_t)(pages_on * 4096);
			continue;
		}
		use.loads = (code & 0xffc00000) == 0xf9400000;
		/* add, 64 bits, the constant not shifted; ldr, 64 bits */
		if ((!use.loads && (code & 0xffc00000) != 0x91000000) || !pages[of].from ||
		    use.at - pages[of].from > PAGE_DISTANCE)
			continue;
		use.from = pages[of].from;
		use.address = pages[of].page + (use.loads ? 8 * place : place);
		if (!fn(ctx, &use))
			return false;
	}
	return true;
}

struct page_search {
	uint64_t address;
	references_fn fn;
	void *ctx;
};

static bool take_page_use(void *ctx, const struct page_use *use)
{
	const struct page_search *search = ctx;

	return use->loads || use->address != search->address || search->fn(search->ctx, use->from);
}

static bool scan_segment(const struct elf_file *elf, const struct elf_segment *segment,
			 uint64_t address, references_fn fn, void *ctx)
{
	struct page_search search = {address, fn, ctx};

	if (elf->machine == EM_AARCH64)
		return pages_find(elf, segment, take_page_use, &search);
	return scan_leas(elf, segment, address, fn, ctx);
}

void references_find(const struct elf_file *elf, uint64_t address, references_fn fn, void *ctx)
{
	for (size_t i = 0; i < elf->n_segments; i++) {
		if (elf->segments[i].executable &&
		    !scan_segment(elf, &elf->segments[i], address, fn, ctx))
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

/* The same of bl, which is a word of its own. */
static void count_branches(const struct elf_file *elf, const struct elf_segment *segment,
			   uint64_t address, uint8_t *calls, size_t window)
{
	for (uint64_t i = 0; i + 4 <= segment->size; i += 4) {
		uint32_t code = instruction_at(elf, segment, i);
		int64_t words = (int64_t)((code & 0x3ffffff) ^ 0x2000000) - 0x2000000;
		uint64_t before = address - (segment->address + i + (uint64_t)(words * 4));

		if ((code & 0xfc000000) == 0x94000000 && before < window &&
		    calls[before] < UINT8_MAX)
			calls[before]++;
	}
}

/* A byte that only looks like a call hits the window once in a while, but not one place twice. */
#define CALLS_NEEDED 2

bool references_function(const struct elf_file *elf, uint64_t address, uint64_t *start)
{
	uint8_t calls[REFERENCES_WINDOW] = {0};

	for (size_t i = 0; i < elf->n_segments; i++) {
		if (!elf->segments[i].executable)
			continue;
		if (elf->machine == EM_AARCH64)
			count_branches(elf, &elf->segments[i], address, calls, sizeof(calls));
		else
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
