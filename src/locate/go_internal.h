/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The table of functions that every Go program carries, stripped or not (go_pclntab.c). */
#ifndef TLSPCAP_LOCATE_GO_INTERNAL_H
#define TLSPCAP_LOCATE_GO_INTERNAL_H

#include "locate_internal.h"

/* Go's releases from which the table has this form. */
enum go_form {
	GO_FORM_1_2,
	GO_FORM_1_16,
	GO_FORM_1_18,
	GO_FORM_1_20,
};

/*
 * Finds functions by their full names (elf_function.name), which all begin with `prefix`, in
 * the first sound table that has one of them. Their sizes are known then, too.
 *
 * Returns 1 and the table's form; 0: no table, or none of the functions in it; -ENOENT with
 * *why (a static string): they are named in a table, and their addresses are not to be had.
 */
int go_find_functions(const struct elf_file *elf, const char *prefix,
		      struct elf_function *functions, size_t n, enum go_form *form,
		      const char **why);

/* The release of the compiler, as "1.24.4"; "" when the file does not tell. */
void go_find_version(const struct elf_file *elf, char *to, size_t size);

#endif
