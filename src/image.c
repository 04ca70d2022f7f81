/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/evp.h>

/* Chromium, the largest program with a TLS library inside that we know, has 290 MB. */
#define READ_MAX ((size_t)512 << 20)
/* With debug sections. Address space, not memory. */
#define FILE_MAX     ((off_t)8 << 30)

#define CHUNK	     ((size_t)1 << 20)
#define SECTIONS_MAX 4096
#define HOLES_MAX    32
#define HOLE_MIN     ((uint64_t)1 << 20)

struct hole {
	uint64_t start, end;
};

struct reader {
	int fd;
	uint8_t *bytes;
	size_t size, left;
	struct hole holes[HOLES_MAX];
	size_t n_holes;
	EVP_MD_CTX *hash; /* NULL: none */
};

/* Bytes read; fewer than `size` where the file ends; or negative errno. */
static ssize_t read_at(int fd, void *to, size_t size, size_t at)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)to + done, size - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it was cut short meanwhile: take what there is */
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* What neither the loader nor a symbol table needs: debug sections, of any name. */
static bool is_hole(int fd, const Elf64_Shdr *section, size_t size)
{
	static const char xz[] = "\xfd"
				 "7zXZ"; /* symbols, in .gnu_debugdata */
	char start[sizeof(xz)];

	if (read_at(fd, start, sizeof(start), section->sh_offset) == sizeof(start) &&
	    !memcmp(start, xz, sizeof(xz)))
		return false;
	return section->sh_type == SHT_PROGBITS && !(section->sh_flags & SHF_ALLOC) &&
	       section->sh_size >= HOLE_MIN && section->sh_offset <= size &&
	       section->sh_size <= size - section->sh_offset;
}

static void find_holes(struct reader *reader)
{
	Elf64_Shdr *sections;
	Elf64_Ehdr header;
	size_t n;

	if (read_at(reader->fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_shentsize != sizeof(*sections) || header.e_shoff > reader->size)
		return;
	n = header.e_shnum < SECTIONS_MAX ? header.e_shnum : SECTIONS_MAX;
	sections = calloc(n ? n : 1, sizeof(*sections));
	if (sections && read_at(reader->fd, sections, n * sizeof(*sections), header.e_shoff) < 0)
		n = 0;
	for (size_t i = 0; sections && i < n && reader->n_holes < HOLES_MAX; i++) {
		if (is_hole(reader->fd, &sections[i], reader->size))
			reader->holes[reader->n_holes++] = (struct hole){
				sections[i].sh_offset, sections[i].sh_offset + sections[i].sh_size};
	}
	free(sections);
}

/* From `at`: how many bytes up to the next hole, or 0 and in *at the hole's end. */
static size_t until_hole(const struct reader *reader, size_t *at)
{
	size_t end = reader->size;

	for (size_t i = 0; i < reader->n_holes; i++) {
		const struct hole *hole = &reader->holes[i];

		if (hole->start <= *at && *at < hole->end) {
			*at = hole->end;
			return 0;
		}
		if (hole->start > *at && hole->start < end)
			end = hole->start;
	}
	return end - *at;
}

/* Where it is, too: zeros may stand for what was not read. */
static void hash_part(struct reader *reader, size_t at, size_t size)
{
	const uint64_t place[2] = {at, size};

	if (reader->hash && (EVP_DigestUpdate(reader->hash, place, sizeof(place)) != 1 ||
			     EVP_DigestUpdate(reader->hash, reader->bytes + at, size) != 1)) {
		EVP_MD_CTX_free(reader->hash);
		reader->hash = NULL;
	}
}

static int read_all(struct reader *reader)
{
	size_t at = 0;

	while (at < reader->size) {
		size_t part = until_hole(reader, &at);
		ssize_t n;

		if (!part)
			continue;
		part = part < CHUNK ? part : CHUNK;
		if (part > reader->left)
			return -EFBIG;
		reader->left -= part;
		n = read_at(reader->fd, reader->bytes + at, part, at);
		if (n < 0)
			return (int)n;
		hash_part(reader, at, part);
		at += part;
	}
	return 0;
}

int image_read(int fd, struct image *image)
{
	struct reader reader = {.fd = fd, .left = READ_MAX};
	struct stat status;
	void *bytes;
	int error;

	memset(image, 0, sizeof(*image));
	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		return -ENOEXEC;
	if (status.st_size > FILE_MAX)
		return -EFBIG;
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	image->bytes = reader.bytes = bytes;
	image->size = reader.size = (size_t)status.st_size;
	reader.hash = EVP_MD_CTX_new();
	if (reader.hash && EVP_DigestInit_ex(reader.hash, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(reader.hash);
		reader.hash = NULL;
	}
	find_holes(&reader);
	hash_part(&reader, reader.size, 0);
	error = read_all(&reader);
	image->hashed = reader.hash && EVP_DigestFinal_ex(reader.hash, image->hash, NULL) == 1;
	EVP_MD_CTX_free(reader.hash);
	if (error)
		image_free(image);
	return error;
}

void image_free(struct image *image)
{
	if (image->bytes)
		munmap(image->bytes, image->size);
	image->bytes = NULL;
}
