/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the files of the writer share. */
#ifndef TLSPCAP_WRITER_INTERNAL_H
#define TLSPCAP_WRITER_INTERNAL_H

#include <pcap/pcap.h>
#include <conversation/table.h>
#include <tlspcap/frame.h>
#include <tlspcap/output.h>
#include <tlspcap/pcapng.h>
#include <tlspcap/writer.h>

/* Lines that wait for the next packet or flush; one DSB. */
#define LINES_MAX ((size_t)64 << 10)

/* A mount namespace: one interface block once a packet of it is written. */
struct interface {
	struct table_node node;
	uint32_t mntns;
	int64_t index; /* -1: not written */
	char *name, *description;
	uint64_t packets, lost;
	uint64_t start_ns, end_ns; /* of the packets' times */
};

/* A process block once a packet of it is written. */
struct process_name {
	struct table_node node;
	uint32_t pid;
	char comm[TLSPCAP_COMM_LEN];
	int32_t index; /* -1: not written */
};

struct names {
	struct table interfaces, processes;
	struct interface **written; /* by index */
	size_t n_written;
	size_t n_interfaces, n_processes;
	int32_t n_processes_written;
};

enum stream_state {
	STREAM_NEW,    /* no frame yet */
	STREAM_OPEN,   /* from SYN on */
	STREAM_BROKEN, /* reset after a gap; starts over when there is more */
};

/* A conversation as it is written. */
struct stream {
	const struct conversation_info *info;
	struct frame_stream *frames;
	struct interface *interface;
	struct process_name *process; /* NULL: too many */
	enum view_kind view;
	enum stream_state state;
	bool view_open; /* what precedes the first plaintext is written */
	bool h2_seen;	/* HTTP/2 by its first bytes, not by ALPN */

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
	size_t comment_length;
};

#define COMMENT_ROOM 192

struct writer {
	struct conversation_sink sink;
	struct writer_counts counts;
	enum view_kind view;
	uint64_t packets_max;
	struct output *output, *keylog;
	struct bpf_program filter;
	char *filter_text; /* NULL: no filter */
	int error;	   /* first one that is not the output's */
	struct names names;
	size_t lines_length, n_lines;
	char lines[LINES_MAX];
};

/* names.c */
bool names_init(struct names *names);
void names_free(struct names *names);
/* NULL without memory. */
struct interface *names_interface(struct names *names, uint32_t mntns);
struct process_name *names_process(struct names *names, uint32_t pid, const char *comm);
void names_describe(struct names *names, const struct tlspcap_namespace *name_space);
/* It has got its block: gives it the next index. False without memory. */
bool names_mark_written(struct names *names, struct interface *interface);

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
void packet_write_secrets(struct writer *writer);
void packet_add_secret(struct writer *writer, const struct tlspcap_secret *secret);
void packet_write_section(struct writer *writer, const struct writer_options *options);
/* libpcap does not open a file without an interface: an empty capture gets one. */
void packet_write_interface(struct writer *writer);
void packet_write_statistics(struct writer *writer);
void packet_fail(struct writer *writer, ssize_t error);

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

/* comment.c */
/* Allocates stream->comment. False without memory. */
bool comment_make(struct stream *stream);
/* Adds what this packet says beyond; returns the length of the whole. */
size_t comment_finish(struct stream *stream, const char *note);

#endif
