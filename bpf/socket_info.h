/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the kernel side knows of a socket: values of the map `sockets`, which user space reads. */
#ifndef TLSPCAP_BPF_SOCKET_INFO_H
#define TLSPCAP_BPF_SOCKET_INFO_H

#ifndef __BPF__
#include <linux/types.h>
#endif

#define SOCKET_OBJECT 1	 /* a TLS object uses it */
#define SOCKET_STREAM 2	 /* its bytes are copied */
#define SOCKET_CLOSED 4	 /* TCP has ended; something may be left to read */
#define SOCKET_MPTCP  8	 /* a struct mptcp_sock */
#define SOCKET_ENDED  16 /* user space was told that nothing more comes */

struct socket_info {
	__u64 id;
	__u64 syn_ns;
	__u64 established_ns;
	__u32 role;
	__u32 bound;   /* user space knows it: its state changes are events */
	__u32 stream;  /* STREAM_… of stream.h */
	__u32 ports;   /* both, as the kernel has them: that it is still the same connection */
	__u32 changed; /* the last change of state, SOCKET_CHANGE() of socket.h */
	__u32 looked;  /* bytes that were copied while it was not known whether it is TLS */
	__u32 placed;  /* bit of each direction: its sequence number is known */
	__u32 matched; /* bytes of a TLS record's start that ended the last call; see stream.h */
	__u32 sequence[2]; /* TCP sequence number of the next byte; index: direction */
	__u32 reader;	   /* thread that received last */
	__u32 busy[2];	   /* a program is at work on that direction */
	__u32 skipped[2];  /* bytes that were told as gaps, and that a later call may be about */
	__u64 offset[2];   /* bytes of the stream before it */
	__u64 head;	   /* received, not told yet: a record's header, whose rest comes next */
	__u32 head_length; /* of that; 0: there is none */
	__u32 reserved;
};

#endif
