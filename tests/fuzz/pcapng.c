/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Names and secrets of captured processes into blocks: whatever bytes and whatever room,
 * what comes out is a block with valid text, or an error.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <tests/support/require.h>
#include <tlspcap/pcapng.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No control character in one byte, and each lead byte followed by what it asks for. */
static void require_clean(const char *text, size_t length)
{
	const uint8_t *s = (const uint8_t *)text;

	for (size_t i = 0; i < length;) {
		size_t rest = s[i] < 0x80 ? 0 : s[i] < 0xe0 ? 1 : s[i] < 0xf0 ? 2 : 3;

		require(s[i] >= 0x20 && s[i] != 0x7f && (s[i] < 0x80 || s[i] >= 0xc2) &&
			s[i] < 0xf5 && s[i] != ';' && s[i] != '=' && s[i] != '"');
		for (i++; rest--; i++)
			require(i < length && (s[i] & 0xc0) == 0x80);
	}
}

static uint32_t get32(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static void require_block(const uint8_t *out, ssize_t length, size_t room)
{
	if (length < 0) {
		require(length == -ENOBUFS || length == -EINVAL);
		return;
	}
	require(length >= 12 && length % 4 == 0 && (size_t)length <= room);
	require(get32(out + 4) == (uint32_t)length);
	require(get32(out + length - 4) == (uint32_t)length);
}

static void try_blocks(const char *text, const uint8_t *data, size_t size, size_t room)
{
	struct pcapng_section section = {text, NULL, text, text};
	struct pcapng_interface interface = {text, text, text, NULL};
	struct pcapng_packet packet = {
		.comment = text, .comment_length = strlen(text), .process = (int32_t)size};
	uint8_t *out = malloc(room + 1); /* a sanitizer sees what is written past it */

	require(out != NULL);
	require_block(out, pcapng_put_section(out, room, &section), room);
	require_block(out, pcapng_put_interface(out, room, &interface), room);
	require_block(out, pcapng_put_process(out, room, 1, text), room);
	require_block(out, pcapng_put_secrets(out, room, (const char *)data, size), room);
	memset(out, 0, room + 1);
	require_block(out, pcapng_finish_packet(out, room, &packet, size), room);
	free(out);
}

static void try_secret(const uint8_t *data, size_t size)
{
	struct tlspcap_secret secret = {0};
	char line[PCAPNG_SECRET_LINE_MAX];
	ssize_t length;

	memcpy(&secret, data, size < sizeof(secret) ? size : sizeof(secret));
	length = pcapng_secret_line(line, sizeof(line), &secret);
	require(length == -EINVAL || (length > 0 && line[length - 1] == '\n'));
	if (length > 0)
		require(strlen(line) == (size_t)length && strcspn(line, "\n") + 1 == strlen(line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room, length;
	char *text, *clean;

	if (size < 2)
		return 0;
	room = data[0] | (size_t)data[1] << 8;
	data += 2;
	size -= 2;

	clean = malloc(room + 1);
	text = malloc(size + 1);
	require(clean && text);
	length = pcapng_clean_text(clean, room, (const char *)data, size);
	require(room ? length < room && clean[length] == '\0' : !length);
	require_clean(clean, length);
	memcpy(text, data, size);
	text[size] = '\0';
	try_blocks(text, data, size, room);
	try_secret(data, size);
	free(text);
	free(clean);
	return 0;
}
