/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The contract between the kernel probes and user space, and the format of a recording.
 *
 * It is the only header that both sides share. Everything is fixed width, little-endian on
 * the machines we support, and naturally aligned; there are no pointers and no bit fields.
 * An event starts with struct tlspcap_event. Change a structure, and
 * TLSPCAP_EVENT_VERSION goes up: recordings name the version that they were made with.
 *
 * Times are CLOCK_MONOTONIC nanoseconds as the kernel's bpf_ktime_get_ns() gives them; the
 * CLOCK event says what wall-clock time they are.
 */
#ifndef TLSPCAP_EVENT_H
#define TLSPCAP_EVENT_H

#ifndef __BPF__
#include <linux/types.h>
#endif

#define TLSPCAP_EVENT_VERSION 1

/* Most bytes of plaintext in one DATA event; the largest TLS record (RFC 8446, 5.1). */
#define TLSPCAP_CHUNK 16384
/* Most bytes in one STREAM event: such a record in its protection, and its header (5.2). */
#define TLSPCAP_STREAM_CHUNK (16384 + 256 + 5)

#define TLSPCAP_COMM_LEN     16
#define TLSPCAP_LABEL_LEN    40 /* longest key log label is 31 characters */
#define TLSPCAP_RANDOM_LEN   32
#define TLSPCAP_SECRET_LEN   64 /* SHA-512's output; the longest logged one is 48 */
#define TLSPCAP_INFO_LEN     256
#define TLSPCAP_TEXT_LEN     512
#define TLSPCAP_CANDIDATES   8 /* places where a secret's client random may be */

enum tlspcap_event_type {
	TLSPCAP_EVENT_NONE = 0,
	/* made by the kernel probes */
	TLSPCAP_EVENT_OPEN = 1,		/* a TLS object is seen for the first time */
	TLSPCAP_EVENT_SOCKET = 2,	/* the TLS object's bytes pass this socket */
	TLSPCAP_EVENT_STATE = 3,	/* that socket changed its TCP state */
	TLSPCAP_EVENT_DATA = 4,		/* plaintext that a library call accepted or returned */
	TLSPCAP_EVENT_GAP = 5,		/* plaintext that there was and that we do not have */
	TLSPCAP_EVENT_SECRET = 6,	/* one key log secret */
	TLSPCAP_EVENT_INFO = 7,		/* server name, ALPN */
	TLSPCAP_EVENT_CLOSE = 8,	/* the TLS object is freed */
	TLSPCAP_EVENT_EXIT = 9,		/* the process is gone */
	TLSPCAP_EVENT_STREAM = 10,	/* bytes as they passed the socket: struct tlspcap_data */
	TLSPCAP_EVENT_STREAM_GAP = 11,	/* such bytes that we do not have: struct tlspcap_gap */
	TLSPCAP_EVENT_STREAM_END = 12,	/* no TLS on this socket: no more of its bytes come */
	TLSPCAP_EVENT_SECRET_HINT = 13, /* a secret that does not surely say whose it is */
	/* made by user space, so that a recording holds all that the later stages see */
	TLSPCAP_EVENT_CLOCK = 64,	  /* what time it is; deadlines are looked at here only */
	TLSPCAP_EVENT_NAMESPACE = 65,	  /* a mount namespace's name and description */
	TLSPCAP_EVENT_LOSS = 66,	  /* the kernel's drop counters, cumulative */
	TLSPCAP_EVENT_NAMESPACE_END = 67, /* no process lives in event.mntns any more */
};

/* Seen from the captured process. */
enum tlspcap_direction {
	TLSPCAP_SENT = 0,
	TLSPCAP_RECEIVED = 1,
};

enum tlspcap_role {
	TLSPCAP_ROLE_UNKNOWN = 0,
	TLSPCAP_ROLE_CLIENT = 1,
	TLSPCAP_ROLE_SERVER = 2,
};

