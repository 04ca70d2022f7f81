/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Which socket a TLS object uses, and that socket's life.
 *
 * The socket is the one that the thread sends or receives on while it is inside a library
 * call: no file descriptor is taken from the library's structures.
 *
 * Packets change a socket's state, and end it, in interrupts, also in those of our own programs.
 * The kernel skips a classic tracepoint's program while any other of that kind runs on the CPU, and
 * a BTF tracepoint's while the very same one does. So both kinds are attached there: what
 * interrupts the one is seen by the other. The first call of the two does the work.
 *
 * An entry stays until its socket is destroyed. A thread that is in a system call on the socket
 * holds it; so nobody who has looked an entry up is left with the memory of another one.
 */
#ifndef TLSPCAP_BPF_SOCKET_H
#define TLSPCAP_BPF_SOCKET_H

#include "object.h"

#define AF_INET		2
#define AF_INET6	10
#define IPPROTO_TCP	6
#define IPPROTO_MPTCP	262

#define STREAM_LOOKING	1 /* of stream.h */
#define STREAM_NONE	3

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_SYN_RECV	3
#define TCP_CLOSE	7
#define TCP_CLOSE_WAIT	8
#define TCP_LAST_ACK	9
#define TCP_LISTEN	10
#define TCP_CLOSING	11

static __always_inline void socket_fill_addresses(struct tlspcap_socket *event,
						  const struct sock *sk)
{
	__be16 port;

	event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	event->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	event->protocol = BPF_CORE_READ(sk, sk_protocol);
	event->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	event->local_port = 0;
	event->remote_port = 0;
	__builtin_memset(event->local, 0, sizeof(event->local));
	__builtin_memset(event->remote, 0, sizeof(event->remote));
	if (event->family != AF_INET && event->family != AF_INET6)
		return;
	/* skc_num is cleared when a socket is closed; the inet_sport is not. */
	port = BPF_CORE_READ((const struct inet_sock *)sk, inet_sport);
	event->local_port = bpf_ntohs(port);
	port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	event->remote_port = bpf_ntohs(port);
	if (event->family == AF_INET) {
		bpf_core_read(event->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(event->remote, 4, &sk->__sk_common.skc_daddr);
		return;
	}
	bpf_core_read(event->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	bpf_core_read(event->remote, 16, &sk->__sk_common.skc_v6_daddr);
}

/* The TCP socket behind a file descriptor of the current process; NULL: something else. */
static __always_inline struct sock *socket_of_descriptor(__u32 descriptor)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file;
	struct socket *socket;
	struct sock *sk;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return NULL;
	files = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) || !file)
		return NULL;
	/* Any file's private data is read here: a socket is known by what points back. */
	socket = BPF_CORE_READ(file, private_data);
	if (!socket || BPF_CORE_READ(socket, file) != file)
		return NULL;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, sk_socket) != socket ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	return sk;
}

static __always_inline __u8 tls_role(__u64 tls, __u32 library)
{
	struct tlspcap_layout *layout = layout_of(library);
	__u32 flag;

	if (!layout || path_read(&layout->server_flag, tls, &flag, sizeof(flag)))
		return TLSPCAP_ROLE_UNKNOWN;
	if (layout->server_value)
		flag = flag == layout->server_value;
	return flag ? TLSPCAP_ROLE_SERVER : TLSPCAP_ROLE_CLIENT;
}

static __always_inline struct socket_info *socket_get(__u64 sk)
{
	struct socket_info fresh = {};
	struct socket_info *info = bpf_map_lookup_elem(&sockets, &sk);

	if (info)
		return info;
	fresh.id = new_id();
	bpf_map_update_elem(&sockets, &sk, &fresh, BPF_NOEXIST);
	info = bpf_map_lookup_elem(&sockets, &sk);
	if (!info)
		count_loss(TLSPCAP_LOSS_SOCKET_FULL);
	return info;
}

/* Tells which socket it is; with tls_id 0, of the stream. False: the ring is full. */
static __always_inline bool socket_emit(const struct socket_info *info, const struct sock *sk,
					__u64 tls_id, __u8 tls_role, __u32 mntns)
{
	struct tlspcap_socket *event = reserve_event(sizeof(*event));

	if (!event)
		return false;
	fill_event(&event->event, sizeof(*event), TLSPCAP_EVENT_SOCKET, mntns);
	event->event.tls_id = tls_id;
	event->event.sock_id = info->id;
	event->syn_ns = info->syn_ns;
	event->established_ns = info->established_ns;
	event->role = info->role;
	event->tls_role = tls_role;
	event->reserved = 0;
	socket_fill_addresses(event, sk);
	bpf_ringbuf_submit(event, emit_flags());
	return true;
}

