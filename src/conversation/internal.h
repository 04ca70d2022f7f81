/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the files of the conversation stage share.
 *
 *   tls_id ──▶ object ──▶ conversation ◀── sock_id
 *
 * An object is one SSL*; it waits without a conversation, and keeps its bytes, until its
 * socket is known. Several objects (parent and child after a fork) may share a conversation.
 */
#ifndef TLSPCAP_CONVERSATION_INTERNAL_H
#define TLSPCAP_CONVERSATION_INTERNAL_H

#include <conversation/table.h>
#include <tlspcap/conversation.h>

/* More than the kernel has. */
#define TCP_STATES 16

struct pending {
	struct pending *next;
	uint64_t time_ns, length;
	uint8_t direction;
	bool is_gap;
	uint8_t detail; /* data: flags; gap: reason */
	uint8_t bytes[];
};

/* All objects of one process, for its EXIT. Lives as long as it has one. */
struct process {
	struct table_node by_pid;
	struct list objects;
	uint32_t pid;
};

struct object {
	struct table_node by_id;
	struct list recent;	     /* conversations.objects_recent */
	struct list waiting;	     /* conversations.waiting, while it has pending bytes */
	struct list of_process;	     /* process.objects */
	struct list of_conversation; /* conversation.objects */
	struct process *process;
	struct conversation *conversation; /* NULL: not known yet, or it has ended */

	uint64_t id, cgroup;
	uint64_t next[2]; /* offset of the next byte; index: direction */
	uint32_t uid, mntns, library;
	char comm[TLSPCAP_COMM_LEN];
	char *server_name, *alpn; /* NULL: unknown */

	bool has_random, has_socket;
	bool suppressed; /* its socket's conversation was the other end of one that we have */
	uint8_t client_random[TLSPCAP_RANDOM_LEN];
	uint32_t handshakes;	      /* of which it gave secrets, as far as they were told apart */
	unsigned int hinted;	      /* bits: labels of secrets of the newest one */
	struct tlspcap_socket socket; /* valid with has_socket */

	struct pending *pending, **pending_last;
	size_t pending_bytes;
	uint64_t waiting_since;
};

/* A 4-tuple without direction. No padding: it is hashed and compared as bytes. */
struct tuple {
	uint32_t netns, family;
	uint16_t port[2];
	uint8_t address[2][16];
};

struct conversation {
	struct conversation_info info;
	void *user;

	struct table_node by_socket, by_tuple, by_random, by_shown;
	bool in_sockets, in_tuples, in_randoms, in_shown;
	struct list recent;  /* conversations.recent */
	struct list looking; /* conversations.looking, while it has shown no TLS */
	struct list linger;  /* conversations.lingering, when one of TLS and TCP has ended */
	struct list objects; /* object.of_conversation */

	uint64_t sock_id;	 /* 0: none */
	struct records *records; /* NULL: the socket's bytes are not known */
	struct tuple tuple;
	bool flipped; /* `local` is tuple.address[1] */

	uint32_t peer_pid; /* of the process at the other end; 0: not captured */
	bool opened;
	bool suppressed; /* the other end of one that we have */
	bool datagram;
	bool tcp_ended;
	enum conversation_end end; /* what TCP's states said so far */
	uint64_t last_ns;	   /* of the last event that belongs to it; not wall clock */
	uint64_t linger_since;
};

struct secrets {
	struct table table, by_random, by_secret;
	struct secret_entry *ring; /* the oldest is forgotten first */
	size_t size, used, next;
};

struct hints {
	struct table processes, candidates;
	struct list recent; /* the oldest first */
	size_t size, used;
	unsigned int tries; /* that are left until the next CLOCK */
};

struct conversations {
	struct conversation_sink sink;
	struct conversation_limits limits;
	struct conversation_counts counts;

	struct table objects, processes, sockets, tuples, randoms;
	struct table shown; /* opened ones by their tuple, whatever the network namespace */
	struct list objects_recent, recent; /* least recently active first */
	struct list looking;		    /* the oldest first */
	struct list waiting, lingering;	    /* the first deadline first */
	struct list holding;		    /* records.holding, likewise */
	struct list quiet;		    /* records.holding that need no secret yet */
	size_t n_objects, n_conversations;
	size_t pending_bytes, held_bytes;

	struct secrets secrets;
	struct hints hints;
	bool has_streams; /* a socket's bytes were told */
	uint8_t *scratch; /* of all decrypt stages */
	uint64_t now;	  /* never goes back */
	uint64_t offset;  /* wall clock minus event time */
	uint64_t created;
};

/* object.c */
struct object *object_get(struct conversations *all, const struct tlspcap_event *event);
struct object *object_find(struct conversations *all, uint64_t id);
void object_identify(struct object *object, const struct tlspcap_open *open);
void object_set_text(struct object *object, char **field, const char *text);
void object_set_socket(struct conversations *all, struct object *object,
		       const struct tlspcap_socket *socket);
void object_data(struct conversations *all, struct object *object, const struct tlspcap_data *data);
void object_gap(struct conversations *all, struct object *object, uint8_t direction,
		uint64_t time_ns, uint64_t length, uint8_t reason);
/* Joins the conversation whose ClientHello had the random of this object's secrets. */
void object_bind_by_random(struct conversations *all, struct object *object);
/* Stops waiting: what is pending is given out, with an unknown address. */
void object_stop_waiting(struct conversations *all, struct object *object);
/* It is freed, or its process is gone. */
void object_end(struct conversations *all, struct object *object, uint64_t time_ns);
void object_discard(struct conversations *all, struct object *object);
void process_end(struct conversations *all, uint32_t pid, uint64_t time_ns);

