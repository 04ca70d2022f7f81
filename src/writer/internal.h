/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the files of the writer share.
 *
 *   stream ──▶ section ──▶ file
 *
 * A stream is a conversation as it is written. A section is a sequence of files: one for all
 * streams, or one for each namespace. Streams go on when a file ends: they leave it, and start
 * over in the next one.
 */
#ifndef TLSPCAP_WRITER_INTERNAL_H
#define TLSPCAP_WRITER_INTERNAL_H

#include <pcap/pcap.h>
#include <conversation/table.h>
#include <tlspcap/files.h>
#include <tlspcap/frame.h>
#include <tlspcap/http2.h>
#include <tlspcap/output.h>
#include <tlspcap/pcapng.h>
#include <tlspcap/writer.h>

/* Lines that wait for the next packet or flush; one DSB. */
#define LINES_MAX ((size_t)64 << 10)

/*
 * A mount namespace: one interface block in each file that has a packet of it. It and a
 * process are forgotten when there are too many and nobody refers to them.
 */
struct interface {
	struct table_node node;
	struct list idle; /* names.idle_interfaces, while there are no references */
	uint32_t references;
	uint32_t mntns;
	uint64_t file;	/* serial number of the file that it was written to last */
	uint32_t index; /* in that file */
	char *name, *description;
	char *label;	 /* what the name is but for "mntns:N"; NULL: not known */
	char *container; /* for comments, may be empty; NULL as label */
	bool retired;	 /* its number is another namespace's by now */
};

/* A process block once a packet of it is written. */
struct process_name {
	struct table_node node;
	struct list idle;
	uint32_t references;
	uint32_t pid;
	char comm[TLSPCAP_COMM_LEN];
	uint64_t file;
	int32_t index;
};

struct names {
	struct table interfaces, processes;
	struct list idle_interfaces, idle_processes;
	size_t n_interfaces, n_processes;
};

/* An interface block in the file at hand, and the packets on it. */
struct written_interface {
	struct interface *interface; /* a reference */
	uint64_t packets, lost;
	uint64_t start_ns, end_ns; /* of the packets' times */
};

struct section {
	struct table_node node;
	struct list open; /* writer.open, while it has a file; least recently used first */
	uint32_t mntns, netns;
	size_t n_streams;
	bool ended; /* its namespace has; it goes with its last stream */

	struct files_set *set;
	struct files_file *file; /* NULL: none is open */
	char *previous;		 /* name of the file before */
	uint64_t serial;	 /* of the file, among all that this writer has written */
	uint64_t packets;
	uint64_t due_ns;     /* when another file is to follow; 0: never */
	struct list streams; /* that are in the file */

	struct written_interface *interfaces; /* by index */
	uint32_t n_interfaces, interfaces_room;
	int32_t n_processes;

	char *lines; /* secrets */
	size_t lines_length, lines_room, n_lines;
};

enum stream_state {
	STREAM_NEW,    /* no frame yet */
	STREAM_OPEN,   /* from SYN on */
	STREAM_BROKEN, /* reset after a gap; starts over when there is more */
	STREAM_LEFT,   /* its file has ended; starts over in the next one when there is more */
};

/* A conversation as it is written. */
struct stream {
	const struct conversation *conversation;
	const struct conversation_info *info;
	struct section *section;
	struct list of_section; /* section.streams, while it is OPEN or BROKEN */
	char *previous;		/* the file that it left; NULL: none */
	struct frame_stream *frames;
	struct interface *interface;  /* a reference */
	struct process_name *process; /* a reference; NULL: too many */
	enum view_kind view;
	enum stream_state state;
	uint64_t last_ns;	/* of its last frame */
	uint64_t not_before_ns; /* of its frames in this file: mergecap sorts by time */
	bool ended;		/* its end is in the file that it left */
	bool view_open;		/* what precedes the first plaintext is written */
	bool h2_seen;		/* HTTP/2 by its first bytes, not by ALPN */
	struct http2 *http2;	/* NULL: it is not followed */
	bool followed;		/* its first bytes came by */
	bool begins_again;	/* its frames begin in the midst of the connection */
	bool headers_lost;	/* … and header blocks refer to what is not there */
	bool withheld;		/* no secrets of it are to be written */

	/* Lost and not yet marked in a packet that was written. */
	uint64_t lost_gaps, lost_bytes;
	bool lost_unknown; /* at least one of unknown length */
	enum tlspcap_loss lost_reason;

	bool must_break; /* a gap came, and the stream is still open */
	enum tlspcap_direction break_direction;
	uint64_t break_ns;

	/* A TLS record's header (RFC 8446, 5.1) that waits for its body, or a whole
	 * ChangeCipherSpec and the next header. */
	uint8_t carry[128];
	size_t carry_length;
	enum tlspcap_direction carry_direction;
	uint64_t carry_ns;

	char *comment; /* what all its packets say; there is room for COMMENT_ROOM more */
	size_t comment_length, note_room;
};

#define COMMENT_ROOM 192 /* for a gap's words */
#define NOTE_ROOM    64	 /* for a note; longer ones make their own room */

/* Secrets of one client random, for files to come. */
struct kept_secrets;

struct secrets_store {
	struct table table;
	struct list recent; /* least recently used first */
	size_t n, bytes;
};