/* The current thread moves bytes on `sk`. */
static __always_inline int socket_used(const struct sock *sk)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct scope *scope = bpf_map_lookup_elem(&scopes, &thread);
	struct socket_info *info;
	struct scope_frame *top;
	struct object *object;

	if (!scope || !scope->depth || scope->depth > SCOPE_DEPTH)
		return 0;
	top = &scope->frame[(scope->depth - 1) & (SCOPE_DEPTH - 1)];
	object = object_find(top->tls);
	if (!object)
		return 0;
	info = socket_get((__u64)sk);
	if (!info || info->id == object->sock_id)
		return 0;

	if (!socket_emit(info, sk, object->id, tls_role(top->tls, top->library), scope->mntns))
		return 0; /* tried again when the socket is used again */
	info->bound |= SOCKET_OBJECT;
	object->sock_id = info->id;
	return 0;
}

static __always_inline void socket_fill_state(struct tlspcap_state *event,
					      const struct socket_info *info, int old_state,
					      int new_state, bool final)
{
	fill_event(&event->event, sizeof(*event), TLSPCAP_EVENT_STATE, 0);
	/* Whose context this is says nothing: the peer's packet may have made the change. */
	event->event.pid = 0;
	event->event.tid = 0;
	event->event.sock_id = info->id;
	if (final)
		event->event.ends =
			(__u32)info->offset[TLSPCAP_SENT] | info->offset[TLSPCAP_RECEIVED] << 32;
	event->old_state = old_state;
	event->new_state = new_state;
	event->final = final;
	__builtin_memset(event->reserved, 0, sizeof(event->reserved));
}

/*
 * A record's header waits for the rest of its record, to be one event with it (stream.h): here
 * it goes alone. Without `mntns`, whose context this is says nothing.
 */
static __always_inline void socket_tell_head(struct socket_info *info, __u32 mntns)
{
	struct tlspcap_data *data;
	__u32 length = info->head_length & (CHUNK_HEAD - 1);

	if (!length)
		return;
	data = reserve_event(sizeof(*data) + CHUNK_HEAD);
	if (data) {
		fill_event(&data->event, sizeof(*data) + length, TLSPCAP_EVENT_STREAM, mntns);
		if (!mntns)
			data->event.pid = data->event.tid = 0;
		data->event.sock_id = info->id;
		data->offset = info->offset[TLSPCAP_RECEIVED];
		data->length = length;
		data->direction = TLSPCAP_RECEIVED;
		data->flags = 0;
		data->reserved[0] = 0;
		data->reserved[1] = 0;
		*(__u64 *)data->bytes = info->head;
		bpf_ringbuf_submit(data, emit_flags());
	}
	info->offset[TLSPCAP_RECEIVED] += length;
	info->head_length = 0;
}

static __always_inline void socket_emit_state(struct socket_info *info, int old_state,
					      int new_state, bool final)
{
	struct tlspcap_state *event;
	struct tlspcap_state kept;

	if (final)
		socket_tell_head(info, 0);
	event = reserve_event(sizeof(*event));
	if (event) {
		socket_fill_state(event, info, old_state, new_state, final);
		bpf_ringbuf_submit(event, emit_flags());
	} else if (new_state == TCP_CLOSE) {
		socket_fill_state(&kept, info, old_state, new_state, final);
		bpf_map_update_elem(&untold, &info->id, &kept, BPF_ANY);
		__sync_fetch_and_add(&untold_count, 1);
	}
}

/*
 * From here on the socket's bytes can be placed. Of Multipath TCP the first bytes say where they
 * are: its own numbers are set later than its state.
 */
static __always_inline void socket_place(struct socket_info *info, const void *sk)
{
	const struct tcp_sock *tcp = sk;

	if (info->bound & SOCKET_MPTCP)
		return;
	info->ports = BPF_CORE_READ((const struct sock *)sk, __sk_common.skc_portpair);
	if (!(info->placed & (1u << TLSPCAP_SENT)))
		info->sequence[TLSPCAP_SENT] = BPF_CORE_READ(tcp, write_seq);
	if (!(info->placed & (1u << TLSPCAP_RECEIVED)))
		info->sequence[TLSPCAP_RECEIVED] = BPF_CORE_READ(tcp, copied_seq);
	info->placed = (1u << TLSPCAP_SENT) | (1u << TLSPCAP_RECEIVED);
}

#define SOCKET_CHANGE(old_state, new_state) ((__u32)(old_state) << 8 | (__u32)(new_state))

