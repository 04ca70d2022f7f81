/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Which OpenSSL it is, or which of those that have its interface: for people, not for probes. */
#include <stdio.h>
#include <string.h>

#include "openssl_internal.h"

/* Copies a version of the form 1.1.1w; false when `text` does not start with one. */
static bool copy_number(const char *text, size_t rest, char *to, size_t size)
{
	size_t length = 0, dots = 0;

	while (length < rest &&
	       ((text[length] >= '0' && text[length] <= '9') || text[length] == '.' ||
		(length && dots == 2 && text[length] >= 'a' && text[length] <= 'z'))) {
		dots += text[length] == '.';
		length++;
	}
	if (dots != 2 || length < 5 || length >= size || text[0] == '.')
		return false;
	memcpy(to, text, length);
	to[length] = '\0';
	return true;
}

/* Where texts are looked for. */
struct texts {
	const struct elf_file *elf;
	uint64_t segments; /* a bit for each */
};

/* Where a text was found: in which segment, and how far into it. */
struct place {
	size_t segment;
	uint64_t into;
};

/* The next `text` from *place on, and in *rest what is left of its segment; or NULL. */
static const char *find_text(const struct texts *texts, const char *text, struct place *place,
			     size_t *rest)
{
	for (; place->segment < texts->elf->n_segments; place->segment++, place->into = 0) {
		const struct elf_segment *segment = &texts->elf->segments[place->segment];
		const uint8_t *start = texts->elf->bytes + segment->offset, *found;

		if (!(texts->segments >> place->segment & 1) || place->into >= segment->size)
			continue;
		found = memmem(start + place->into, segment->size - place->into, text,
			       strlen(text));
		if (!found)
			continue;
		place->into = (uint64_t)(found - start);
		*rest = segment->size - place->into;
		return (const char *)found;
	}
	return NULL;
}

static bool has_text(const struct texts *texts, const char *text)
{
	struct place place = {0};
	size_t rest;

	return find_text(texts, text, &place, &rest);
}

/* The product's own words, such as "OpenSSL 1.1.1w  11 Sep 2023". */
static bool version_by_text(const struct texts *texts, const char *product, char *to, size_t size)
{
	size_t length = strlen(product), rest;
	struct place place = {0};
	const char *at;

	while ((at = find_text(texts, product, &place, &rest))) {
		if (copy_number(at + length, rest - length, to, size))
			return true;
		place.into += length;
	}
	return false;
}

/* The highest symbol version that the library defines or needs: OPENSSL_3.5.0 or 1_1_1. */
static bool version_by_symbols(const struct elf_file *elf, char *to, size_t size)
{
	static const char prefix[] = "OPENSSL_";
	const char *at = elf->dynamic.names, *end;
	unsigned best = 0;

	if (!at)
		return false;
	end = at + elf->dynamic.names_size;
	while ((at = memmem(at, (size_t)(end - at), prefix, sizeof(prefix) - 1))) {
		unsigned number;

		at += sizeof(prefix) - 1;
		if (end - at < 4 || at[0] < '1' || at[0] > '9' || (at[1] != '.' && at[1] != '_') ||
		    at[2] < '0' || at[2] > '9' || at[3] != at[1])
			continue;
		number = (unsigned)(at[0] - '0') * 10 + (unsigned)(at[2] - '0');
		if (number > best)
			best = number;
	}
	if (!best)
		return false;
	snprintf(to, size, "%u.%u+", best / 10, best % 10);
	return true;
}

/*
 * BoringSSL has no versions. It calls itself "OpenSSL 1.1.1 (compatible; BoringSSL)", if at all;
 * of its exports one is what OpenSSL does not have, and in a program its name is in messages.
 */
static bool is_boringssl(const struct texts *texts)
{
	struct elf_function function = {.name = "SSL_early_callback_ctx_extension_get"};
	char number[16];

	elf_file_find(texts->elf, &function, 1);
	if (function.found)
		return true;
	if (version_by_text(texts, "OpenSSL ", number, sizeof(number)) &&
	    !has_text(texts, "(compatible; BoringSSL)"))
		return false;
	return has_text(texts, "BoringSSL");
}

void openssl_find_version(const struct elf_file *elf, char *to, size_t size)
{
	static const char library[] = "libssl.so.";
	struct texts texts = {.elf = elf, .segments = elf->labels};
	char number[16];

	if (!texts.segments) /* a library from before there were key logs */
		texts.segments = UINT64_MAX;
	if (version_by_text(&texts, "LibreSSL ", number, sizeof(number))) {
		snprintf(to, size, "LibreSSL %s", number);
		return;
	}
	if (is_boringssl(&texts)) {
		snprintf(to, size, "BoringSSL");
		return;
	}
	if (version_by_text(&texts, "OpenSSL ", to, size))
		return;
	if (!elf->soname || strncmp(elf->soname, library, sizeof(library) - 1) != 0)
		return;
	/* BoringSSL's is libssl.so.0, which says nothing. */
	if (!version_by_symbols(elf, to, size) && elf->soname[sizeof(library) - 1] != '0')
		snprintf(to, size, "%.8s", elf->soname + sizeof(library) - 1);
}
