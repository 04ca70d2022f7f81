/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * pcapng: blocks of a pcapng file (draft-ietf-opsawg-pcapng), built into memory.
 *
 * A pure stage without state. Every function writes one whole block to `out`, which has
 * `room` bytes, and returns its length (a multiple of 4), or -ENOBUFS when it does not fit,
 * -EINVAL when the values cannot be a block that libpcap and Wireshark accept. Strings are
 * made valid UTF-8 without control characters and cut to what an option can hold.
 */
#ifndef TLSPCAP_PCAPNG_H
#define TLSPCAP_PCAPNG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tlspcap/event.h>

#define PCAPNG_LINKTYPE_ETHERNET 1
#define PCAPNG_SNAPLEN		 262144
/* libpcap reads no larger block. */
#define PCAPNG_BLOCK_MAX ((size_t)16 << 20)

/* Section Header Block, 4.1. NULL strings are left out. Section length: not known (-1). */
struct pcapng_section {
	const char *hardware, *os, *application, *comment;
};
ssize_t pcapng_put_section(uint8_t *out, size_t room, const struct pcapng_section *section);

/* Interface Description Block, 4.2: Ethernet, if_tsresol 9 (nanoseconds). */
struct pcapng_interface {
	const char *name, *description, *filter, *os;
};
ssize_t pcapng_put_interface(uint8_t *out, size_t room, const struct pcapng_interface *interface);

/* Decryption Secrets Block, 4.7: whole lines of an NSS key log. */
ssize_t pcapng_put_secrets(uint8_t *out, size_t room, const char *lines, size_t length);

/* Darwin's process block 0x80000001, which Wireshark 4.6 shows. */
ssize_t pcapng_put_process(uint8_t *out, size_t room, uint32_t pid, const char *name);

/* Enhanced Packet Block, 4.3. */
struct pcapng_packet {
	uint32_t interface;		  /* index in this section */
	uint64_t time_ns;		  /* since 1970 */
	uint32_t original_length;	  /* bytes on the wire; 0: as captured */
	enum tlspcap_direction direction; /* epb_flags: sent is outbound */
	const char *comment; /* NULL: none; already safe text, see pcapng_clean_text() */
	size_t comment_length;
	uint64_t dropped; /* epb_dropcount; 0: left out */
	int32_t process;  /* index of a process block in this file; -1: left out */
};
#define PCAPNG_PACKET_HEADER		    28 /* before the packet's bytes */
#define PCAPNG_PACKET_ROOM(caplen, comment) ((size_t)(caplen) + (comment) + 128)

/*
 * The packet's `length` bytes were put at out + PCAPNG_PACKET_HEADER by the caller: header
 * and options are written around them, so that a packet is copied once.
 */
ssize_t pcapng_finish_packet(uint8_t *out, size_t room, const struct pcapng_packet *packet,
			     size_t length);

/* Interface Statistics Block, 4.6. */
struct pcapng_statistics {
	uint32_t interface;
	uint64_t time_ns, start_ns, end_ns;
	uint64_t received, dropped;
};
ssize_t pcapng_put_statistics(uint8_t *out, size_t room, const struct pcapng_statistics *stats);

/*
 * Copies `text` as valid UTF-8 without control characters, with ';', '=' and '"' replaced by
 * '_', so that it can stand as a value in a comment. Invalid bytes become U+FFFD. Returns
 * the length; always NUL-terminates when size > 0.
 */
size_t pcapng_clean_text(char *out, size_t size, const char *text, size_t length);

/*
 * Formats a secret as one line of an NSS key log ("LABEL random secret\n", lower-case hex).
 * Returns its length, or -EINVAL when it is not one (hostile label, lengths), -ENOBUFS.
 */
#define PCAPNG_SECRET_LINE_MAX 256
ssize_t pcapng_secret_line(char *out, size_t room, const struct tlspcap_secret *secret);

#endif
