/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A conversation's addresses and roles, and how its other end is recognized. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <conversation/internal.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291, 2.5.5.2 */

static bool is_mapped(const uint8_t address[16])
{
	return memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static void fill_addresses(struct conversation_info *info, const struct tlspcap_socket *socket)
{
	memset(info->local, 0, sizeof(info->local));
	memset(info->remote, 0, sizeof(info->remote));
	if (socket->family == AF_INET) {
		info->family = 4;
		memcpy(info->local, socket->local, 4);
		memcpy(info->remote, socket->remote, 4);
	} else if (is_mapped(socket->local) && is_mapped(socket->remote)) {
		info->family = 4;
		memcpy(info->local, socket->local + sizeof(mapped_prefix), 4);
		memcpy(info->remote, socket->remote + sizeof(mapped_prefix), 4);
	} else {
		info->family = 6;
		memcpy(info->local, socket->local, 16);
		memcpy(info->remote, socket->remote, 16);
	}
	info->local_port = socket->local_port;
	info->remote_port = socket->remote_port;
}

static void fill_role(struct conversation_info *info, const struct tlspcap_socket *socket)
{
	uint8_t role = socket->role;

	if (role == TLSPCAP_ROLE_UNKNOWN)
		role = socket->tls_role;
	info->role_assumed = role == TLSPCAP_ROLE_UNKNOWN;
	if (!info->role_assumed) {
		info->role = role;
		return;
	}
	/* Servers sit on well-known ports, clients on ephemeral ones. */
	info->role = info->addresses_known && info->local_port < info->remote_port
			     ? TLSPCAP_ROLE_SERVER
			     : TLSPCAP_ROLE_CLIENT;
}

static uint64_t wall_or_zero(const struct conversations *all, uint64_t time_ns)
{
	return time_ns ? conversation_wall(all, time_ns) : 0;
}

void endpoint_fill(const struct conversations *all, struct conversation *conversation,
		   const struct tlspcap_socket *socket)
{
	struct conversation_info *info = &conversation->info;
	bool internet = socket->family == AF_INET || socket->family == AF_INET6;
	/* Multipath TCP is TCP to who looks at one of its paths. */
	bool tcp = socket->protocol == IPPROTO_TCP || socket->protocol == IPPROTO_MPTCP;

	conversation->datagram = internet && !tcp;
	info->protocol = tcp ? IPPROTO_TCP : socket->protocol;
	info->netns = socket->netns;
	info->addresses_known = internet && tcp && socket->local_port && socket->remote_port;
	if (info->addresses_known)
		fill_addresses(info, socket);
	fill_role(info, socket);
	info->syn_ns = wall_or_zero(all, socket->syn_ns);
	info->established_ns = wall_or_zero(all, socket->established_ns);
}

/* Secrets of the process at this end are for the other one. */
static void suppress(struct conversations *all, struct conversation *conversation,
		     struct conversation *other)
{
	endpoint_forget(all, conversation);
	conversation->suppressed = true;
	other->peer_pid = conversation->info.pid;
	if (other->records)
		hints_wait(other->records);
	records_free(conversation);
	all->counts.both_ends++;
}

static void make_tuple(struct conversation *conversation)
{
	const struct conversation_info *info = &conversation->info;
	struct tuple *tuple = &conversation->tuple;
	int order = memcmp(info->local, info->remote, sizeof(info->local));
	bool flipped = order > 0 || (order == 0 && info->local_port > info->remote_port);

	tuple->netns = info->netns;
	tuple->family = info->family;
	tuple->port[flipped] = info->local_port;
	tuple->port[!flipped] = info->remote_port;
	memcpy(tuple->address[flipped], info->local, sizeof(info->local));
	memcpy(tuple->address[!flipped], info->remote, sizeof(info->remote));
	conversation->flipped = flipped;
}

static void forget_tuple(struct conversations *all, struct conversation *conversation)
{
	if (conversation->in_tuples)
		table_remove(&all->tuples, &conversation->by_tuple);
	conversation->in_tuples = false;
}

static void forget_random(struct conversations *all, struct conversation *conversation)
{
	if (conversation->in_randoms)
		table_remove(&all->randoms, &conversation->by_random);
	conversation->in_randoms = false;
}

void endpoint_forget(struct conversations *all, struct conversation *conversation)
{
	forget_tuple(all, conversation);
	forget_random(all, conversation);
	if (conversation->in_shown)
		table_remove(&all->shown, &conversation->by_shown);
	conversation->in_shown = false;
}

static struct conversation *find_tuple(struct conversations *all, const struct tuple *tuple,
				       uint64_t hash)
{
	struct table_node *node = table_find(&all->tuples, hash);
	struct conversation *other;

	for (; node; node = table_match(node->next, hash)) {
		other = container_of(node, struct conversation, by_tuple);
		if (memcmp(&other->tuple, tuple, sizeof(*tuple)) == 0)
			return other;
	}
	return NULL;
}

static struct conversation *find_random(struct conversations *all, const uint8_t *random,
					uint64_t hash)
{
	struct table_node *node = table_find(&all->randoms, hash);
	struct conversation *other;

	for (; node; node = table_match(node->next, hash)) {
		other = container_of(node, struct conversation, by_random);
		if (memcmp(other->info.client_random, random, TLSPCAP_RANDOM_LEN) == 0)
			return other;
	}
	return NULL;
}

struct conversation *endpoint_find_random(struct conversations *all, const uint8_t *random)
{
	return find_random(all, random,
			   table_hash_bytes(&all->randoms, random, TLSPCAP_RANDOM_LEN));
}

/* Its end was not told. What a library still holds of it may yet give data. */
static void end_older(struct conversations *all, struct conversation *conversation)
{
	enum conversation_end end = conversation_how(conversation);

	forget_tuple(all, conversation);
	if (list_empty(&conversation->objects))
		conversation_end(all, conversation,
				 end == CONVERSATION_END_NONE ? CONVERSATION_END_UNSEEN : end);
}

void endpoint_register(struct conversations *all, struct conversation *conversation)
{
	struct conversation *other;
	uint64_t hash;

	forget_tuple(all, conversation);
	if (conversation->suppressed || conversation->datagram ||
	    !conversation->info.addresses_known)
		return;
	make_tuple(conversation);
	hash = table_hash_bytes(&all->tuples, &conversation->tuple, sizeof(conversation->tuple));
	other = find_tuple(all, &conversation->tuple, hash);
	if (other && other->flipped != conversation->flipped && !conversation->opened) {
		suppress(all, conversation, other);
		return;
	}
	/* The same end twice: a 4-tuple names one socket at a time, so the older one is over. */
	if (other)
		end_older(all, other);
	table_add(&all->tuples, &conversation->by_tuple, hash);
	conversation->in_tuples = true;
	endpoint_register_random(all, conversation);
}

/* Two ends of one connection have different roles, as far as they are known. */
static bool can_be_ends(const struct conversation *one, const struct conversation *other)
{
	return one->info.role != other->info.role || one->info.role_assumed ||
	       other->info.role_assumed;
}

void endpoint_register_random(struct conversations *all, struct conversation *conversation)
{
	const struct conversation_info *info = &conversation->info;
	struct conversation *other;
	uint64_t hash;

	if (!info->has_random || conversation->in_randoms || conversation->suppressed ||
	    conversation->datagram)
		return;
	hash = table_hash_bytes(&all->randoms, info->client_random, TLSPCAP_RANDOM_LEN);
	other = find_random(all, info->client_random, hash);
	if (other && can_be_ends(conversation, other)) {
		if (!conversation->opened) {
			suppress(all, conversation, other);
			return;
		}
		if (!other->opened)
			suppress(all, other, conversation);
	}
	/* One with an unknown address never stands in the way of one with a known address. */
	if (!info->addresses_known)
		return;
	if (other)
		forget_random(all, other);
	table_add(&all->randoms, &conversation->by_random, hash);
	conversation->in_randoms = true;
}

void endpoint_show(struct conversations *all, struct conversation *conversation)
{
	struct table_node *node;
	struct tuple tuple;
	uint64_t hash;

	if (!conversation->info.addresses_known)
		return;
	make_tuple(conversation);
	tuple = conversation->tuple;
	tuple.netns = 0;
	hash = table_hash_bytes(&all->shown, &tuple, sizeof(tuple));
	for (node = table_find(&all->shown, hash); node; node = table_match(node->next, hash)) {
		struct conversation *other = container_of(node, struct conversation, by_shown);
		struct tuple shown = other->tuple;

		shown.netns = 0;
		if (other->info.netns == conversation->info.netns ||
		    memcmp(&shown, &tuple, sizeof(tuple)) != 0)
			continue;
		conversation->info.addresses_clash = true;
		return;
	}
	table_add(&all->shown, &conversation->by_shown, hash);
	conversation->in_shown = true;
}