/* Why bytes or events are missing. Also the index of the kernel's drop counters. */
enum tlspcap_loss {
	TLSPCAP_LOSS_NONE = 0,
	TLSPCAP_LOSS_RING_FULL = 1,    /* no room in the ring buffer (-B) */
	TLSPCAP_LOSS_FAULT = 2,	       /* the target's memory could not be read */
	TLSPCAP_LOSS_CALL_SIZE = 3,    /* one call moved more than the probe can loop over */
	TLSPCAP_LOSS_SCOPE_FULL = 4,   /* too many threads inside TLS calls at once */
	TLSPCAP_LOSS_SCOPE_DEPTH = 5,  /* TLS calls nested deeper than we follow */
	TLSPCAP_LOSS_OBJECT_FULL = 6,  /* too many TLS objects */
	TLSPCAP_LOSS_SOCKET_FULL = 7,  /* too many sockets */
	TLSPCAP_LOSS_NO_RANDOM = 8,    /* a secret without a readable client random */
	TLSPCAP_LOSS_BYPASS = 9,       /* sent without passing memory that we see (SSL_sendfile) */
	TLSPCAP_LOSS_RECURSION = 10,   /* the kernel skipped a probe (recursion_misses) */
	TLSPCAP_LOSS_MISSED = 11,      /* a return was seen without its call, or not at all */
	TLSPCAP_LOSS_FOLLOW_FULL = 12, /* a child of -- COMMAND could not be added to the set */
	TLSPCAP_LOSS_UNREADABLE = 13,  /* records that could not be decrypted; user space only */
	TLSPCAP_LOSS_MAX = 16,
};

/*
 * A socket's stream stands for itself: OPEN and SOCKET with tls_id 0 say whose it is and what
 * its addresses are, STREAM events count `offset` from the connection's first byte.
 */

/* Every event starts with this. 56 bytes. */
struct tlspcap_event {
	__u32 size; /* bytes of the whole event, this header included, padding excluded */
	__u16 type; /* enum tlspcap_event_type */
	__u16 reserved;
	__u64 time_ns;
	__u64 tls_id;  /* names the TLS object, unique while the machine is up; 0: none */
	__u64 sock_id; /* names the socket likewise; 0: not known (yet) */
	__u32 pid;     /* thread group id, in the initial pid namespace */
	__u32 tid;
	__u32 mntns; /* inode number of the mount namespace */
	__u32 reserved2;
	__u64 ends; /* of a final STATE: bytes of the stream, sent | received << 32; or 0 */
};

struct tlspcap_open {
	struct tlspcap_event event;
	__u64 cgroup;
	__u32 uid;
	__u32 library; /* index that user space gave the library when it attached it */
	char comm[TLSPCAP_COMM_LEN]; /* NUL-terminated; bytes are the target's choice */
};

/* The role is the socket's: who sent the SYN. */
struct tlspcap_socket {
	struct tlspcap_event event;
	__u64 syn_ns;	      /* the SYN was sent (client only); 0: before our time */
	__u64 established_ns; /* 0: before our time */
	__u32 netns;	      /* inode number of the network namespace; 0: unknown */
	__u16 family;	      /* AF_INET 2, AF_INET6 10, AF_UNIX 1 … */
	__u16 protocol;	      /* IPPROTO_TCP 6 … */
	__u16 local_port;     /* host byte order */
	__u16 remote_port;
	__u8 role;     /* enum tlspcap_role, from the socket's life */
	__u8 tls_role; /* enum tlspcap_role, from the TLS object; UNKNOWN where not readable */
	__u8 state;    /* TCP state now (include/net/tcp_states.h) */
	__u8 reserved;
	__u8 local[16]; /* network byte order; IPv4 in the first four bytes */
	__u8 remote[16];
};

struct tlspcap_state {
	struct tlspcap_event event;
	__u8 old_state;
	__u8 new_state;
	__u8 final; /* 1: the socket is closed, and no more of its stream comes: event.ends */
	__u8 reserved[5];
};

enum tlspcap_data_flags {
	TLSPCAP_DATA_EARLY = 1, /* TLS 1.3 early data (0-RTT) */
};

/* `offset` counts the plaintext bytes of this object and direction since the object was first
 * seen, lost ones included: a jump is a loss. `length` bytes follow the structure. */
struct tlspcap_data {
	struct tlspcap_event event;
	__u64 offset;
	__u32 length; /* 1 … TLSPCAP_CHUNK */
	__u8 direction;
	__u8 flags;
	__u8 reserved[2];
	__u8 bytes[];
};

