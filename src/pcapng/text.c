/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Text from captured processes: whatever bytes they are, what leaves here is valid UTF-8
 * (RFC 3629) that neither ends an option early, nor forges a field of a comment, nor steers
 * a terminal.
 */
#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <tlspcap/pcapng.h>

#include "pcapng/text.h"

#define REPLACEMENT 0xfffd

/*
 * Decodes one character of the `length` > 0 bytes at `text`. Returns how many bytes it took;
 * an invalid sequence is one REPLACEMENT for each byte that cannot start a character.
 */
static size_t decode(const uint8_t *text, size_t length, uint32_t *character)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = text[0] < 0x80		 ? 1
		      : (text[0] & 0xe0) == 0xc0 ? 2
		      : (text[0] & 0xf0) == 0xe0 ? 3
		      : (text[0] & 0xf8) == 0xf0 ? 4
						 : 0;
	uint32_t value;

	*character = REPLACEMENT;
	if (!size || size > length)
		return 1;
	value = size == 1 ? text[0] : text[0] & (0x7f >> size);
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 1;
		value = value << 6 | (text[i] & 0x3f);
	}
	/* RFC 3629, 3: no overlong forms, no surrogates, nothing past U+10FFFF. */
	if (value < smallest[size] || (value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
		return 1;
	*character = value;
	return size;
}

static size_t encode(uint32_t value, uint8_t *out)
{
	if (value < 0x80) {
		out[0] = (uint8_t)value;
		return 1;
	}
	if (value < 0x800) {
		out[0] = (uint8_t)(0xc0 | value >> 6);
		out[1] = (uint8_t)(0x80 | (value & 0x3f));
		return 2;
	}
	if (value < 0x10000) {
		out[0] = (uint8_t)(0xe0 | value >> 12);
		out[1] = (uint8_t)(0x80 | (value >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (value & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | value >> 18);
	out[1] = (uint8_t)(0x80 | (value >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (value >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (value & 0x3f));
	return 4;
}

/* Characters that move the cursor, start a line, or reverse the order of what is read. */
static int is_control(uint32_t value)
{
	return value < 0x20 || (value >= 0x7f && value < 0xa0) ||
	       (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
}

size_t text_clean(char *out, size_t room, const char *text, size_t length, char control,
		  const char *reserved)
{
	size_t used = 0, taken;

	for (size_t i = 0; i < length; i += taken) {
		uint8_t encoded[4];
		uint32_t value;
		size_t size;

		taken = decode((const uint8_t *)text + i, length - i, &value);
		if (is_control(value))
			value = (uint8_t)control;
		else if (value < 0x80 && strchr(reserved, (int)value))
			value = '_';
		size = encode(value, encoded);
		if (size > room - used)
			break;
		if (out)
			memcpy(out + used, encoded, size);
		used += size;
	}
	return used;
}

size_t pcapng_clean_text(char *out, size_t size, const char *text, size_t length)
{
	size_t used;

	if (!size)
		return 0;
	used = text_clean(out, size - 1, text, length, '_', ";=\"");
	out[used] = '\0';
	return used;
}

/* Letters, digits and '_' up to the NUL; the length, or 0 when it is no label. */
static size_t label_length(const struct tlspcap_secret *secret)
{
	size_t length = strnlen(secret->label, sizeof(secret->label));

	if (length == sizeof(secret->label))
		return 0;
	for (size_t i = 0; i < length; i++) {
		char c = secret->label[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '_')
			return 0;
	}
	return length;
}

static char *put_hex(char *out, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	return out;
}

/* TLS 1.2's master secret is 48 bytes (RFC 5246, 8.1); TLS 1.3's secrets are as long as the
 * hash (RFC 8446, 7.1), and there is none below SHA-256. */
static int is_secret_length(const struct tlspcap_secret *secret)
{
	if (!strcmp(secret->label, "CLIENT_RANDOM"))
		return secret->secret_length == 48;
	return secret->secret_length >= 32 && secret->secret_length <= TLSPCAP_SECRET_LEN;
}

ssize_t pcapng_secret_line(char *out, size_t room, const struct tlspcap_secret *secret)
{
	size_t label = label_length(secret), length;

	if (!label || !is_secret_length(secret))
		return -EINVAL;
	length = label + 1 + 2 * TLSPCAP_RANDOM_LEN + 1 + 2 * secret->secret_length + 1;
	if (length >= room)
		return -ENOBUFS;
	memcpy(out, secret->label, label);
	out += label;
	*out++ = ' ';
	out = put_hex(out, secret->client_random, TLSPCAP_RANDOM_LEN);
	*out++ = ' ';
	out = put_hex(out, secret->secret, secret->secret_length);
	*out++ = '\n';
	*out = '\0';
	return (ssize_t)length;
}