/* conversation.c */
uint64_t conversation_wall(const struct conversations *all, uint64_t time_ns);
void conversation_attach(struct conversations *all, struct conversation *conversation,
			 struct object *object);
/* NULL without memory. */
struct conversation *conversation_bind(struct conversations *all, struct object *object);
struct conversation *conversation_unknown(struct conversations *all, struct object *object);
/* Copies who the object belongs to. */
void conversation_identify(struct conversation *conversation, const struct object *object);
struct conversation *conversation_find(struct conversations *all, uint64_t sock_id);
/* A later SOCKET event about the object's conversation. */
void conversation_update(struct conversations *all, struct object *object);
void conversation_detach(struct conversations *all, struct object *object, uint64_t time_ns);
void conversation_give(struct conversations *all, struct conversation *conversation, bool is_gap,
		       uint8_t direction, uint64_t time_ns, const uint8_t *bytes, uint64_t length,
		       uint8_t detail);
void conversation_state(struct conversations *all, struct conversation *conversation,
			const struct tlspcap_state *state);
void conversation_learn_random(struct conversations *all, struct conversation *conversation,
			       const struct object *object);
void conversation_end(struct conversations *all, struct conversation *conversation,
		      enum conversation_end end);
/* What is known of how it ended, when TLS or TCP has. */
enum conversation_end conversation_how(const struct conversation *conversation);
enum conversation_end conversation_half(const struct conversation *conversation);
void conversation_expire(struct conversations *all);
void conversation_discard(struct conversations *all, struct conversation *conversation);

/* A socket of which STREAM events come; its conversation may exist already. */
struct conversation *conversation_of_stream(struct conversations *all,
					    const struct tlspcap_open *open);
void conversation_touch(struct conversations *all, struct conversation *conversation,
			uint64_t time_ns);
void conversation_open(struct conversations *all, struct conversation *conversation,
		       uint64_t time_ns);
void conversation_set_random(struct conversations *all, struct conversation *conversation,
			     const uint8_t *client_random);

/* streams.c: the socket's bytes. Handlers of events return false on what is malformed. */
bool records_begin(struct conversations *all, const struct tlspcap_open *open);
bool records_socket(struct conversations *all, const struct tlspcap_socket *socket);
bool records_stream(struct conversations *all, const struct tlspcap_data *data);
bool records_gap(struct conversations *all, const struct tlspcap_gap *gap);
/* The stream is told to be over: what did not come is lost. */
void records_check_end(struct conversation *conversation, const struct tlspcap_state *state);
bool records_end(struct conversations *all, const struct tlspcap_event *event);

/* records.c: what becomes of them. */
/* A secret of this connection was told. */
void records_secret(struct conversation *conversation, const char *label, const uint8_t *secret,
		    size_t length);
/* Waits no longer: chooses with what is known. */
void records_settle(struct conversation *conversation);
/* The stream is at its end: what may yet be read of it is given. */
void records_finish(struct conversation *conversation);
/* The library's calls tell plaintext. True when it is not needed: it is in the records. */
bool records_cover(struct conversation *conversation, uint8_t direction, bool early);
/* Nothing is held: what came has gone out. */
bool records_are_settled(const struct conversation *conversation);
void records_free(struct conversation *conversation);
void records_expire(struct conversations *all);

/* endpoint.c: addresses and roles */
/* Fills info's socket part; leaves addresses_known false when they are not. */
void endpoint_fill(const struct conversations *all, struct conversation *conversation,
		   const struct tlspcap_socket *socket);
/* Enters it among the live ones, or finds that it is the other end of one of them. */
void endpoint_register(struct conversations *all, struct conversation *conversation);
void endpoint_register_random(struct conversations *all, struct conversation *conversation);
void endpoint_forget(struct conversations *all, struct conversation *conversation);
/* It is about to be opened: finds whether its addresses are in use by another one. */
void endpoint_show(struct conversations *all, struct conversation *conversation);
/* The live conversation with this client random, or NULL. */
struct conversation *endpoint_find_random(struct conversations *all, const uint8_t *random);

/* secrets.c */
bool secrets_init(struct secrets *secrets, size_t size);
void secrets_free(struct secrets *secrets);
/* Calls fn for each secret that is remembered of this client random. */
typedef void (*secrets_fn)(void *ctx, const char *label, const uint8_t *secret, size_t length);
void secrets_find(const struct secrets *secrets, const uint8_t *client_random, secrets_fn fn,
		  void *ctx);
/* True when it was not there yet. */
bool secrets_add(struct secrets *secrets, const struct tlspcap_secret *secret);
/* The client random that this secret was told with; its own is not looked at. NULL: never. */
const uint8_t *secrets_random(const struct secrets *secrets, const struct tlspcap_secret *secret);

/* hints.c: secrets that do not say whose they are */
bool hints_init(struct conversations *all);
void hints_free(struct conversations *all);
void hints_feed(struct conversations *all, const struct tlspcap_secret_hint *hint);
/* It holds something that needs a secret; or no longer. */
void hints_wait(struct records *records);
void hints_stop(struct records *records);
/* More of it came: one of the secrets of its process may open that. */
void hints_try(struct records *records);
/* Its ClientHello was read. */
void hints_hello(struct conversations *all, struct conversation *conversation);
void hints_expire(struct conversations *all);
/* The capture ends: those that are left are counted. */
void hints_finish(struct conversations *all);

/* conversations.c */
/* A secret is known. owner: whose it is, NULL: whose random it has; object: its, or NULL. */
void conversations_secret(struct conversations *all, const struct tlspcap_secret *secret,
			  struct conversation *owner, struct object *object);

#endif
