/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Every packet is made from its direction's template, in which all that never changes is
 * filled in already. Sequence numbers are counted in 64 bits from the initial one, so that
 * nothing but the header field wraps.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <tlspcap/frame.h>

#include "frame/checksum.h"

#define ETHERNET_LENGTH 14
#define IPV4_LENGTH	20
#define IPV6_LENGTH	40
#define TCP_LENGTH	20
#define SYN_OPTIONS	8 /* MSS, NOP, window scale */

#define TTL		64
#define WINDOW		65535
#define WINDOW_SCALE	7

/* RFC 9293, 3.1 */
enum tcp_flags {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
};

static const uint8_t kind_flags[] = {
	[FRAME_SYN] = TCP_SYN,		 [FRAME_SYN_ACK] = TCP_SYN | TCP_ACK,
	[FRAME_ACK] = TCP_ACK,		 [FRAME_DATA] = TCP_PSH | TCP_ACK,
	[FRAME_FIN] = TCP_FIN | TCP_ACK, [FRAME_RST] = TCP_RST | TCP_ACK,
};

/* One direction of the stream, named after who sends. */
struct side {
	uint32_t isn;
	uint16_t ip_id;
	bool begun; /* it sent something: too late for a SYN */
	/* Sequence numbers used since the ISN. The SYN's counts even where no SYN is sent. */
	uint64_t sent;
	uint64_t acknowledged; /* of those, by any packet of the other side */
	uint8_t headers[ETHERNET_LENGTH + IPV6_LENGTH + TCP_LENGTH];
	uint64_t ip_sum;  /* of the template: what is put into it is added, and not read back */
	uint64_t tcp_sum; /* likewise, with the pseudo header but for the length */
};

struct frame_stream {
	struct side side[2]; /* index: enum tlspcap_direction */
	uint64_t seed;
	uint64_t restarts;
	uint16_t family;
	uint16_t ip_length; /* of the IP header */
	uint16_t payload_max;
	enum tlspcap_direction client;
};

static inline void put16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof(value));
}

static inline void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static inline void put_checksum(uint8_t *at, uint64_t sum)
{
	uint16_t checksum = frame_checksum_fold(sum);

	memcpy(at, &checksum, sizeof(checksum));
}

/* The n-th number of the generator splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t splitmix64(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + (n + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void side_start(struct frame_stream *stream, enum tlspcap_direction direction)
{
	struct side *side = &stream->side[direction];
	uint64_t random = splitmix64(stream->seed, stream->restarts * 2 + direction);
	uint32_t isn = (uint32_t)(random >> 32);

	/* A SYN with the old ISN would be taken for a retransmission. */
	if (stream->restarts && isn == side->isn)
		isn ^= UINT32_C(1) << 31;
	side->isn = isn;
	side->begun = false;
	side->sent = 1;
	side->acknowledged = 1;
}

/* Locally administered, unicast, and different in each network namespace: Wireshark can
 * then tell equal 4-tuples apart (conversation_deinterlacing_key). */
static void put_mac(uint8_t *at, uint32_t netns, bool local)
{
	at[0] = 0x02;
	at[1] = local ? 0 : 1;
	put32(at + 2, netns);
}

static void put_ipv4(uint8_t *ip, const uint8_t *from, const uint8_t *to)
{
	ip[0] = 0x45;	       /* version, header length in words */
	put16(ip + 6, 0x4000); /* don't fragment */
	ip[8] = TTL;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
}

static void put_ipv6(uint8_t *ip, const uint8_t *from, const uint8_t *to)
{
	ip[0] = 0x60; /* version */
	ip[6] = IPPROTO_TCP;
	ip[7] = TTL;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
}

/* RFC 9293, 3.1: the pseudo header but for the length. */
static uint64_t pseudo_sum(const struct frame_flow *flow)
{
	size_t address = flow->family == 4 ? 4 : 16;
	uint64_t sum = htons(IPPROTO_TCP);

	sum = frame_checksum_add(sum, flow->local, address);
	return frame_checksum_add(sum, flow->remote, address);
}

static void side_template(struct side *side, const struct frame_flow *flow, bool from_local)
{
	const uint8_t *from = from_local ? flow->local : flow->remote;
	const uint8_t *to = from_local ? flow->remote : flow->local;
	uint8_t *ip = side->headers + ETHERNET_LENGTH;
	uint8_t *tcp = ip + (flow->family == 4 ? IPV4_LENGTH : IPV6_LENGTH);

	put_mac(side->headers, flow->netns, !from_local);
	put_mac(side->headers + 6, flow->netns, from_local);
	put16(side->headers + 12, flow->family == 4 ? 0x0800 : 0x86dd);
	if (flow->family == 4)
		put_ipv4(ip, from, to);
	else
		put_ipv6(ip, from, to);
	put16(tcp, from_local ? flow->local_port : flow->remote_port);
	put16(tcp + 2, from_local ? flow->remote_port : flow->local_port);
	put16(tcp + 14, WINDOW);
	side->ip_sum = frame_checksum_add(0, ip, IPV4_LENGTH);
	side->tcp_sum = frame_checksum_add(pseudo_sum(flow), tcp, TCP_LENGTH);
}

struct frame_stream *frame_stream_new(const struct frame_flow *flow)
{
	struct frame_stream *stream;

