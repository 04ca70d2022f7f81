/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Where the bytes are that the current system call moves: one buffer, or a vector of them. */
#ifndef TLSPCAP_BPF_BUFFERS_H
#define TLSPCAP_BPF_BUFFERS_H

#include "maps.h"
#include "syscall.h"

#define PF_IO_WORKER 0x10

struct call_registers {
	__u64 third;
	__u64 second;
	__u64 call;
};

struct user_buffer { /* struct iovec */
	__u64 base;
	__u64 length;
};

struct user_message { /* struct msghdr, 64 bits */
	__u64 name;
	__u64 name_length;
	__u64 vector;
	__u64 vector_length;
	__u64 control;
	__u64 control_length;
	__u64 flags;
};

#define USER_MMSG_SIZE (sizeof(struct user_message) + 8)

static __always_inline bool stream_is_vector(__u64 call)
{
	return call == CALL_READV || call == CALL_WRITEV || call == CALL_PREADV2 ||
	       call == CALL_PWRITEV2;
}

static __always_inline bool stream_is_buffer(__u64 call)
{
	return call == CALL_READ || call == CALL_WRITE || call == CALL_SENDTO ||
	       call == CALL_RECVFROM;
}

/*
 * sendmmsg and recvmmsg move several messages: each comes by with the same registers, and
 * only who saw the call begin knows which one it is. A hook there costs every system call of
 * the machine some 30 ns, and hardly a program does this with TLS: user space attaches it
 * when the first one asks. Until then such messages are gaps. False: not known which.
 */
static __always_inline bool stream_find_message(struct stream_copy *copy, __u64 n, __u64 *array)
{
	if (n == 1)
		return true;
	if (!copy->entered) {
		messages_wanted = 1;
		return false;
	}
	*array += (__u64)copy->message++ * USER_MMSG_SIZE;
	return true;
}

/* The current system call and its arguments. False: it has none that say where bytes are. */
static __always_inline bool stream_read_call(struct call_registers *registers)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct pt_regs___kernel *regs = (const void *)bpf_task_pt_regs(task);

	/* A kernel thread that works for io_uring has no system call of its own. */
	if ((LOAD(task, flags) & PF_IO_WORKER) || CALL_IS_32BIT(regs))
		return false;
	registers->third = CALL_THIRD(regs);
	registers->second = CALL_SECOND(regs);
	registers->call = CALL_NUMBER(regs);
	return true;
}

/* Where its bytes are. False: not in memory that we can name. */
static __always_inline bool stream_find_buffers(struct stream_copy *copy,
						const struct call_registers *registers)
{
	__u64 call = registers->call, second = registers->second, third = registers->third;
	struct user_message message;

	copy->source = 0;
	copy->source_left = 0;
	copy->vector = 0;
	copy->vector_left = 0;
	if (stream_is_buffer(call)) {
		copy->source = second;
		copy->source_left = third;
		return true;
	}
	if (stream_is_vector(call)) {
		copy->vector = second;
		copy->vector_left = third;
		return true;
	}
	if (call == CALL_SENDMMSG || call == CALL_RECVMMSG) {
		if (!stream_find_message(copy, third, &second))
			return false;
	} else if (call != CALL_SENDMSG && call != CALL_RECVMSG) {
		return false;
	}
	if (bpf_probe_read_user(&message, sizeof(message), (const void *)second))
		return false;
	copy->vector = message.vector;
	copy->vector_left = message.vector_length;
	return true;
}

/* Goes on to the next buffer that has bytes. False: there is none. */
static __always_inline bool stream_next_buffer(struct stream_copy *copy)
{
	struct user_buffer buffer;

	if (!copy->vector_left ||
	    bpf_probe_read_user(&buffer, sizeof(buffer), (const void *)copy->vector))
		return false;
	copy->vector += sizeof(buffer);
	copy->vector_left--;
	copy->source = buffer.base;
	copy->source_left = buffer.length;
	return true;
}

#endif
