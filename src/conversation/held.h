/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files about a socket's own bytes share: records.c and held.c. */
#ifndef TLSPCAP_CONVERSATION_HELD_H
#define TLSPCAP_CONVERSATION_HELD_H

#include <conversation/internal.h>
#include <tlspcap/decrypt.h>

enum records_mode {
	RECORDS_HELD,
	RECORDS_GENUINE,
	RECORDS_PLAIN,
};

/* A piece of the stream. */
struct held {
	struct held *next;
	uint64_t time_ns, length;
	uint8_t direction;
	bool is_gap;
	uint8_t reason;
	uint8_t bytes[];
};

/* It may be one of this process's secrets that a connection waits for. */
struct suspect {
	struct list waiting;	      /* hint_process.waiting */
	struct hint_process *process; /* NULL: none */
	struct records *records;
};

struct records {
	struct conversations *all;
	struct conversation *conversation;
	struct decrypt *decrypt; /* NULL: no TLS yet, or no hope for secrets any more */
	struct list holding;	 /* conversations.holding or .quiet, while it holds */
	enum records_mode mode;
	uint64_t next[2];		       /* offset of the next byte; index: direction */
	bool begun[2];			       /* TLS has begun in this direction */
	uint8_t matched[2];		       /* bytes of its beginning, in pieces so far */
	uint8_t before[2];		       /* of these, what the decrypt stage has not had */
	bool lost;			       /* there was a gap */
	bool by_calls;			       /* the library's calls tell the plaintext */
	bool has_random;		       /* the ClientHello was read */
	bool called[2];			       /* after a loss, the calls told the plaintext */
	bool unread[2];			       /* it was told that plaintext is missing */
	bool muted;			       /* what is decrypted now was told already */
	bool settling;			       /* what was held is being given out */
	bool sealed;			       /* plaintext is never wanted */
	bool is_read;			       /* plaintext is told beside genuine records */
	bool renegotiating;		       /* held again, for the secret of a later handshake */
	bool waits;			       /* something that it holds needs a secret */
	uint8_t handshake[TLSPCAP_RANDOM_LEN]; /* client random of the newest one looked at */
	unsigned int labels;		       /* bits: index in key_labels */
	struct held *held, **held_last;
	size_t held_bytes;
	uint64_t held_since;	    /* with `waits`: since then */
	uint32_t tid;		    /* of the thread that moved bytes last */
	struct suspect suspects[2]; /* its own process, and that at the other end */
};

/* The next piece of the stream, or a gap in it. The conversation's records may be gone then. */
void records_take(struct records *records, const struct held *item, const uint8_t *bytes);

/* Keeps a copy. False when it may hold no more; others may have been settled to make room. */
bool held_add(struct records *records, const struct held *head, const uint8_t *bytes);
/* All pieces, to be freed by the caller; nothing is held any more. */
struct held *held_take(struct records *records);
/* From now on a secret is awaited: the deadline begins. */
void held_wait(struct records *records);

#endif