	if (flow->family != 4 && flow->family != 6) {
		errno = EAFNOSUPPORT;
		return NULL;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return NULL;
	stream->seed = flow->seed;
	stream->family = flow->family;
	stream->ip_length = flow->family == 4 ? IPV4_LENGTH : IPV6_LENGTH;
	stream->payload_max = flow->family == 4 ? FRAME_PAYLOAD_MAX_V4 : FRAME_PAYLOAD_MAX_V6;
	stream->client = flow->local_is_server ? TLSPCAP_RECEIVED : TLSPCAP_SENT;
	side_template(&stream->side[TLSPCAP_SENT], flow, true);
	side_template(&stream->side[TLSPCAP_RECEIVED], flow, false);
	side_start(stream, TLSPCAP_SENT);
	side_start(stream, TLSPCAP_RECEIVED);
	return stream;
}

void frame_stream_free(struct frame_stream *stream)
{
	free(stream);
}

void frame_stream_restart(struct frame_stream *stream)
{
	stream->restarts++;
	side_start(stream, TLSPCAP_SENT);
	side_start(stream, TLSPCAP_RECEIVED);
}

size_t frame_payload_max(const struct frame_stream *stream)
{
	return stream->payload_max;
}

size_t frame_unacknowledged(const struct frame_stream *stream, enum tlspcap_direction direction)
{
	const struct side *side = &stream->side[direction];

	return side->sent - side->acknowledged;
}

/* The pieces' bytes, or SIZE_MAX when there are more than a packet holds. */
static size_t payload_length(const struct frame_stream *stream, const struct frame_piece *pieces,
			     size_t n_pieces)
{
	size_t length = 0;

	for (size_t i = 0; i < n_pieces; i++) {
		if (pieces[i].length > stream->payload_max - length)
			return SIZE_MAX;
		length += pieces[i].length;
	}
	return length;
}

static void copy_pieces(uint8_t *out, const struct frame_piece *pieces, size_t n_pieces)
{
	for (size_t i = 0; i < n_pieces; i++) {
		size_t length = pieces[i].length;

		if (!length)
			continue;
		if (pieces[i].bytes)
			memcpy(out, pieces[i].bytes, length);
		else
			memset(out, 0, length);
		out += length;
	}
}

/* RFC 9293, 3.2; RFC 7323, 2.2. */
static void put_syn_options(const struct frame_stream *stream, uint8_t *at)
{
	at[0] = 2; /* maximum segment size */
	at[1] = 4;
	put16(at + 2, stream->payload_max);
	at[4] = 1; /* no operation */
	at[5] = 3; /* window scale */
	at[6] = 3;
	at[7] = WINDOW_SCALE;
}

static void finish_ip(const struct frame_stream *stream, struct side *from, uint8_t *ip,
		      size_t tcp_length)
{
	if (stream->family == 6) {
		put16(ip + 4, (uint16_t)tcp_length);
		return;
	}
	put16(ip + 2, (uint16_t)(IPV4_LENGTH + tcp_length));
	put16(ip + 4, ++from->ip_id);
	put_checksum(ip + 10, from->ip_sum + htons((uint16_t)(IPV4_LENGTH + tcp_length)) +
				      htons(from->ip_id));
}

/* Whether the stream's state lets this packet be sent. */
static bool may_send(enum frame_kind kind, const struct side *from, const struct side *to,
		     size_t payload)
{
	switch (kind) {
	case FRAME_SYN:
	case FRAME_SYN_ACK:
		return !from->begun && !payload;
	case FRAME_ACK:
		/* The same number again would be shown as a duplicate ACK. */
		return to->acknowledged != to->sent && !payload;
	case FRAME_DATA:
		return payload > 0;
	default:
		return !payload;
	}
}

size_t frame_build(struct frame_stream *stream, enum frame_kind kind,
		   enum tlspcap_direction direction, const struct frame_piece *pieces,
		   size_t n_pieces, uint8_t *out, size_t room)
{
	const bool syn = kind == FRAME_SYN || kind == FRAME_SYN_ACK;
	const size_t options = syn ? SYN_OPTIONS : 0;
	const size_t headers = ETHERNET_LENGTH + stream->ip_length + TCP_LENGTH;
	const size_t payload = payload_length(stream, pieces, n_pieces);
	uint8_t *ip = out + ETHERNET_LENGTH, *tcp = ip + stream->ip_length;
	const size_t tcp_length = TCP_LENGTH + options + payload;
	struct side *from, *to;
	uint32_t number, answer = 0;
	uint16_t offset_flags;
	uint64_t sum;

	if (syn)
		direction = kind == FRAME_SYN ? stream->client : !stream->client;
	from = &stream->side[direction];
	to = &stream->side[!direction];
	if (payload == SIZE_MAX || headers + options + payload > room ||
	    !may_send(kind, from, to, payload))
		return 0;

	memcpy(out, from->headers, headers);
	finish_ip(stream, from, ip, tcp_length);
	number = from->isn + (syn ? 0 : (uint32_t)from->sent);
	put32(tcp + 4, number);
	if (kind_flags[kind] & TCP_ACK) {
		answer = to->isn + (uint32_t)to->sent;
		put32(tcp + 8, answer);
		to->acknowledged = to->sent;
	}
	offset_flags = (uint16_t)((TCP_LENGTH + options) / 4 << 12 | kind_flags[kind]);
	put16(tcp + 12, offset_flags);
	if (syn)
		put_syn_options(stream, tcp + TCP_LENGTH);
	copy_pieces(tcp + TCP_LENGTH + options, pieces, n_pieces);
	sum = from->tcp_sum + htons((uint16_t)tcp_length) + htonl(number) + htonl(answer) +
	      htons(offset_flags);
	put_checksum(tcp + 16, frame_checksum_add(sum, tcp + TCP_LENGTH, tcp_length - TCP_LENGTH));

	if (syn)
		from->acknowledged = 0;
	from->begun = true;
	from->sent += payload + (kind == FRAME_FIN);
	return headers + options + payload;
}
