/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Words of a program's data as the loader leaves them: a position-independent file has the
 * addresses in its relocations, and often nothing in their place.
 */
#include <elf.h>
#include <string.h>

#include "locate_internal.h"

bool elf_file_is_relative(const struct elf_file *elf, const Elf64_Rela *relocation)
{
	return ELF64_R_TYPE(relocation->r_info) == (elf->machine == EM_AARCH64
							    ? (unsigned)R_AARCH64_RELATIVE
							    : (unsigned)R_X86_64_RELATIVE);
}

Elf64_Rela elf_file_relocation(const struct elf_file *elf, uint64_t i)
{
	Elf64_Rela relocation;

	memcpy(&relocation, elf->relocations + i * sizeof(relocation), sizeof(relocation));
	return relocation;
}

bool elf_file_words(const struct elf_file *elf, uint64_t address, uint64_t *words, size_t n)
{
	uint64_t rest;
	const uint8_t *bytes = elf_file_at(elf, address, &rest);

	if (!bytes || n > ELF_WORDS_MAX || rest < n * 8 || elf->n_relocations > ELF_RELOCATIONS_MAX)
		return false;
	memcpy(words, bytes, n * 8);
	for (uint64_t i = 0; i < elf->n_relocations; i++) {
		Elf64_Rela relocation = elf_file_relocation(elf, i);
		uint64_t into = relocation.r_offset - address;

		if (into < n * 8 && into % 8 == 0 && elf_file_is_relative(elf, &relocation))
			words[into / 8] = (uint64_t)relocation.r_addend;
	}
	return true;
}

static bool find_in_segment(const struct elf_file *elf, const struct elf_segment *segment,
			    uint64_t value, uint64_t from, uint64_t *address)
{
	uint64_t at = from > segment->address ? from - segment->address : 0;

	at += -(segment->address + at) % 8;
	for (; at <= segment->size && segment->size - at >= 8; at += 8) {
		uint64_t word;

		memcpy(&word, elf->bytes + segment->offset + at, sizeof(word));
		if (word == value) {
			*address = segment->address + at;
			return true;
		}
	}
	return false;
}

bool elf_file_find_word(const struct elf_file *elf, uint64_t value, uint64_t from,
			uint64_t *address)
{
	bool found = false;
	uint64_t at;

	for (size_t i = 0; i < elf->n_segments; i++) {
		const struct elf_segment *segment = &elf->segments[i];

		if (segment->executable || !find_in_segment(elf, segment, value, from, &at))
			continue;
		if (!found || at < *address)
			*address = at;
		found = true;
	}
	for (uint64_t i = 0; i < elf->n_relocations && i < ELF_RELOCATIONS_MAX; i++) {
		Elf64_Rela relocation = elf_file_relocation(elf, i);

		if ((uint64_t)relocation.r_addend != value || relocation.r_offset < from ||
		    relocation.r_offset % 8 || !elf_file_is_relative(elf, &relocation))
			continue;
		if (!found || relocation.r_offset < *address)
			*address = relocation.r_offset;
		found = true;
	}
	return found;
}
