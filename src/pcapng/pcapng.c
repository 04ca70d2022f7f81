/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Section numbers are those of draft-ietf-opsawg-pcapng. All numbers little-endian.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <tlspcap/pcapng.h>

#include "pcapng/text.h"

#define BLOCK_SECTION	    0x0a0d0d0a
#define BLOCK_INTERFACE	    0x00000001
#define BLOCK_STATISTICS    0x00000005
#define BLOCK_PACKET	    0x00000006
#define BLOCK_SECRETS	    0x0000000a
#define BLOCK_PROCESS	    0x80000001 /* Darwin's */

#define OPT_ENDOFOPT	    0
#define OPT_COMMENT	    1

#define SHB_HARDWARE	    2
#define SHB_OS		    3
#define SHB_USERAPPL	    4

#define IF_NAME		    2
#define IF_DESCRIPTION	    3
#define IF_TSRESOL	    9
#define IF_FILTER	    11
#define IF_OS		    12

#define EPB_FLAGS	    2
#define EPB_DROPCOUNT	    4
#define EPB_PROCESS	    32769 /* Darwin's: u32, index of a process block */

#define ISB_STARTTIME	    2
#define ISB_ENDTIME	    3
#define ISB_IFRECV	    4
#define ISB_IFDROP	    5

#define PROCESS_NAME	    2

#define SECRETS_TLS_KEY_LOG 0x544c534b /* "TLSK" */

#define OPTION_MAX	    65535

/*
 * A block being built. The first thing that does not fit or cannot be sets `error`, and
 * nothing is written after it, so that only block_end() need be looked at.
 */
struct block {
	uint8_t *out;
	size_t room, used;
	int error;
};

static inline size_t padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* Place for `size` bytes more; NULL when the block is spoilt. */
static uint8_t *block_more(struct block *block, size_t size)
{
	uint8_t *at = block->out + block->used;

	if (block->error)
		return NULL;
	if (size > block->room - block->used) {
		block->error = -ENOBUFS;
		return NULL;
	}
	block->used += size;
	return at;
}

static void put16(struct block *block, uint16_t value)
{
	uint8_t *at = block_more(block, sizeof(value));

	value = htole16(value);
	if (at)
		memcpy(at, &value, sizeof(value));
}

static void put32(struct block *block, uint32_t value)
{
	uint8_t *at = block_more(block, sizeof(value));

	value = htole32(value);
	if (at)
		memcpy(at, &value, sizeof(value));
}

static void put64(struct block *block, uint64_t value)
{
	uint8_t *at = block_more(block, sizeof(value));

	value = htole64(value);
	if (at)
		memcpy(at, &value, sizeof(value));
}

/* Timestamps: the upper half comes first, in either byte order (4.3). */
static void put_time(struct block *block, uint64_t time_ns)
{
	put32(block, (uint32_t)(time_ns >> 32));
	put32(block, (uint32_t)time_ns);
}

static void put_padding(struct block *block)
{
	size_t size = padded(block->used) - block->used;
	uint8_t *at = block_more(block, size);

	if (at)
		memset(at, 0, size);
}

static void put_bytes(struct block *block, const void *bytes, size_t length)
{
	uint8_t *at = block_more(block, length);

	if (at)
		memcpy(at, bytes, length);
	put_padding(block);
}

/* 3.5: code, length without padding, value, padding */
static void put_option(struct block *block, uint16_t code, const void *value, uint16_t length)
{
	put16(block, code);
	put16(block, length);
	put_bytes(block, value, length);
}

/* `zero`: the value starts with a zero byte, as if_filter's does for "text" (4.2). */
static void put_text_option(struct block *block, uint16_t code, const char *text, bool zero)
{
	size_t length;
	uint8_t *at;

	if (!text || !*text)
		return;
	length = text_clean(NULL, OPTION_MAX - zero, text, strlen(text), ' ', "");
	put16(block, code);
	put16(block, (uint16_t)(length + zero));
	at = block_more(block, length + zero);
	if (!at)
		return;
	if (zero)
		*at++ = 0;
	text_clean((char *)at, length, text, strlen(text), ' ', "");
	put_padding(block);
}

static void put_text(struct block *block, uint16_t code, const char *text)
{
	put_text_option(block, code, text, false);
}

static void put_option32(struct block *block, uint16_t code, uint32_t value)
{
	put16(block, code);
	put16(block, sizeof(value));
	put32(block, value);
}

static void put_option64(struct block *block, uint16_t code, uint64_t value)
{
	put16(block, code);
	put16(block, sizeof(value));
	put64(block, value);
}

static void put_end_of_options(struct block *block)
{
	put32(block, OPT_ENDOFOPT); /* and its length, 0 */
}

/* 3.1. The length is filled in by block_end(). */
static struct block block_begin(uint8_t *out, size_t room, uint32_t type)
{
	struct block block = {.out = out, .room = room};

