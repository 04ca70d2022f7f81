/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What a stream's frames have for addresses, and which protocol its bytes tell. */
#include <writer/internal.h>

/*
 * Addresses for a conversation without: of the discard prefix 100::/64 (RFC 6666), which no
 * packet on a network has, different for each conversation. The ports are 0, "unknown".
 */
static void unknown_flow(struct frame_flow *flow, const struct conversation_info *info)
{
	uint32_t number = (uint32_t)info->number;

	flow->family = 6;
	flow->local[0] = flow->remote[0] = 1;
	for (int i = 0; i < 4; i++) {
		flow->local[8 + i] = (uint8_t)(info->pid >> (24 - 8 * i));
		flow->local[12 + i] = flow->remote[12 + i] = (uint8_t)(number >> (24 - 8 * i));
	}
	/* Process numbers end at 2^22: no local address looks like this. */
	flow->remote[8] = flow->remote[9] = 0xff;
}

static void known_flow(struct frame_flow *flow, const struct conversation_info *info)
{
	flow->family = info->family;
	memcpy(flow->local, info->local, sizeof(flow->local));
	memcpy(flow->remote, info->remote, sizeof(flow->remote));
	flow->local_port = info->local_port;
	flow->remote_port = info->remote_port;
}

/*
 * In place of addresses that another conversation has at the same time: of the discard prefix
 * as well, with the network namespace and, of IPv4, the address in it. The ports stay, and
 * the comment says the real addresses.
 */
static void clashing_address(uint8_t to[16], const uint8_t *from,
			     const struct conversation_info *info)
{
	uint8_t tail[4] = {from[0], from[1], from[2], from[3]};

	for (size_t i = 4; info->family == 6 && i < 16; i++)
		tail[i % 4] = (uint8_t)(tail[i % 4] * 31 + from[i]);
	memset(to, 0, 16);
	to[0] = 1;
	for (int i = 0; i < 4; i++) {
		to[8 + i] = (uint8_t)(info->netns >> (24 - 8 * i));
		to[12 + i] = tail[i];
	}
}

struct frame_stream *flow_frames(const struct conversation_info *info)
{
	struct frame_flow flow = {
		.netns = info->netns,
		.local_is_server = info->role == TLSPCAP_ROLE_SERVER,
		.seed = info->seed,
	};

	if (info->addresses_known)
		known_flow(&flow, info);
	else
		unknown_flow(&flow, info);
	if (info->addresses_clash) {
		flow.family = 6;
		clashing_address(flow.local, info->local, info);
		clashing_address(flow.remote, info->remote, info);
	}
	return frame_stream_new(&flow);
}

/*
 * HTTP/2 by the first bytes of either side, where the library told no ALPN: the client's
 * preface, or the server's SETTINGS on stream 0 (RFC 9113, 3.4 and 6.5).
 */
static bool looks_like_h2(const uint8_t *bytes, size_t length)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n";
	static const uint8_t settings[] = {4, 0, 0, 0, 0, 0}; /* type, flags, stream */

	if (length >= sizeof(preface) - 1 && memcmp(bytes, preface, sizeof(preface) - 1) == 0)
		return true;
	return length >= 9 && bytes[0] == 0 && (bytes[1] << 8 | bytes[2]) % 6 == 0 &&
	       memcmp(bytes + 3, settings, sizeof(settings)) == 0;
}

/*
 * HTTP/2 in the midst of a connection: whole frames, of types and on streams that go together
 * (RFC 9113, 4.1 and 6), fill the bytes to the last one.
 */
static bool looks_like_h2_frames(const uint8_t *bytes, size_t length)
{
	/* By type: 1 on stream 0 only, 2 on others only, 3 on any. */
	static const uint8_t streams[] = {2, 2, 2, 2, 1, 2, 1, 1, 3, 2};

	while (length >= 9) {
		size_t size = 9 + ((size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2]);
		bool zero = !(bytes[5] | bytes[6] | bytes[7] | bytes[8]);

		if (bytes[3] >= sizeof(streams) || !(streams[bytes[3]] & (zero ? 1 : 2)) ||
		    (bytes[5] & 0x80) || size > length)
			return false;
		bytes += size;
		length -= size;
		if (!length)
			return true;
	}
	return false;
}

bool flow_is_h2(const uint8_t *bytes, size_t length, bool begins)
{
	return looks_like_h2(bytes, length) || (!begins && looks_like_h2_frames(bytes, length));
}