/* Whether the socket is still the connection that the entry is of; a port that is 0 is cleared. */
static __always_inline bool socket_is_same(const struct socket_info *info, const void *sk)
{
	__u32 ports = BPF_CORE_READ((const struct sock *)sk, __sk_common.skc_portpair);
	__u32 other = ports ^ info->ports;

	return !info->ports ||
	       ((!(ports & 0xffff) || !(other & 0xffff)) && (!(ports >> 16) || !(other >> 16)));
}

/*
 * A passive open is seen in the context of whoever received the packet, so that these are
 * noted for the whole machine: who will accept the socket cannot be known yet. With TCP Fast
 * Open bytes move before the connection is established.
 */
static __always_inline void socket_note(__u64 sk, int old_state, int new_state, __u32 bound)
{
	struct socket_info fresh = {.bound = bound}, *info;
	__u32 mntns;

	if (new_state == TCP_SYN_SENT) {
		if (!filter_task(&mntns))
			return;
		fresh.syn_ns = bpf_ktime_get_ns();
		fresh.role = TLSPCAP_ROLE_CLIENT;
	} else if ((old_state == TCP_LISTEN || old_state == TCP_SYN_RECV) &&
		   (new_state == TCP_SYN_RECV || new_state == TCP_ESTABLISHED)) {
		fresh.role = TLSPCAP_ROLE_SERVER;
	} else {
		return;
	}
	fresh.id = new_id();
	fresh.changed = SOCKET_CHANGE(old_state, new_state);
	fresh.stream = streams ? STREAM_LOOKING : 0;
	if (new_state == TCP_ESTABLISHED) {
		fresh.established_ns = bpf_ktime_get_ns();
		socket_place(&fresh, (const void *)sk);
	}
	info = bpf_map_lookup_elem(&sockets, &sk);
	if (info)
		*info = fresh; /* the same socket, opened once more */
	else if (bpf_map_update_elem(&sockets, &sk, &fresh, BPF_NOEXIST))
		count_loss(TLSPCAP_LOSS_SOCKET_FULL);
}

/*
 * A connection whose beginning was not seen: it is older than the capture, or the kernel ran no
 * program in the task that its packets interrupted. If these `moved` bytes are its first ones,
 * nothing is missing; else it is remembered as one that is not followed.
 */
static __always_inline struct socket_info *socket_adopt(const struct sock *sk, __u32 direction,
							__u32 moved)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)sk;
	struct socket_info fresh = {.stream = STREAM_NONE};
	__u64 key = (__u64)sk, sent, received;

	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	sent = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans) +
	       (BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_nxt));
	received = BPF_CORE_READ(tcp, bytes_received) -
		   (BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq));
	fresh.id = new_id();
	if (sent + received == moved) {
		fresh.stream = STREAM_LOOKING;
		socket_place(&fresh, sk);
		if (direction == TLSPCAP_SENT)
			fresh.sequence[TLSPCAP_SENT] -= moved;
		else
			fresh.sequence[TLSPCAP_RECEIVED] -= moved;
	}
	if (bpf_map_update_elem(&sockets, &key, &fresh, BPF_NOEXIST))
		count_loss(TLSPCAP_LOSS_SOCKET_FULL);
	return bpf_map_lookup_elem(&sockets, &key);
}

/*
 * A socket that the peer has reset, or that both sides have shut down, is closed for TCP; but
 * its program can read what had arrived before.
 */
static __always_inline bool socket_has_unread(const struct socket_info *info, const void *sk)
{
	const struct tcp_sock *tcp = sk;

	if (!(info->bound & SOCKET_STREAM) || !BPF_CORE_READ((const struct sock *)sk, sk_socket))
		return false;
	return (info->bound & SOCKET_MPTCP) ||
	       BPF_CORE_READ(tcp, copied_seq) != BPF_CORE_READ(tcp, rcv_nxt);
}

#define STREAM_TLS 2 /* of stream.h */

/*
 * The peer's reset, or its last acknowledgement, may close a socket inside a send or a receive
 * (those that wait for the socket's lock are looked at when it is given back), whose hook comes
 * after that. 1: a FIN.
 */
static __always_inline bool socket_is_moving(const struct socket_info *info, const void *sk)
{
	const struct tcp_sock *tcp = sk;

	return info->stream == STREAM_TLS && !(info->bound & SOCKET_MPTCP) &&
	       BPF_CORE_READ((const struct sock *)sk, sk_socket) &&
	       (BPF_CORE_READ(tcp, write_seq) - info->sequence[TLSPCAP_SENT] > 1 ||
		BPF_CORE_READ(tcp, copied_seq) - info->sequence[TLSPCAP_RECEIVED] > 1);
}

