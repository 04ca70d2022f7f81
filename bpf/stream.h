/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The bytes of a TCP socket as they pass it, both directions, from the first one.
 *
 * The hook is the end of the kernel's send and receive functions, when the count is known;
 * the bytes are read from the buffers that the system call named. TCP's own sequence numbers
 * say at which place of the stream they stand, so that what bypassed us (sendfile, splice,
 * io_uring) is a gap of known size and not a guess.
 */
#ifndef TLSPCAP_BPF_STREAM_H
#define TLSPCAP_BPF_STREAM_H

#include "buffers.h"
#include "socket.h"

/* STREAM_LOOKING 1: complete so far; whether it is TLS is not known yet */
/* STREAM_TLS 2: of socket.h */
/* STREAM_NONE 3: not TLS, or no longer to be followed */

/* Bytes of both directions among which TLS must begin (STARTTLS comes after some words). */
#define STREAM_LOOK_BYTES 16384

#define MSG_OOB		  0x1
#define MSG_PEEK	  0x2
#define MSG_TRUNC	  0x20
#define MSG_ERRQUEUE	  0x2000

/* Takes one chunk, or one step in the vector. Global, as emit_step(). 0: done. */
__noinline int stream_step(__u64 thread)
{
	struct stream_copy *copy = bpf_map_lookup_elem(&stream_copies, &thread);
	struct chunk chunk;

	if (!copy || !copy->left)
		return 0;
	if (!copy->source_left) {
		if (stream_next_buffer(copy))
			return 1;
		copy->failed = 1;
		return 0;
	}
	chunk.length =
		copy->source_left > TLSPCAP_STREAM_CHUNK ? TLSPCAP_STREAM_CHUNK : copy->source_left;
	if (chunk.length > copy->left)
		chunk.length = copy->left;
	chunk.tls_id = 0;
	chunk.sock_id = copy->sock_id;
	chunk.time_ns = copy->time_ns;
	chunk.offset = copy->offset;
	chunk.head = 0;
	chunk.head_length = 0;
	chunk.source = (const void *)copy->source;
	chunk.mntns = copy->mntns;
	chunk.type = TLSPCAP_EVENT_STREAM;
	chunk.direction = copy->direction;
	chunk.flags = 0;
	if (!emit_chunk(&chunk, DATA_CLASS_STREAM))
		emit_gap(TLSPCAP_EVENT_STREAM_GAP, 0, chunk.sock_id, chunk.mntns, chunk.direction,
			 chunk.offset, chunk.length, TLSPCAP_LOSS_FAULT);
	copy->source += chunk.length;
	copy->source_left -= chunk.length;
	copy->offset += chunk.length;
	copy->left -= chunk.length;
	return copy->left > 0;
}

#define HELLO_BYTES 3

/*
 * How many bytes of a handshake record's start (type 22, version 3.x; RFC 8446, 5.1) are seen,
 * `from` of them before these `n`; 0: these are others.
 */
static __always_inline __u32 stream_match(const __u8 start[HELLO_BYTES], __u32 n, __u32 from)
{
	__u32 i;

	for (i = 0; i < HELLO_BYTES; i++) {
		if (i >= n || from >= HELLO_BYTES)
			break;
		if ((from == 0 && start[i] != 22) || (from == 1 && start[i] != 3) ||
		    (from == 2 && start[i] > 4))
			return 0;
		from++;
	}
	return from;
}

/* The first bytes that a call moved, one by one: they may be in several buffers. */
static __always_inline __u32 stream_peek(const struct stream_copy *copy, __u32 moved,
					 __u8 start[HELLO_BYTES])
{
	struct user_buffer buffer = {copy->source, copy->source_left};
	__u64 vector = copy->vector, left = copy->vector_left;
	__u32 n = 0;
	int i;

	for (i = 0; i < 3 * HELLO_BYTES; i++) {
		if (!buffer.length) {
			if (!left ||
			    bpf_probe_read_user(&buffer, sizeof(buffer), (const void *)vector))
				break;
			vector += sizeof(buffer);
			left--;
			continue;
		}
		if (n >= moved || n >= HELLO_BYTES ||
		    bpf_probe_read_user(&start[n], 1, (const void *)buffer.base))
			break;
		buffer.base++;
		buffer.length--;
		n++;
	}
	return n;
}