	put32(&block, type);
	put32(&block, 0);
	return block;
}

static ssize_t block_end(struct block *block)
{
	uint32_t total = htole32((uint32_t)(block->used + sizeof(total)));

	put32(block, (uint32_t)(block->used + sizeof(total)));
	if (block->error)
		return block->error;
	memcpy(block->out + 4, &total, sizeof(total));
	return (ssize_t)block->used;
}

ssize_t pcapng_put_section(uint8_t *out, size_t room, const struct pcapng_section *section)
{
	struct block block = block_begin(out, room, BLOCK_SECTION);

	put32(&block, 0x1a2b3c4d); /* byte order */
	put16(&block, 1);	   /* version 1.0 */
	put16(&block, 0);
	put64(&block, UINT64_MAX); /* section length: not known */
	put_text(&block, SHB_HARDWARE, section->hardware);
	put_text(&block, SHB_OS, section->os);
	put_text(&block, SHB_USERAPPL, section->application);
	put_text(&block, OPT_COMMENT, section->comment);
	put_end_of_options(&block);
	return block_end(&block);
}

ssize_t pcapng_put_interface(uint8_t *out, size_t room, const struct pcapng_interface *interface)
{
	static const uint8_t nanoseconds = 9;
	struct block block = block_begin(out, room, BLOCK_INTERFACE);

	put16(&block, PCAPNG_LINKTYPE_ETHERNET);
	put16(&block, 0); /* reserved */
	put32(&block, PCAPNG_SNAPLEN);
	put_text(&block, IF_NAME, interface->name);
	put_text(&block, IF_DESCRIPTION, interface->description);
	put_option(&block, IF_TSRESOL, &nanoseconds, sizeof(nanoseconds));
	put_text_option(&block, IF_FILTER, interface->filter, true);
	put_text(&block, IF_OS, interface->os);
	put_end_of_options(&block);
	return block_end(&block);
}

ssize_t pcapng_put_secrets(uint8_t *out, size_t room, const char *lines, size_t length)
{
	struct block block;

	/* Half a line is lost to Wireshark, also when the rest follows in the next block. */
	if (!length || lines[length - 1] != '\n' || memchr(lines, '\0', length))
		return -EINVAL;
	/* The only block without a smaller limit of its own. */
	if (length > PCAPNG_BLOCK_MAX - 20)
		return -EINVAL;
	block = block_begin(out, room, BLOCK_SECRETS);
	put32(&block, SECRETS_TLS_KEY_LOG);
	put32(&block, (uint32_t)length);
	put_bytes(&block, lines, length);
	return block_end(&block);
}

ssize_t pcapng_put_process(uint8_t *out, size_t room, uint32_t pid, const char *name)
{
	struct block block = block_begin(out, room, BLOCK_PROCESS);

	put32(&block, pid);
	put_text(&block, PROCESS_NAME, name);
	put_end_of_options(&block);
	return block_end(&block);
}

ssize_t pcapng_finish_packet(uint8_t *out, size_t room, const struct pcapng_packet *packet,
			     size_t length)
{
	uint32_t original = packet->original_length ? packet->original_length : (uint32_t)length;
	/* epb_flags, bits 0-1 (4.3): 1 inbound, 2 outbound */
	uint32_t flags = packet->direction == TLSPCAP_SENT ? 2 : 1;
	struct block block;

	if (length > PCAPNG_SNAPLEN || original < length)
		return -EINVAL;
	if (packet->comment && packet->comment_length > OPTION_MAX)
		return -EINVAL;
	block = block_begin(out, room, BLOCK_PACKET);
	put32(&block, packet->interface);
	put_time(&block, packet->time_ns);
	put32(&block, (uint32_t)length);
	put32(&block, original);
	block_more(&block, length);
	put_padding(&block);
	put_option32(&block, EPB_FLAGS, flags);
	if (packet->dropped)
		put_option64(&block, EPB_DROPCOUNT, packet->dropped);
	if (packet->process >= 0)
		put_option32(&block, EPB_PROCESS, (uint32_t)packet->process);
	if (packet->comment && packet->comment_length)
		put_option(&block, OPT_COMMENT, packet->comment, (uint16_t)packet->comment_length);
	put_end_of_options(&block);
	return block_end(&block);
}

ssize_t pcapng_put_statistics(uint8_t *out, size_t room, const struct pcapng_statistics *stats)
{
	struct block block = block_begin(out, room, BLOCK_STATISTICS);

	put32(&block, stats->interface);
	put_time(&block, stats->time_ns);
	put16(&block, ISB_STARTTIME);
	put16(&block, 8);
	put_time(&block, stats->start_ns);
	put16(&block, ISB_ENDTIME);
	put16(&block, 8);
	put_time(&block, stats->end_ns);
	put_option64(&block, ISB_IFRECV, stats->received);
	put_option64(&block, ISB_IFDROP, stats->dropped);
	put_end_of_options(&block);
	return block_end(&block);
}
