/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What tlspcap-check asks of bytes, without knowing the file around them: numbers, text,
 * lines of a key log, frames.
 */
#ifndef TLSPCAP_CHECK_VALID_H
#define TLSPCAP_CHECK_VALID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static uint16_t net16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

/* RFC 3629, 4: the table of well-formed sequences; and no NUL. */
static bool is_utf8_text(const uint8_t *s, size_t length)
{
	static const struct {
		uint8_t first, last, low, high, rest;
	} forms[] = {
		{0x01, 0x7f, 0, 0, 0},	     {0xc2, 0xdf, 0x80, 0xbf, 0},
		{0xe0, 0xe0, 0xa0, 0xbf, 1}, {0xe1, 0xec, 0x80, 0xbf, 1},
		{0xed, 0xed, 0x80, 0x9f, 1}, {0xee, 0xef, 0x80, 0xbf, 1},
		{0xf0, 0xf0, 0x90, 0xbf, 2}, {0xf1, 0xf3, 0x80, 0xbf, 2},
		{0xf4, 0xf4, 0x80, 0x8f, 2},
	};
	const size_t n_forms = sizeof(forms) / sizeof(forms[0]);

	for (size_t i = 0; i < length;) {
		size_t f = 0;

		while (f < n_forms && (s[i] < forms[f].first || s[i] > forms[f].last))
			f++;
		if (f == n_forms)
			return false;
		i++;
		if (!forms[f].high)
			continue;
		if (i + 1 + forms[f].rest > length || s[i] < forms[f].low || s[i] > forms[f].high)
			return false;
		i++;
		for (unsigned int n = 0; n < forms[f].rest; n++, i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

static size_t hex_digits(const char *text, size_t length)
{
	size_t n = 0;

	while (n < length && strchr("0123456789abcdefABCDEF", text[n]) && text[n])
		n++;
	return n;
}

/* "LABEL random secret", a comment, or nothing */
static bool is_key_log_line(const char *line, size_t length)
{
	size_t label = 0, n;

	if (!length || line[0] == '#')
		return is_utf8_text((const uint8_t *)line, length);
	while (label < length && line[label] &&
	       strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", line[label]))
		label++;
	if (!label || label == length || line[label] != ' ')
		return false;
	line += label + 1;
	length -= label + 1;
	n = hex_digits(line, length);
	if (n != 64 || n == length || line[n] != ' ')
		return false;
	n = hex_digits(line + 65, length - 65);
	return n && n % 2 == 0 && n == length - 65;
}

/* RFC 1071, sixteen bits at a time, as the RFC has it. */
static uint32_t sum16(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2) {
		sum += net16(bytes + i);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	if (length & 1)
		sum += (uint32_t)bytes[length - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

/* The following give what is wrong, or NULL. */

/* `addresses`: the sum of both */
static const char *tcp_fault(const uint8_t *tcp, size_t length, uint32_t addresses)
{
	size_t header;

	if (length < 20)
		return "no room for a TCP header";
	header = (size_t)(tcp[12] >> 4) * 4;
	if (header < 20 || header > length)
		return "the TCP header length is impossible";
	/* Pseudo header: addresses, protocol, length (RFC 9293, 3.1). */
	if (sum16(addresses + 6 + (uint32_t)length, tcp, length) != 0xffff)
		return "the TCP checksum is wrong";
	return NULL;
}

static const char *ipv4_fault(const uint8_t *ip, size_t length, bool whole)
{
	size_t header;

	if (length < 20 || ip[0] >> 4 != 4)
		return "not an IPv4 header";
	header = (size_t)(ip[0] & 15) * 4;
	if (header < 20 || header > length)
		return "the IPv4 header length is impossible";
	if (sum16(0, ip, header) != 0xffff)
		return "the IPv4 header checksum is wrong";
	if (ip[9] != 6)
		return "the IPv4 protocol is not TCP";
	if (!whole)
		return NULL;
	if (net16(ip + 2) != length)
		return "the IPv4 total length is not the frame's";
	return tcp_fault(ip + header, length - header, sum16(0, ip + 12, 8));
}

static const char *ipv6_fault(const uint8_t *ip, size_t length, bool whole)
{
	if (length < 40 || ip[0] >> 4 != 6)
		return "not an IPv6 header";
	if (ip[6] != 6)
		return "the IPv6 next header is not TCP";
	if (!whole)
		return NULL;
	if (net16(ip + 4) != length - 40)
		return "the IPv6 payload length is not the frame's";
	return tcp_fault(ip + 40, length - 40, sum16(0, ip + 8, 32));
}

/* An Ethernet frame; not `whole`: the snapshot length cut it. */
static const char *frame_fault(const uint8_t *frame, size_t length, bool whole)
{
	if (length < 14)
		return "no room for an Ethernet header";
	switch (net16(frame + 12)) {
	case 0x0800:
		return ipv4_fault(frame + 14, length - 14, whole);
	case 0x86dd:
		return ipv6_fault(frame + 14, length - 14, whole);
	default:
		return "the EtherType is neither IPv4's nor IPv6's";
	}
}

#endif
