/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * conversation: from the kernel's events to TCP conversations with addresses, times,
 * plaintext in order, secrets and gaps.
 *
 * A pure stage: no system call, no clock of its own. What it does depends on the events
 * only, so that a replayed recording gives the same result. Deadlines are looked at when a
 * CLOCK event arrives. O(1) for each event, bounded memory (conversation_limits).
 */
#ifndef TLSPCAP_CONVERSATION_H
#define TLSPCAP_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/event.h>

struct conversations; /* the table */
struct conversation;  /* one of them */

enum conversation_end {
	CONVERSATION_END_NONE = 0,    /* the capture ended first, or it was evicted */
	CONVERSATION_END_LOCAL,	      /* the captured side sent its FIN first */
	CONVERSATION_END_REMOTE,      /* the other side did */
	CONVERSATION_END_RESET,	      /* RST: established, then closed at once */
	CONVERSATION_END_UNSEEN,      /* TLS ended (freed, process gone); TCP's end was not seen */
	CONVERSATION_END_LOCAL_HALF,  /* the capture ended after the captured side's FIN */
	CONVERSATION_END_REMOTE_HALF, /* … after the other side's */
};

/* What the bytes of a conversation are taken from. */
enum conversation_source {
	CONVERSATION_PLAINTEXT =
		0,	      /* data(): what the library's calls moved, or decrypted records */
	CONVERSATION_RECORDS, /* records(): the socket's own bytes */
	CONVERSATION_READ,    /* … and seen() tells their plaintext beside them */
	CONVERSATION_SEALED,  /* … and never plaintext, also after a gap */
};

/* What is known. The pointers and the structure live as long as the conversation. */
struct conversation_info {
	uint64_t number; /* 1 …, in order of creation */
	uint64_t seed;	 /* stable across replays; for sequence numbers */
	uint32_t pid, uid, mntns;
	uint32_t netns; /* 0: unknown */
	uint64_t cgroup;
	char comm[TLSPCAP_COMM_LEN]; /* NUL-terminated, not sanitized */
	uint32_t library;
	enum tlspcap_role role; /* of the captured side */
	bool role_assumed;	/* not observed: UNKNOWN was turned into a role by a rule */
	bool addresses_known;
	/* Another conversation, of another network namespace, has the same addresses and ports
	 * at the same time: in one file they would run into each other. */
	bool addresses_clash;
	uint16_t family;   /* 4 or 6 when addresses_known (IPv4-mapped ones become 4) */
	uint16_t protocol; /* IPPROTO_TCP; other: datagram TLS */
	uint16_t local_port, remote_port;
	uint8_t local[16], remote[16];	 /* network byte order, 4 or 16 bytes */
	uint64_t syn_ns, established_ns; /* wall clock; 0: before the capture */
	bool has_records;    /* the socket's bytes are known, from the first one without a gap */
	bool has_keys;	     /* … and the secrets to decrypt them */
	bool nothing_closed; /* … which are not needed: a handshake that failed, all of it read */
	bool has_preamble;   /* bytes passed before TLS began (STARTTLS) */
	bool has_random;
	uint8_t client_random[TLSPCAP_RANDOM_LEN];
	char server_name[TLSPCAP_INFO_LEN]; /* empty: unknown; not sanitized */
	char alpn[TLSPCAP_INFO_LEN];	    /* empty: unknown; not sanitized */
};

const struct conversation_info *conversation_info(const struct conversation *conversation);

/* One word for the next stage to hang its own state on; NULL at first. */
void conversation_set_user(struct conversation *conversation, void *user);
void *conversation_user(const struct conversation *conversation);

/*
 * From inside records(): the piece at hand and all that follows are wanted as data() instead,
 * which comes after records() has returned. False: there is no plaintext to be had; the piece
 * is what there is. What the piece completes comes whole, also its bytes of earlier pieces.
 */
bool conversation_want_plaintext(struct conversation *conversation,
				 enum tlspcap_direction direction);

/* TCP has ended, TLS's end is awaited. Bytes that were received before may still be read. */
bool conversation_has_ended(const struct conversation *conversation, enum conversation_end *end);

/*
 * Bytes that were held are given out one after the other, and the secrets for all of them
 * have been told: records() will go on before anything else happens.
 */
bool conversation_is_settling(const struct conversation *conversation);