/* Whether TLS begins with the bytes of this call, or with those of the last one and these. */
static __always_inline bool stream_is_hello(struct socket_info *info,
					    const struct stream_copy *copy, __u32 direction,
					    __u32 moved)
{
	__u32 shift = 8 * direction, matched = (info->matched >> shift) & 0xff;
	__u8 start[HELLO_BYTES] = {};
	__u32 n = stream_peek(copy, moved, start);
	__u32 now = stream_match(start, n, matched);

	if (!now && matched)
		now = stream_match(start, n, 0);
	if (n < moved && now < HELLO_BYTES)
		now = 0;
	info->matched = (info->matched & ~(0xffu << shift)) | now << shift;
	return now == HELLO_BYTES;
}

/* Whose socket it is and what its addresses are; once, before its first bytes. */
static __always_inline bool stream_announce(struct socket_info *info, const struct sock *sk,
					    __u32 mntns)
{
	struct tlspcap_open *open;

	if (info->bound & SOCKET_STREAM)
		return true;
	open = reserve_event(sizeof(*open));
	if (!open)
		return false;
	fill_owner(open, mntns);
	open->event.sock_id = info->id;
	bpf_ringbuf_submit(open, emit_flags());
	info->bound |= SOCKET_STREAM; /* known from here on: its end is told, whatever comes */
	return socket_emit(info, sk, 0, TLSPCAP_ROLE_UNKNOWN, mntns);
}

static __always_inline void stream_gap(struct socket_info *info, __u32 mntns, __u32 direction,
				       __u64 length, __u32 reason)
{
	if (direction == TLSPCAP_RECEIVED)
		socket_tell_head(info, mntns);
	emit_gap(TLSPCAP_EVENT_STREAM_GAP, 0, info->id, mntns, direction, info->offset[direction],
		 length, reason);
	info->offset[direction] += length;
}

/* By the one whose turn `direction` is. */
static __always_inline void stream_stop(struct socket_info *info, __u32 mntns, __u32 direction)
{
	info->stream = STREAM_NONE;
	if (direction == TLSPCAP_RECEIVED) {
		socket_tell_head(info, mntns);
	} else if (info->head_length && stream_take(info, TLSPCAP_RECEIVED)) {
		socket_tell_head(info, mntns);
		stream_give(info, TLSPCAP_RECEIVED);
	}
	emit_bare(TLSPCAP_EVENT_STREAM_END, 0, info->id, mntns);
}

/* The peer's FIN has a sequence number of its own; the read that meets it takes both. */
static __always_inline bool stream_has_read_fin(const struct tcp_sock *tcp, __u32 copied)
{
	const struct sock *sk = (const struct sock *)tcp;
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	return (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING ||
		state == TCP_CLOSE) &&
	       copied == BPF_CORE_READ(tcp, rcv_nxt);
}

/*
 * A field of the socket. Linux 6.2 and newer let a program look at any address as a type, which
 * costs a load; others take a call of a helper for each field.
 */
extern void *bpf_rdonly_cast(void *object, __u32 type_id) __ksym __weak;

#define TCP_FIELD(typed, sk, field)                                                                \
	((typed) ? ((const struct tcp_sock *)bpf_rdonly_cast(                                      \
			    (void *)(sk), bpf_core_type_id_kernel(struct tcp_sock)))               \
			   ->field                                                                 \
		 : BPF_CORE_READ((const struct tcp_sock *)(sk), field))

/* The sequence number after these `moved` bytes. */
static __always_inline __u32 stream_end(const struct socket_info *info, const struct sock *sk,
					__u32 direction, __u32 moved, const bool typed)
{
	const struct mptcp_sock *paths = (const void *)sk;

	if (!bpf_core_type_exists(struct mptcp_sock) || !(info->bound & SOCKET_MPTCP))
		return direction == TLSPCAP_SENT ? TCP_FIELD(typed, sk, write_seq)
						 : TCP_FIELD(typed, sk, copied_seq);
	if (direction == TLSPCAP_SENT)
		return (__u32)BPF_CORE_READ(paths, write_seq);
	if (bpf_core_field_exists(paths->bytes_consumed))
		return (__u32)BPF_CORE_READ(paths, bytes_consumed);
	return info->sequence[direction] + moved; /* taken at their word */
}

