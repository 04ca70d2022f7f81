/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which view stock Wireshark dissects on which port. Wireshark gives these server ports to
 * a protocol that is not TLS, so that a TLS envelope on them stays closed. Measured;
 * docs/views.md has the figures.
 */
#include <view/internal.h>

static const uint16_t plain_ports[] = {
	21,   22,   25,	  53,	80,   1433, 1883, 3128, 3306, 4222,
	5000, 5060, 5672, 5985, 6379, 7000, 8080, 8088, 9092, 11211,
};

static bool is_plain(uint16_t port)
{
	for (size_t i = 0; i < sizeof(plain_ports) / sizeof(plain_ports[0]); i++)
		if (plain_ports[i] == port)
			return true;
	return false;
}

enum view_kind view_choose(const struct conversation_info *info)
{
	bool local_is_server = info->role == TLSPCAP_ROLE_SERVER;
	uint16_t server = local_is_server ? info->local_port : info->remote_port;
	uint16_t client = local_is_server ? info->remote_port : info->local_port;

	if (!info->addresses_known)
		return VIEW_NULL_TLS;
	if (is_plain(server) || (info->role_assumed && is_plain(client)))
		return VIEW_PLAIN;
	return VIEW_NULL_TLS;
}
