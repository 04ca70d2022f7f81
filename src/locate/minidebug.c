/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * MiniDebugInfo: distributions strip their programs and leave, in a section .gnu_debugdata, an
 * xz-compressed ELF file that holds the names of the functions.
 */
#include <elf.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "locate_internal.h"

/* The symbols of the largest programs are some MiB; xz makes 1 GiB of 150 KiB for who wants. */
#define UNPACKED_MAX ((size_t)32 << 20)
#define MEMORY_MAX   ((uint64_t)64 << 20)

static bool unpack(const uint8_t *packed, size_t size, uint8_t *to, size_t *unpacked)
{
	uint64_t memory = MEMORY_MAX;
	size_t from = 0;

	*unpacked = 0;
	return lzma_stream_buffer_decode(&memory, 0, NULL, packed, &from, size, to, unpacked,
					 UNPACKED_MAX) == LZMA_OK;
}

void *minidebug_open(const uint8_t *packed, size_t size, struct elf_symbols *symbols)
{
	struct elf_file inner = {0};
	uint8_t *bytes = malloc(UNPACKED_MAX), *cut;
	size_t unpacked;
	Elf64_Ehdr header;

	if (!bytes)
		return NULL;
	if (!unpack(packed, size, bytes, &unpacked) || unpacked < sizeof(header)) {
		free(bytes);
		return NULL;
	}
	cut = realloc(bytes, unpacked);
	if (cut)
		bytes = cut;
	inner.bytes = bytes;
	inner.size = unpacked;
	memcpy(&header, bytes, sizeof(header));
	/* Its segments are those of the program and not in here: only the sections count. */
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
	    header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB)
		elf_file_sections(&inner, &header);
	*symbols = inner.full;
	return bytes;
}