/*
 * The call ends before the place that we are at, which has three causes. The first bytes went
 * with the SYN (TCP Fast Open), and were counted when the connection was established. Or another
 * thread has moved bytes and was the first to be seen: these were told as a gap. Or the numbers
 * do not count what passes.
 */
static __always_inline bool stream_step_back(struct socket_info *info, __u32 mntns, __u32 direction,
					     __u32 moved, __u32 end, __u32 behind)
{
	__u32 before;

	if (!info->offset[direction] && behind <= moved) {
		info->sequence[direction] = end;
		return true;
	}
	/*
	 * The other thread saw what this call had moved by then, which may not have been all of it.
	 * What is beyond that place may be any of its bytes.
	 */
	before = behind < moved ? behind : moved;
	if (before <= info->skipped[direction]) {
		info->skipped[direction] -= before;
		if (moved > before) {
			stream_gap(info, mntns, direction, moved - before, TLSPCAP_LOSS_BYPASS);
			info->sequence[direction] = end;
		}
		return false;
	}
	stream_gap(info, mntns, direction, 0, TLSPCAP_LOSS_BYPASS);
	stream_stop(info, mntns, direction);
	return false;
}

/*
 * The numbers do not fit because it is not the connection that they are of: its end and the
 * beginning of this one were not seen, as where a kernel runs no programs in some of its tasks.
 */
static __always_inline bool stream_is_another(struct socket_info *info, const struct sock *sk)
{
	if ((info->bound & SOCKET_MPTCP) || socket_is_same(info, sk))
		return false;
	count_loss(TLSPCAP_LOSS_RECURSION);
	if (!(info->bound & SOCKET_ENDED))
		socket_emit_state(info, TCP_CLOSE, TCP_CLOSE, true);
	info->id = new_id();
	info->syn_ns = info->established_ns = 0;
	info->role = TLSPCAP_ROLE_UNKNOWN;
	info->bound = 0;
	info->stream = STREAM_NONE; /* without its beginning it is no use */
	info->ports = 0;
	return true;
}

/* The place in the stream where these `moved` bytes stand. False: it is not known any more. */
static __always_inline bool stream_find_place(struct socket_info *info, const struct sock *sk,
					      __u32 mntns, __u32 direction, __u32 moved,
					      const bool typed)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)sk;
	bool one_path = !(info->bound & SOCKET_MPTCP);
	__u32 end = stream_end(info, sk, direction, moved, typed);
	__s32 skipped;

	if (!(info->placed & (1u << direction))) {
		info->sequence[direction] = end - moved;
		info->placed |= 1u << direction;
	}
	skipped = (__s32)(end - moved - info->sequence[direction]);
	if (skipped > 0 && one_path && direction == TLSPCAP_RECEIVED &&
	    stream_has_read_fin(tcp, end)) {
		end--;
		skipped--;
	}
	if (skipped && stream_is_another(info, sk))
		return false;
	/* Kernel TLS: what passes is plaintext, and the numbers count records. */
	if (one_path && TCP_FIELD(typed, sk, inet_conn.icsk_ulp_ops)) {
		stream_gap(info, mntns, direction, 0, TLSPCAP_LOSS_BYPASS);
		stream_stop(info, mntns, direction);
		return false;
	}
	if (skipped < 0)
		return stream_step_back(info, mntns, direction, moved, end, (__u32)-skipped);
	if (skipped) {
		stream_gap(info, mntns, direction, (__u32)skipped, TLSPCAP_LOSS_BYPASS);
		info->skipped[direction] += (__u32)skipped;
	}
	info->sequence[direction] = end;
	return true;
}