struct writer {
	struct conversation_sink sink;
	struct writer_counts counts;
	struct writer_options options; /* its strings are the caller's, and gone after opening */
	char *application, *hardware, *os;
	enum view_kind view;
	bool sealed; /* no plaintext may be written */
	bool finished;
	bool closing; /* no more files come */
	uint64_t now; /* wall clock, as the events tell it */
	uint64_t serial;
	struct files *files;
	struct output *keylog;
	char *keylog_path;
	struct bpf_program filter;
	char *filter_text; /* NULL: no filter */
	int error;	   /* the first one */
	char *why;	   /* a sentence about it; NULL: none is needed */
	struct names names;
	struct secrets_store store;
	struct http2_memory http2_memory;
	struct section *only; /* not split: the one section */
	struct table sections;
	struct list open;
	size_t n_open, n_sections;
};

/* names.c */
bool names_init(struct names *names);
void names_free(struct names *names);
/* References, to be released. NULL without memory; process: also when there are too many. */
struct interface *names_interface(struct names *names, uint32_t mntns);
struct process_name *names_process(struct names *names, uint32_t pid, const char *comm);
void names_release_interface(struct names *names, struct interface *interface);
void names_release_process(struct names *names, struct process_name *process);
void names_describe(struct names *names, const struct tlspcap_namespace *name_space);

/* section.c */
/* Where a conversation is written. NULL without memory. */
struct section *section_of(struct writer *writer, const struct conversation_info *info);
/* The mount namespace's, if there is one and it has a file. */
struct section *section_find_open(struct writer *writer, uint32_t mntns);
void section_release(struct writer *writer, struct section *section); /* a stream's */
/* Has a file. False: not, and the writer has an error. */
bool section_open(struct writer *writer, struct section *section);
/* Before something is written at this time: the next file, if it is due. */
void section_turn(struct writer *writer, struct section *section, uint64_t time_ns);
/* Streams leave, and the file is closed. */
void section_close(struct writer *writer, struct section *section);
void section_clock(void *writer, uint64_t time_ns);
void section_name_space_end(void *writer, uint32_t mntns);
void section_free(struct writer *writer, struct section *section);

/* packet.c */
struct packet {
	enum frame_kind kind;
	enum tlspcap_direction direction;
	uint64_t time_ns;
	const char *note; /* goes to the end of the comment */
	const struct frame_piece *pieces;
	size_t n_pieces;
};
void packet_write(struct writer *writer, struct stream *stream, const struct packet *packet);
void packet_write_secrets(struct writer *writer, struct section *section);
void packet_write_section(struct writer *writer, struct section *section);
/* What ends a file: statistics. libpcap opens none without an interface: it gets one. */
void packet_write_end(struct writer *writer, struct section *section);
void packet_fail(struct writer *writer, ssize_t error);
/* … of a file: it is named to the user. */
void packet_fail_file(struct writer *writer, const char *name, ssize_t error);

/* secrets.c */
bool secrets_store_init(struct secrets_store *store);
void secrets_store_free(struct secrets_store *store);
void secrets_take(void *writer, const struct tlspcap_secret *secret, uint64_t time_ns);
/* The stream is about to begin in its section's file: its secrets have to be there. */
void secrets_need(struct writer *writer, const struct stream *stream);

/* stream.c: what the conversation stage tells */
void stream_open(void *writer, struct conversation *conversation, uint64_t time_ns);
void stream_data(void *writer, struct conversation *conversation, enum tlspcap_direction direction,
		 uint64_t time_ns, const uint8_t *bytes, size_t length, unsigned int flags);
enum conversation_source stream_choose(void *writer, const struct conversation *conversation);
void stream_records(void *writer, struct conversation *conversation,
		    enum tlspcap_direction direction, uint64_t time_ns, const uint8_t *bytes,
		    size_t length);
void stream_gap(void *writer, struct conversation *conversation, enum tlspcap_direction direction,
		uint64_t time_ns, uint64_t length, enum tlspcap_loss reason);
void stream_close(void *writer, struct conversation *conversation, enum conversation_end end,
		  uint64_t time_ns);
/* Its file ends; `next` is the one that follows, NULL: not known. */
void stream_leave(struct writer *writer, struct stream *stream, const char *next);

/* follow.c */
/* Whether what the conversation's records hold is to be told. */
bool follow_is_wanted(const struct writer *writer, const struct conversation_info *info);
void stream_seen(void *writer, struct conversation *conversation, enum tlspcap_direction direction,
		 const uint8_t *bytes, size_t length);
/* All plaintext of a stream, however it is written. */
void follow_data(struct writer *writer, struct stream *stream, enum tlspcap_direction direction,
		 const uint8_t *bytes, size_t length);
void follow_lose(struct stream *stream, enum tlspcap_direction direction);
/* A reader of what follows will understand it. */
bool follow_is_whole(const struct stream *stream);
/* What he has to be told before. */
void follow_resume(const struct stream *stream, view_segment_fn write, void *ctx);
void follow_end(struct stream *stream);

/* flow.c */
struct frame_stream *flow_frames(const struct conversation_info *info);
/* HTTP/2 where the library told no ALPN; `begins`: these are the first bytes. */
bool flow_is_h2(const uint8_t *bytes, size_t length, bool begins);

/* comment.c */
/* Allocates stream->comment. False without memory. */
bool comment_make(struct stream *stream);
/* Room for such a note. False without memory. */
bool comment_reserve(struct stream *stream, size_t note_length);
/* Adds what this packet says beyond; returns the length of the whole. */
size_t comment_finish(struct stream *stream, const char *note);

#endif
