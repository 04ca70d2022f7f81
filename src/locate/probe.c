/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What every family puts into its result. */
#include <stdio.h>

#include "locate_internal.h"

bool locate_add_probe(const struct elf_file *elf, struct locate_result *result, uint64_t address,
		      const char *name, uint8_t function, unsigned when, unsigned purpose)
{
	struct locate_probe *probe;
	uint64_t rest, offset;
	const uint8_t *code = elf_file_code(elf, address, &rest);

	if (!code)
		return false;
	offset = (uint64_t)(code - elf->bytes);
	for (size_t i = 0; i < result->n_probes; i++) {
		if (result->probes[i].offset == offset)
			return true;
	}
	if (result->n_probes == LOCATE_PROBES_MAX)
		return false;
	probe = &result->probes[result->n_probes++];
	probe->offset = offset;
	probe->function = function;
	probe->when = (uint8_t)when;
	probe->purpose = (uint8_t)purpose;
	snprintf(probe->name, sizeof(probe->name), "%s", name);
	return true;
}

void locate_find_rows(const struct elf_file *elf, const struct locate_row *rows,
		      struct elf_function *functions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		functions[i].name = rows[i].name;
	elf_file_find(elf, functions, n);
}

void locate_add_rows(const struct elf_file *elf, const struct locate_row *rows,
		     const struct elf_function *functions, size_t n, struct locate_result *result)
{
	for (size_t i = 0; i < n; i++) {
		if (functions[i].found && rows[i].function)
			locate_add_probe(elf, result, functions[i].address, rows[i].name,
					 rows[i].function, rows[i].when, rows[i].purpose);
	}
}

void locate_print_path(char *to, size_t size, const struct tlspcap_path *path)
{
	size_t length = 0;

	if (size)
		to[0] = '\0';
	for (int i = 0; i < path->steps - 1 && length < size; i++)
		length += (size_t)snprintf(to + length, size - length, "[");
	for (int i = 0; i < path->steps && length < size; i++)
		length +=
			(size_t)snprintf(to + length, size - length, "+0x%x%s",
					 (unsigned)path->offset[i], i + 1 < path->steps ? "]" : "");
}