/* A look without taking the turn of those who receive. */
static __always_inline bool stream_misses_received(const struct socket_info *info,
						   const struct sock *sk, const bool typed)
{
	return info->reader == (__u32)bpf_get_current_pid_tgid() && !(info->bound & SOCKET_MPTCP) &&
	       TCP_FIELD(typed, sk, copied_seq) != info->sequence[TLSPCAP_RECEIVED];
}

/*
 * What a program receives by splice passes no hook, and a program may do nothing else. It is
 * noticed when the thread that receives on this socket sends: nobody else can be in between the
 * reading and the hook on it.
 */
static __always_inline void stream_check_received(struct socket_info *info, const struct sock *sk,
						  __u32 mntns, const bool typed)
{
	__u32 copied, behind;

	copied = TCP_FIELD(typed, sk, copied_seq);
	behind = copied - info->sequence[TLSPCAP_RECEIVED];
	if (!behind || (behind == 1 && stream_has_read_fin((const struct tcp_sock *)sk, copied)))
		return;
	stream_gap(info, mntns, TLSPCAP_RECEIVED, behind, TLSPCAP_LOSS_BYPASS);
	info->sequence[TLSPCAP_RECEIVED] = copied;
}

static __always_inline struct stream_copy *stream_copy_get(__u64 thread)
{
	struct stream_copy *copy = bpf_map_lookup_elem(&stream_copies, &thread);
	struct stream_copy fresh = {};

	if (copy)
		return copy;
	bpf_map_update_elem(&stream_copies, &thread, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&stream_copies, &thread);
}

/* 64 times 64, as in emit_steps(). */
#define STREAM_STEPS 64

__noinline int stream_steps(__u64 thread)
{
	int i;

	for (i = 0; i < STREAM_STEPS; i++) {
		if (!stream_step(thread))
			return 0;
	}
	return 1;
}

static __always_inline void stream_copy_all(struct socket_info *info, struct stream_copy *copy,
					    __u64 thread)
{
	__u32 mntns = copy->mntns, direction = copy->direction;
	int i;

	for (i = 0; i < STREAM_STEPS; i++) {
		if (!stream_steps(thread))
			break;
	}
	info->offset[direction] = copy->offset;
	if (copy->left)
		stream_gap(info, mntns, direction, copy->left,
			   copy->failed ? TLSPCAP_LOSS_FAULT : TLSPCAP_LOSS_CALL_SIZE);
}

#define RECORD_HEADER 5 /* bytes; RFC 8446, 5.1 */

/*
 * Most libraries receive a record in two calls, its header and the rest. One event for both
 * costs little more than one: so a header waits in the kernel, until more is received or no more
 * will be. Returns whether these bytes are one.
 */
static __always_inline bool stream_keep_head(struct socket_info *info,
					     const struct call_registers *registers)
{
	__u64 head = 0;

	if (info->head_length ||
	    bpf_probe_read_user(&head, RECORD_HEADER, (const void *)registers->second))
		return false;
	/* A type of 20 to 23, and a version 3.x. */
	if ((head & 0xfc) != 20 || (head >> 8 & 0xff) != 3)
		return false;
	info->head = head;
	info->head_length = RECORD_HEADER;
	return true;
}

/* The usual case, without the thread's state and the loop: one buffer, one record. */
static __always_inline void stream_one(struct socket_info *info,
				       const struct call_registers *registers, __u32 mntns,
				       __u32 direction, __u32 moved)
{
	const __u32 head = direction == TLSPCAP_RECEIVED ? info->head_length : 0;
	const struct chunk chunk = {
		.sock_id = info->id,
		.time_ns = bpf_ktime_get_ns(),
		.offset = info->offset[direction],
		.head = info->head,
		.head_length = head,
		.source = (const void *)registers->second,
		.length = moved,
		.mntns = mntns,
		.type = TLSPCAP_EVENT_STREAM,
		.direction = direction,
	};

	if (!emit_chunk(&chunk, DATA_CLASS_STREAM)) {
		stream_gap(info, mntns, direction, moved, TLSPCAP_LOSS_FAULT);
		return;
	}
	info->offset[direction] = chunk.offset + head + moved;
	if (head)
		info->head_length = 0;
}