struct tlspcap_gap {
	struct tlspcap_event event;
	__u64 offset;
	__u64 length; /* bytes; 0: not known */
	__u8 direction;
	__u8 reason; /* enum tlspcap_loss */
	__u8 reserved[6];
};

struct tlspcap_secret {
	struct tlspcap_event event;
	char label[TLSPCAP_LABEL_LEN]; /* as in an NSS key log file, NUL-terminated */
	__u8 client_random[TLSPCAP_RANDOM_LEN];
	__u8 secret[TLSPCAP_SECRET_LEN];
	__u32 secret_length;
	__u32 reserved;
};

/*
 * A secret, and what was read where its client random may be. The conversation stage finds
 * whose it is: by a candidate that is the random of a ClientHello, or by a record that the secret
 * opens. All of one tls_id belong to one handshake, until a label comes with another secret.
 */
struct tlspcap_secret_hint {
	struct tlspcap_event event;
	/* As in struct tlspcap_secret, or as TLS 1.3 names it (RFC 8446, 7.1): "c hs traffic". */
	char label[TLSPCAP_LABEL_LEN];
	__u8 secret[TLSPCAP_SECRET_LEN];
	__u32 secret_length;
	__u32 candidates; /* 0 … TLSPCAP_CANDIDATES; more do not follow */
	__u8 candidate[TLSPCAP_CANDIDATES][TLSPCAP_RANDOM_LEN];
};

enum tlspcap_info_kind {
	TLSPCAP_INFO_SERVER_NAME = 1, /* RFC 6066, 3 */
	TLSPCAP_INFO_ALPN = 2,	      /* RFC 7301: the protocol that was selected */
};

struct tlspcap_info {
	struct tlspcap_event event;
	__u16 kind;
	__u16 length; /* bytes of text, at most TLSPCAP_INFO_LEN - 1 */
	__u32 reserved;
	char text[TLSPCAP_INFO_LEN]; /* NUL-terminated */
};

/* CLOSE, EXIT and NAMESPACE_END are a bare struct tlspcap_event. */

struct tlspcap_clock {
	struct tlspcap_event event;
	__u64 realtime_ns; /* CLOCK_REALTIME at event.time_ns */
};

struct tlspcap_namespace {
	struct tlspcap_event event; /* event.mntns says which */
	char name[128];		    /* NUL-terminated */
	char description[TLSPCAP_TEXT_LEN];
	/* "container=…;" and what else is known of it, as it stands in comments; older recordings
	 * end before it */
	char container[TLSPCAP_TEXT_LEN];
};

struct tlspcap_loss_counters {
	struct tlspcap_event event;
	__u64 count[TLSPCAP_LOSS_MAX]; /* index: enum tlspcap_loss */
};

/*
 * How to read an object's fields without a table of releases: the locate stage finds the
 * steps in the library's own code. A path of one step is a field at an offset; each step
 * but the last loads a pointer.
 */
struct tlspcap_path {
	__s32 steps; /* 0: not known */
	__s32 offset[3];
};

#define TLSPCAP_LAYOUT_PATHS 4

/* What the kernel side must know of one library file. Index: the library's number. */
struct tlspcap_layout {
	struct tlspcap_path client_random; /* 32 bytes, from the object that logs a secret */
	struct tlspcap_path server_flag;   /* int: whether the TLS object is a server */
	/* What else the family's own programs read; what they mean says bpf/<family>.h. */
	struct tlspcap_path path[TLSPCAP_LAYOUT_PATHS];
	__u32 flags;
	__u32 server_value; /* what server_flag is in a server; 0: anything but 0 */
};

/* The cookie of a probe: low 8 bits the family's own function number, then the library. */
#define TLSPCAP_COOKIE(library, function) (((__u64)(library) << 8) | (function))
#define TLSPCAP_COOKIE_FUNCTION(cookie)	  ((__u32)((cookie)&0xff))
#define TLSPCAP_COOKIE_LIBRARY(cookie)	  ((__u32)((cookie) >> 8))
#define TLSPCAP_LIBRARIES_MAX		  4096

#endif
