/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include <string.h>

#include "frame/checksum.h"

static inline uint64_t load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Both halves of a word, so that 64 bits hold any number of carries that a packet can make. */
static inline uint64_t halves(uint64_t word)
{
	return (word & 0xffffffff) + (word >> 32);
}

/*
 * The last bytes, fewer than a word, of `all`. Read with those before them where there are any:
 * to copy them to where a word can be read from costs more than all else here.
 */
static inline uint64_t load_tail(const uint8_t *bytes, size_t length, size_t all)
{
	uint64_t word = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (!length)
		return 0;
	if (all >= sizeof(word))
		return load64(bytes + length - sizeof(word)) >> 8 * (sizeof(word) - length);
#endif
	(void)all;
	memcpy(&word, bytes, length);
	return word;
}

uint64_t frame_checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
{
	/* Four sums that do not wait for each other. */
	uint64_t a = 0, b = 0, c = 0, d = 0;
	const size_t all = length;

	for (; length >= 32; length -= 32, bytes += 32) {
		a += halves(load64(bytes));
		b += halves(load64(bytes + 8));
		c += halves(load64(bytes + 16));
		d += halves(load64(bytes + 24));
	}
	for (; length >= 8; length -= 8, bytes += 8)
		a += halves(load64(bytes));
	return sum + a + b + c + d + halves(load_tail(bytes, length, all));
}

uint16_t frame_checksum_fold(uint64_t sum)
{
	sum = halves(sum);
	sum = halves(sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
