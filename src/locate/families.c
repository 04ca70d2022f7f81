/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What is asked of all families; they are in families.def. */
#include <elf.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "locate_internal.h"

#define PATTERNS_MAX 8

struct family {
	int (*locate)(const struct elf_file *elf, struct locate_result *result);
	const char *file_names[PATTERNS_MAX]; /* fnmatch(3) patterns; unused ones are NULL */
};

static const struct family families[] = {
#define FAMILY(name, ...) {name##_locate, {__VA_ARGS__}},
#include "families.def"
#undef FAMILY
};

#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

/* An ELF file of a class or byte order that is not read, with the label of every key log. */
static bool is_foreign_library(const unsigned char *image, size_t size)
{
	static const char label[] = "CLIENT_RANDOM";

	return size > EI_DATA && !memcmp(image, ELFMAG, SELFMAG) &&
	       (image[EI_CLASS] != ELFCLASS64 || image[EI_DATA] != ELFDATA2LSB) &&
	       memmem(image, size, label, sizeof(label));
}

static bool has_secrets_at(const struct locate_result *result, uint64_t offset)
{
	for (size_t i = 0; i < result->n_probes; i++) {
		if (result->probes[i].offset == offset &&
		    result->probes[i].purpose == LOCATE_FOR_SECRETS)
			return true;
	}
	return false;
}

/* Whether both get their secrets from the same function. */
static bool is_same_library(const struct locate_result *one, const struct locate_result *other)
{
	for (size_t i = 0; i < one->n_probes; i++) {
		if (one->probes[i].purpose == LOCATE_FOR_SECRETS &&
		    has_secrets_at(other, one->probes[i].offset))
			return true;
	}
	return false;
}

/*
 * What a family took for its own by the labels of the key log alone, and another one knows by its
 * calls, is the other's. Returns how many of the `n` results are left.
 */
static size_t drop_mistaken(struct locate_result *results, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		bool mistaken = false;

		for (size_t j = 0; j < n && !results[i].plaintext; j++)
			mistaken |=
				results[j].plaintext && is_same_library(&results[i], &results[j]);
		if (!mistaken && left++ != i)
			results[left - 1] = results[i];
	}
	return left;
}

static int locate_families(const struct elf_file *elf, struct locate_result *results, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < N_FAMILIES && n < max; i++) {
		int found;

		memset(&results[n], 0, sizeof(results[n]));
		found = families[i].locate(elf, &results[n]);
		if (found < 0)
			return found;
		results[n].machine = elf->machine;
		n += (size_t)found;
	}
	return (int)drop_mistaken(results, n);
}

int locate_image(const void *image, size_t size, struct locate_result *results, size_t max)
{
	struct elf_file elf;
	int n = elf_file_open(&elf, image, size);

	if (n == -ENOEXEC && is_foreign_library(image, size))
		return -ENOTSUP;
	if (n)
		return n;
	elf.labels = keylog_segments(&elf);
	n = locate_families(&elf, results, max);
	elf_file_close(&elf);
	return n;
}

bool locate_name_is_library(const char *name)
{
	for (size_t i = 0; i < N_FAMILIES; i++) {
		for (size_t j = 0; j < PATTERNS_MAX && families[i].file_names[j]; j++) {
			if (fnmatch(families[i].file_names[j], name, 0) == 0)
				return true;
		}
	}
	return false;
}

bool locate_name_prefix(size_t n, char *prefix, size_t size)
{
	for (size_t i = 0; i < N_FAMILIES; i++) {
		for (size_t j = 0; j < PATTERNS_MAX && families[i].file_names[j]; j++) {
			const char *pattern = families[i].file_names[j];

			if (n--)
				continue;
			snprintf(prefix, size, "%.*s", (int)strcspn(pattern, "*?[\\"), pattern);
			return true;
		}
	}
	return false;
}