/* At the end of a connection: what passed by since the last call that was seen. */
static __always_inline void socket_check_end(struct socket_info *info, const void *sk)
{
	const struct tcp_sock *tcp = sk;
	__u32 direction, end, behind;
	struct tlspcap_gap *gap;

	if (info->stream != STREAM_TLS || (info->bound & SOCKET_MPTCP) ||
	    info->placed != ((1u << TLSPCAP_SENT) | (1u << TLSPCAP_RECEIVED)) ||
	    !socket_is_same(info, sk))
		return;
	socket_tell_head(info, 0);
	for (direction = TLSPCAP_SENT; direction <= TLSPCAP_RECEIVED; direction++) {
		end = direction == TLSPCAP_SENT ? BPF_CORE_READ(tcp, write_seq)
						: BPF_CORE_READ(tcp, copied_seq);
		behind = end - info->sequence[direction];
		if (behind < 2 || behind > 1u << 31) /* 1: a FIN */
			continue;
		count_loss(TLSPCAP_LOSS_BYPASS);
		gap = reserve_event(sizeof(*gap));
		if (!gap)
			continue;
		__builtin_memset(gap, 0, sizeof(*gap));
		fill_event(&gap->event, sizeof(*gap), TLSPCAP_EVENT_STREAM_GAP, 0);
		/* Whose context this is says nothing. */
		gap->event.pid = 0;
		gap->event.tid = 0;
		gap->event.sock_id = info->id;
		gap->offset = info->offset[direction];
		gap->length = behind - 1;
		gap->direction = direction;
		gap->reason = TLSPCAP_LOSS_BYPASS;
		bpf_ringbuf_submit(gap, emit_flags());
	}
}

static __always_inline int socket_changes(const void *address, __u16 protocol, int old_state,
					  int new_state)
{
	const __u32 multipath = protocol == IPPROTO_MPTCP ? SOCKET_MPTCP : 0;
	__u64 sk = (__u64)address;
	struct socket_info *info;
	bool final;

	if (protocol != IPPROTO_TCP && !multipath)
		return 0;
	info = bpf_map_lookup_elem(&sockets, &sk);
	if (info && info->changed == SOCKET_CHANGE(old_state, new_state))
		return 0;
	if (!info || (info->bound & SOCKET_CLOSED) || new_state == TCP_SYN_SENT ||
	    old_state == TCP_LISTEN) {
		socket_note(sk, old_state, new_state, multipath);
		return 0;
	}
	info->changed = SOCKET_CHANGE(old_state, new_state);
	if (new_state == TCP_ESTABLISHED && !info->established_ns) {
		info->established_ns = bpf_ktime_get_ns();
		socket_place(info, address);
	}
	final = new_state == TCP_CLOSE && !socket_has_unread(info, address) &&
		!socket_is_moving(info, address);
	if (final)
		socket_check_end(info, address);
	if (info->bound & (SOCKET_OBJECT | SOCKET_STREAM))
		socket_emit_state(info, old_state, new_state, final);
	if (new_state == TCP_CLOSE)
		info->bound |= final ? SOCKET_CLOSED | SOCKET_ENDED : SOCKET_CLOSED;
	/* Of these nobody tells that they are destroyed. */
	if (final && multipath)
		bpf_map_delete_elem(&sockets, &sk);
	return 0;
}

/* What was left to read is read, or never will be. */
static __always_inline int socket_ends(const void *address)
{
	__u64 sk = (__u64)address;
	struct socket_info *info = bpf_map_lookup_elem(&sockets, &sk);

	if (!info)
		return 0;
	if (!(info->bound & SOCKET_ENDED))
		socket_check_end(info, address);
	if ((info->bound & (SOCKET_OBJECT | SOCKET_STREAM)) && !(info->bound & SOCKET_ENDED))
		socket_emit_state(info, TCP_CLOSE, TCP_CLOSE, true);
	bpf_map_delete_elem(&sockets, &sk);
	return 0;
}

/*
 * Threads that receive on one socket without a lock of their own come here at one time, on two
 * processors. The second one leaves its bytes alone: the next call, or the end of the stream, finds
 * them missing in the sequence and tells the gap.
 */
static __always_inline bool stream_take(struct socket_info *info, __u32 direction)
{
#ifdef TLSPCAP_LEGACY
	(void)info;
	return true; /* Linux 5.10 has no such instruction */
#else
	return !__sync_lock_test_and_set(&info->busy[direction & 1], 1);
#endif
}

static __always_inline void stream_give(struct socket_info *info, __u32 direction)
{
#ifndef TLSPCAP_LEGACY
	__sync_lock_test_and_set(&info->busy[direction & 1], 0);
#endif
}

#endif
