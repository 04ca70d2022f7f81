/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Any bytes as an ELF file; and libraries of this machine with a few of their bytes changed, as
 * hardly any other bytes come far.
 *
 * The first byte of the input chooses: 0, what follows is the file; else it is the number of a
 * file, and what follows is a length (how many 256ths of it are left; 0: all) and changes.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <tests/support/require.h>
#include <tlspcap/locate.h>

#define RESULTS_MAX 4
#define AREAS_MAX   96
#define CHANGES_MAX 64
#define FILES_MAX   32
#define FILE_BYTES  (4u << 20) /* larger ones take too long for what they show */
#define CODE_BYTES  1024       /* after a probed place, this much is an area of its own */

/* By name in the folder of libraries. More: TLSPCAP_FUZZ_FILES, paths with colons between. */
static const char *const names[] = {
	"libssl.so.3",	"libssl3.so",	    "libmbedtls.so.14", "libnspr4.so",
	"libcurl.so.4", "libwolfssl.so.35", "libgnutls.so.30",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

struct area {
	uint64_t start, size;
};

struct file {
	uint8_t *bytes; /* writable, and NULL when it is not there */
	size_t size;
	struct area areas[AREAS_MAX];
	size_t n_areas;
};

struct change {
	uint8_t area;
	uint8_t how; /* 0 to 2: length less one; 3 to 7: fine place in a large area */
	uint8_t place[2];
	uint8_t bytes[8];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct file files[FILES_MAX];

/* These derive secrets from what they see; a random only helps. Others tell whose they are by it.
 */
static bool is_derived(const char *family)
{
	return !strcmp(family, "mbedtls") || !strcmp(family, "nspr") || !strcmp(family, "rustls") ||
	       !strcmp(family, "wolfssl");
}

static void check(const struct locate_result *result, size_t size)
{
	require(result->family && result->n_probes <= LOCATE_PROBES_MAX);
	require(!result->secrets || is_derived(result->family) ||
		result->layout.client_random.steps);
	for (size_t i = 0; i < result->n_probes; i++) {
		require(result->probes[i].offset < size);
		require(result->probes[i].function && result->probes[i].when);
		require(memchr(result->probes[i].name, '\0', sizeof(result->probes[i].name)));
	}
}

static void locate(const uint8_t *bytes, size_t size)
{
	struct locate_result results[RESULTS_MAX];
	int n = locate_image(bytes, size, results, RESULTS_MAX);

	require(n <= RESULTS_MAX);
	for (int i = 0; i < n; i++)
		check(&results[i], size);
}

/* --- files and what is in them ---------------------------------------------------------- */

static void add_area(struct file *file, uint64_t start, uint64_t size)
{
	if (file->n_areas == AREAS_MAX || !size || start > file->size || size > file->size - start)
		return;
	file->areas[file->n_areas++] = (struct area){start, size};
}

/* What says most about the file first; the file is one of Debian's, and sound. */
static void find_areas(struct file *file)
{
	struct locate_result results[RESULTS_MAX];
	Elf64_Ehdr header;
	int n;

	require(file->size >= sizeof(header));
	memcpy(&header, file->bytes, sizeof(header));
	add_area(file, 0, sizeof(header));
	add_area(file, header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr));
	add_area(file, header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr));
	for (size_t i = 0; i < header.e_shnum; i++) {
		uint64_t at = header.e_shoff + i * sizeof(Elf64_Shdr);
		Elf64_Shdr section;

		if (at > file->size - sizeof(section))
			break;
		memcpy(&section, file->bytes + at, sizeof(section));
		if (section.sh_type != SHT_NOBITS)
			add_area(file, section.sh_offset, section.sh_size);
	}
	n = locate_image(file->bytes, file->size, results, RESULTS_MAX);
	for (int i = 0; i < n; i++)
		for (size_t j = 0; j < results[i].n_probes; j++)
			add_area(file, results[i].probes[j].offset, CODE_BYTES);
}

static void load(struct file *file, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t length;

	if (fd < 0 || fstat(fd, &status) || status.st_size <= 0 || status.st_size > FILE_BYTES)
		goto out;
	file->size = (size_t)status.st_size;
	file->bytes = malloc(file->size); /* exactly: a byte too far is found */
	require(file->bytes);
	length = read(fd, file->bytes, file->size);
	require(length == status.st_size);
	find_areas(file);
out:
	if (fd >= 0)
		close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *more = getenv("TLSPCAP_FUZZ_FILES");
	char path[512];

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < NAMES; i++) {
		snprintf(path, sizeof(path), "%s/%s", LIBRARIES, names[i]);
		load(&files[i], path);
	}
	for (size_t i = NAMES; more && *more && i < FILES_MAX; i++) {
		size_t length = strcspn(more, ":");

		snprintf(path, sizeof(path), "%.*s", (int)length, more);
		load(&files[i], path);
		more += length + (more[length] == ':');
	}
	return 0;
}

/* --- changes ------------------------------------------------------------------------------ */

static size_t place_of(const struct file *file, const struct change *change, size_t *length)
{
	const struct area *area = &file->areas[change->area % file->n_areas];
	uint64_t place = change->place[0] | (uint64_t)change->place[1] << 8;

	if (area->size > UINT16_MAX)
		place = place * (area->size >> 16) + (change->how >> 3);
	place %= area->size;
	*length = (change->how & 7u) + 1;
	if (*length > area->size - place)
		*length = area->size - place;
	return area->start + place;
}

static void swap(uint8_t *a, uint8_t *b, size_t length)
{
	uint8_t kept[8];

	memcpy(kept, a, length);
	memcpy(a, b, length);
	memcpy(b, kept, length);
}

static void locate_changed(struct file *file, uint8_t part, const uint8_t *data, size_t size)
{
	struct change changes[CHANGES_MAX];
	size_t n = size / sizeof(changes[0]), length, left = file->size;
	uint8_t *cut;

	if (n > CHANGES_MAX)
		n = CHANGES_MAX;
	memcpy(changes, data, n * sizeof(changes[0]));
	for (size_t i = 0; i < n; i++) {
		uint8_t *at = file->bytes + place_of(file, &changes[i], &length);

		swap(at, changes[i].bytes, length);
	}
	if (part) {
		left = file->size * part / 256;
		cut = malloc(left);
		require(cut);
		memcpy(cut, file->bytes, left);
		locate(cut, left);
		free(cut);
	} else {
		locate(file->bytes, file->size);
	}
	for (size_t i = n; i-- > 0;) {
		uint8_t *at = file->bytes + place_of(file, &changes[i], &length);

		swap(at, changes[i].bytes, length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file *file;

	if (size < 2)
		return 0;
	if (data[0] == 0) {
		locate(data + 1, size - 1);
		return 0;
	}
	file = &files[(data[0] - 1) % FILES_MAX];
	if (file->bytes)
		locate_changed(file, data[1], data + 2, size - 2);
	return 0;
}
