/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Headers of records that wait in the kernel for the rest of their records (bpf/stream.h), when
 * the capture ends before that.
 */
#include "capture_internal.h"

#include <bpf/socket_info.h>
#include <string.h>

#include "tlspcap.skel.h"

union head {
	struct tlspcap_data data;
	uint8_t bytes[sizeof(struct tlspcap_data) + sizeof(((struct socket_info *)0)->head)];
};

/* As the programs would; whose thread received it is not known any more. */
static void tell(struct capture *capture, const struct socket_info *info, uint64_t time_ns)
{
	union head head = {
		.data = {.event = {.size = sizeof(head.data) + info->head_length,
				   .type = TLSPCAP_EVENT_STREAM,
				   .time_ns = time_ns,
				   .sock_id = info->id},
			 .offset = info->offset[TLSPCAP_RECEIVED],
			 .length = info->head_length,
			 .direction = TLSPCAP_RECEIVED},
	};

	memcpy(head.bytes + sizeof(head.data), &info->head, info->head_length);
	capture->fn(capture->fn_ctx, &head.data.event);
}

int heads_tell(struct capture *capture, uint64_t time_ns)
{
	const struct bpf_map *map = capture->skeleton->maps.sockets;
	uint64_t key, *previous = NULL;
	struct socket_info info;
	int n = 0;

	while (!bpf_map__get_next_key(map, previous, &key, sizeof(key))) {
		previous = &key;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), &info, sizeof(info), 0) ||
		    !info.head_length || info.head_length > sizeof(info.head))
			continue;
		tell(capture, &info, time_ns);
		n++;
	}
	return n;
}
