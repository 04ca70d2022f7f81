/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Pointers in the made images: relocations, in the order in which they are added. */
#ifndef TLSPCAP_TESTS_LOCATE_RELOCATIONS_H
#define TLSPCAP_TESTS_LOCATE_RELOCATIONS_H

#include "locate_image.h"

#define AT_RELOCATIONS 0x2800
#define AT_DATA	       0x2000

struct relocations {
	struct elf_image *image;
	size_t n;
};

static inline void put_pointer(struct relocations *relocations, uint64_t at, uint64_t target)
{
	const Elf64_Rela entry = {at, ELF64_R_INFO(0, R_X86_64_RELATIVE), (Elf64_Sxword)target};
	Elf64_Dyn *dynamic = (Elf64_Dyn *)(relocations->image->bytes + AT_DYNAMIC) + 4;
	uint64_t place = AT_RELOCATIONS + relocations->n++ * sizeof(entry);

	assert_true(place + sizeof(entry) <= IMAGE_SIZE);
	memcpy(relocations->image->bytes + place, &entry, sizeof(entry));
	*dynamic++ = (Elf64_Dyn){DT_RELA, {AT_RELOCATIONS}};
	*dynamic++ = (Elf64_Dyn){DT_RELASZ, {relocations->n * sizeof(entry)}};
	*dynamic = (Elf64_Dyn){DT_NULL, {0}};
}

#endif