/* As stream_moved(), of a socket whose direction is ours alone. */
static __always_inline int stream_take_bytes(struct socket_info *info, const struct sock *sk,
					     __u32 mntns, int moved, __u32 flags, __u32 direction,
					     const bool typed)
{
	struct call_registers registers;
	struct stream_copy *copy;
	__u64 thread;

	if (!stream_announce(info, sk, mntns)) {
		info->stream = STREAM_NONE; /* without its beginning it is no use */
		return 0;
	}
	if (!stream_find_place(info, sk, mntns, direction, moved, typed))
		return 0;
	if (direction == TLSPCAP_SENT) {
		if (stream_misses_received(info, sk, typed) &&
		    stream_take(info, TLSPCAP_RECEIVED)) {
			stream_check_received(info, sk, mntns, typed);
			stream_give(info, TLSPCAP_RECEIVED);
		}
	} else if (direction == TLSPCAP_RECEIVED)
		info->reader = (__u32)bpf_get_current_pid_tgid();
	if ((direction == TLSPCAP_RECEIVED && (flags & MSG_TRUNC)) ||
	    !stream_read_call(&registers)) {
		stream_gap(info, mntns, direction, moved, TLSPCAP_LOSS_BYPASS);
		return 0;
	}
	if (info->stream == STREAM_TLS && moved <= TLSPCAP_STREAM_CHUNK &&
	    stream_is_buffer(registers.call)) {
		if (direction == TLSPCAP_RECEIVED && moved == RECORD_HEADER &&
		    stream_keep_head(info, &registers))
			return 0;
		stream_one(info, &registers, mntns, direction, moved);
		return 0;
	}
	thread = bpf_get_current_pid_tgid();
	copy = stream_copy_get(thread);
	if (!copy) {
		stream_gap(info, mntns, direction, moved, TLSPCAP_LOSS_SCOPE_FULL);
		return 0;
	}
	if (direction == TLSPCAP_RECEIVED)
		socket_tell_head(info, mntns);
	copy->left = 0;
	if (!stream_find_buffers(copy, &registers)) {
		stream_gap(info, mntns, direction, moved, TLSPCAP_LOSS_BYPASS);
		return 0;
	}
	if (info->stream == STREAM_LOOKING && stream_is_hello(info, copy, direction, moved))
		info->stream = STREAM_TLS;
	copy->sock_id = info->id;
	copy->time_ns = bpf_ktime_get_ns();
	copy->left = moved;
	copy->offset = info->offset[direction];
	copy->direction = direction;
	copy->mntns = mntns;
	copy->failed = 0;
	stream_copy_all(info, copy, thread);
	if (info->stream != STREAM_LOOKING)
		return 0;
	info->looked += moved;
	if (info->looked > STREAM_LOOK_BYTES)
		stream_stop(info, mntns, direction);
	return 0;
}

/* `moved` bytes have passed the socket. */
static __always_inline int stream_moved(const struct sock *sk, int moved, __u32 flags,
					__u32 direction, const bool typed)
{
	struct socket_info *info;
	__u64 key = (__u64)sk;
	__u32 mntns;

	if (!filter_task(&mntns))
		return 0;
	if (direction == TLSPCAP_RECEIVED && (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		return 0;
	info = bpf_map_lookup_elem(&sockets, &key);
	if (!info)
		info = socket_adopt(sk, direction, moved);
	if (!info || (info->stream != STREAM_LOOKING && info->stream != STREAM_TLS))
		return 0;
	if (!stream_take(info, direction))
		return 0;
	stream_take_bytes(info, sk, mntns, moved, flags, direction, typed);
	stream_give(info, direction);
	return 0;
}

static __always_inline int stream_first_message(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct stream_copy *copy;
	__u32 mntns;

	if (!filter_task(&mntns))
		return 0;
	copy = stream_copy_get(thread);
	if (!copy)
		return 0;
	copy->message = 0;
	copy->entered = 1;
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_sendmmsg")
int stream_sendmmsg(void *ctx)
{
	return stream_first_message();
}

SEC("tracepoint/syscalls/sys_enter_recvmmsg")
int stream_recvmmsg(void *ctx)
{
	return stream_first_message();
}

#endif
