/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The Internet checksum (RFC 1071) over memory that lies in one piece.
 *
 * Sums are kept in the machine's byte order, which the checksum does not mind (RFC 1071,
 * 2.B): fields are added as they lie in the packet, and the result is stored as it is.
 */
#ifndef TLSPCAP_FRAME_CHECKSUM_H
#define TLSPCAP_FRAME_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Adds `length` bytes, at most 1 MiB. An odd last byte counts as if a zero followed. */
uint64_t frame_checksum_add(uint64_t sum, const uint8_t *bytes, size_t length);

/* The 16 bits to store into the header with memcpy(). */
uint16_t frame_checksum_fold(uint64_t sum);

#endif