/* Whom the table tells. Times are wall-clock nanoseconds since 1970. */
struct conversation_sink {
	void *ctx;
	/* The first word about it; at the first byte, or at its end when it had none. */
	void (*open)(void *ctx, struct conversation *conversation, uint64_t time_ns);
	void (*data)(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		     uint64_t time_ns, const uint8_t *bytes, size_t length, unsigned int flags);
	/*
	 * Asked once, when it is known what could be given. NULL, as records: plaintext always.
	 * After a gap in its records a conversation goes on with data().
	 */
	enum conversation_source (*choose)(void *ctx, const struct conversation *conversation);
	/* Bytes as they passed the socket: TLS records, and what came before TLS. */
	void (*records)(void *ctx, struct conversation *conversation,
			enum tlspcap_direction direction, uint64_t time_ns, const uint8_t *bytes,
			size_t length);
	/* What is in records that went out, for who follows a protocol; before the next piece. */
	void (*seen)(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		     const uint8_t *bytes, size_t length);
	/* length 0: not known how much. */
	void (*gap)(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		    uint64_t time_ns, uint64_t length, enum tlspcap_loss reason);
	/* The last word; `conversation` is freed after it. Only after open. */
	void (*close)(void *ctx, struct conversation *conversation, enum conversation_end end,
		      uint64_t time_ns);
	/* Each different secret once, as soon as it is known. */
	void (*secret)(void *ctx, const struct tlspcap_secret *secret, uint64_t time_ns);
	void (*name_space)(void *ctx, const struct tlspcap_namespace *name_space);
	/* No process lives in the mount namespace any more. NULL: not of interest. */
	void (*name_space_end)(void *ctx, uint32_t mntns);
	/* What time it is, several times a second. NULL: not of interest. */
	void (*clock)(void *ctx, uint64_t time_ns);
};

struct conversation_limits {
	size_t objects;	      /* TLS objects at once; 0: default 65536 */
	size_t pending_bytes; /* for all objects that wait for their socket; 0: default 64 MiB */
	size_t pending_bytes_each; /* 0: default 1 MiB */
	uint64_t pending_ns;	   /* then the address is given as unknown; 0: default 2 s */
	uint64_t linger_ns;	   /* for the socket's or TLS's end after the other; 0: 1 s */
	size_t held_bytes;	   /* of all sockets that wait for secrets; 0: 64 MiB */
	size_t held_bytes_each;	   /* 0: default 512 KiB */
	uint64_t held_ns;	   /* then they go without; 0: default 3 s */
	size_t secrets;		   /* remembered, to write each once; 0: default 65536 */
	size_t hints;		   /* secrets that wait for their connection; 0: default 8192 */
	size_t hints_each;	   /* of one process; 0: default 512 */
	uint64_t hint_ns;	   /* then they are given up; 0: default 10 s */
};

struct conversation_counts {
	uint64_t conversations; /* opened */
	uint64_t unknown_address;
	uint64_t both_ends;	/* the other end of one that we have: not written again */
	uint64_t evicted;	/* to stay inside the limits */
	uint64_t data_bytes[2]; /* given to the sink; index: direction */
	uint64_t gaps;
	uint64_t gap_bytes;
	uint64_t secrets;	  /* different ones */
	uint64_t untied_secrets;  /* whose connection was not found: not told */
	uint64_t record_bytes[2]; /* given to the sink; index: direction */
	uint64_t no_keys;	  /* conversations whose records could not be decrypted */
	uint64_t datagram;	  /* objects on a socket that is not TCP: not written */
	uint64_t malformed;	  /* events that are not what they claim; only in recordings */
	uint64_t loss[TLSPCAP_LOSS_MAX]; /* the kernel's counters, as the last LOSS event said */
};

/* limits may be NULL. Returns NULL without memory. */
struct conversations *conversations_new(const struct conversation_limits *limits,
					const struct conversation_sink *sink);

/* Takes one event; bytes beyond event->size are not read. Checks it: recordings are input. */
void conversations_feed(struct conversations *conversations, const struct tlspcap_event *event);

/* The capture ends: everything still open is closed, with CONVERSATION_END_NONE or …_HALF. */
void conversations_finish(struct conversations *conversations);

const struct conversation_counts *conversations_counts(const struct conversations *conversations);

void conversations_free(struct conversations *conversations);

#endif
