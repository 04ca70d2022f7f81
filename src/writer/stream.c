/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A conversation as a TCP stream: SYN, what the view gives, ACKs, FIN or RST. */
#include <errno.h>
#include <writer/internal.h>

/* Bytes of one direction after which the other side acknowledges. */
#define ACK_EVERY      65536

#define NOTE_DATA      "synthesized=tcp;"
#define NOTE_FRAME     "synthesized=frame;"
#define NOTE_HANDSHAKE "synthesized=tls-handshake;"
#define NOTE_ALERT     "synthesized=tls-alert;"
#define NOTE_HTTP2     "synthesized=http2-state;"
#define NOTE_GAP       NOTE_FRAME "restart=after-gap;"
#define NOTE_NEW_FILE  NOTE_FRAME "restart=new-file;"
#define NOTE_GOES_ON   NOTE_FRAME "end=continued;"
#define NOTE_NOT_SEEN  NOTE_FRAME "end=not-seen;"
/* With the name of a file at its end: clean text may be three times as long. */
#define NOTE_MAX (64 + 3 * 256)

/* What the segments of a view need on their way. */
struct emission {
	struct writer *writer;
	struct stream *stream;
	uint64_t time_ns;
	const char *note;
};

static enum tlspcap_direction opposite(enum tlspcap_direction direction)
{
	return direction == TLSPCAP_SENT ? TLSPCAP_RECEIVED : TLSPCAP_SENT;
}

static bool local_is_server(const struct stream *stream)
{
	return stream->info->role == TLSPCAP_ROLE_SERVER;
}

static void free_stream(struct writer *writer, struct stream *stream)
{
	if (!stream)
		return;
	names_release_interface(&writer->names, stream->interface);
	names_release_process(&writer->names, stream->process);
	list_remove(&stream->of_section);
	if (stream->section)
		section_release(writer, stream->section);
	frame_stream_free(stream->frames);
	follow_end(stream);
	free(stream->previous);
	free(stream->comment);
	free(stream);
}

/* What a conversation is shown as when its records are not: plaintext has been asked for. */
static enum view_kind plaintext_view(const struct writer *writer,
				     const struct conversation_info *info)
{
	if (writer->view == VIEW_PLAIN || writer->view == VIEW_NULL_TLS)
		return writer->view;
	return view_choose(info);
}

static enum view_kind pick_view(const struct writer *writer, const struct conversation_info *info)
{
	if (writer->sealed)
		return VIEW_TLS;
	if (!info->has_records)
		return plaintext_view(writer, info);
	/* Without keys the records are all that there is. */
	if (writer->view == VIEW_TLS || !info->has_keys)
		return VIEW_TLS;
	/* Records that nobody can read are not what Wireshark dissects. */
	if (writer->view == VIEW_AUTO && view_dissects_tls(info) && !writer->options.no_secrets)
		return VIEW_TLS;
	return plaintext_view(writer, info);
}

enum conversation_source stream_choose(void *ctx, const struct conversation *conversation)
{
	const struct writer *writer = ctx;

	const struct conversation_info *info = conversation_info(conversation);

	if (writer->sealed)
		return CONVERSATION_SEALED;
	if (pick_view(writer, info) != VIEW_TLS)
		return CONVERSATION_PLAINTEXT;
	return follow_is_wanted(writer, info) ? CONVERSATION_READ : CONVERSATION_RECORDS;
}

void stream_open(void *ctx, struct conversation *conversation, uint64_t time_ns)
{
	struct writer *writer = ctx;
	const struct conversation_info *info = conversation_info(conversation);
	struct stream *stream = calloc(1, sizeof(*stream));

	(void)time_ns; /* the first frame waits for the first byte: it may tell the protocol */
	if (!stream)
		goto no_memory;
	list_init(&stream->of_section);
	stream->conversation = conversation;
	stream->info = info;
	stream->view = pick_view(writer, info);
	stream->withheld = writer->options.no_secrets;
	stream->section = section_of(writer, info);
	stream->frames = flow_frames(info);
	stream->interface = names_interface(&writer->names, info->mntns);
	stream->process = names_process(&writer->names, info->pid, info->comm);
	if (!stream->section || !stream->frames || !stream->interface || !comment_make(stream))
		goto no_memory;
	conversation_set_user(conversation, stream);
	return;
no_memory:
	free_stream(writer, stream);
	packet_fail(writer, -ENOMEM);
}

static void write_frame(struct emission *emission, enum frame_kind kind,
			enum tlspcap_direction direction, const char *note)
{
	const struct packet packet = {
		.kind = kind,
		.direction = direction,
		.time_ns = emission->time_ns,
		.note = note,
	};

	packet_write(emission->writer, emission->stream, &packet);
}

static void write_segment(void *ctx, const struct view_segment *segment)
{
	struct emission *emission = ctx;
	const struct frame_piece pieces[] = {
		{segment->head, segment->head_length},
		{segment->body, segment->body_length},
		{NULL, segment->tail_length},
	};
	const struct packet packet = {
		.kind = FRAME_DATA,
		.direction = segment->direction,
		.time_ns = emission->time_ns,
		.note = emission->note,
		.pieces = pieces,
		.n_pieces = sizeof(pieces) / sizeof(pieces[0]),
	};

	packet_write(emission->writer, emission->stream, &packet);
	if (frame_unacknowledged(emission->stream->frames, segment->direction) >= ACK_EVERY)
		write_frame(emission, FRAME_ACK, opposite(segment->direction), NOTE_FRAME);
}

/* Looks once, before the first frame: the fabricated handshake names the protocol. */
static void look_for_h2(struct emission *emission, const uint8_t *bytes, size_t length)
{
	struct stream *stream = emission->stream;

	if (stream->state != STREAM_NEW || stream->info->alpn[0])
		return;
	if (!flow_is_h2(bytes, length, stream->info->established_ns != 0))
		return;
	stream->h2_seen = true;
	if (!comment_make(stream))
		packet_fail(emission->writer, -ENOMEM);
}

static void write_view_open(struct emission *emission)
{
	struct stream *stream = emission->stream;
	struct conversation_info info = *stream->info;

	if (stream->h2_seen)
		memcpy(info.alpn, "h2", sizeof("h2"));
	emission->note = NOTE_HANDSHAKE;
	view_open(stream->view, &info, write_segment, emission);
	emission->note = NOTE_HTTP2;
	if (stream->begins_again)
		follow_resume(stream, write_segment, emission);
	stream->view_open = true;
}

/* A note, and the name of a file if there is one; hostile names do no harm. */
static const char *note_file(char note[NOTE_MAX], const char *words, const char *key,
			     const char *name)
{
	char clean[3 * 256];

	if (!name)
		return words;
	pcapng_clean_text(clean, sizeof(clean), name, strlen(name));
	snprintf(note, NOTE_MAX, "%s%s=%s;", words, key, clean);
	return note;
}

/* The three frames of TCP's handshake, at the times that they had. */
static void write_handshake(struct emission *emission, const char *note, uint64_t syn,
			    uint64_t established)
{
	struct stream *stream = emission->stream;
	enum tlspcap_direction client = local_is_server(stream) ? TLSPCAP_RECEIVED : TLSPCAP_SENT;
	uint64_t now = emission->time_ns;

	emission->time_ns = syn;
	write_frame(emission, FRAME_SYN, client, note);
	emission->time_ns = established;
	write_frame(emission, FRAME_SYN_ACK, opposite(client), note);
	write_frame(emission, FRAME_ACK, client, note);
	emission->time_ns = now;
}

static void start(struct emission *emission)
{
	struct stream *stream = emission->stream;
	uint64_t now = emission->time_ns;
	uint64_t established = stream->info->established_ns;
	uint64_t syn = stream->info->syn_ns;
	bool again = stream->state != STREAM_NEW;
	const char *words = stream->state == STREAM_LEFT ? NOTE_NEW_FILE : NOTE_GAP;
	char note[NOTE_MAX];

	if (again)
		frame_stream_restart(stream->frames);
	if (stream->state == STREAM_LEFT)
		stream->not_before_ns = stream->last_ns + 1;
	stream->begins_again = again;
	if (again && !stream->headers_lost && !follow_is_whole(stream)) {
		stream->headers_lost = true;
		if (!comment_make(stream))
			packet_fail(emission->writer, -ENOMEM);
	}
	if (again || !established || established > now)
		established = now;
	if (again || !syn || syn > established)
		syn = established;
	list_move(&stream->section->streams, &stream->of_section);
	secrets_need(emission->writer, stream);
	write_handshake(emission,
			again ? note_file(note, words, "previous", stream->previous) : NOTE_FRAME,
			syn, established);
	free(stream->previous);
	stream->previous = NULL;
	stream->state = STREAM_OPEN;
	stream->view_open = false;
	stream->ended = false;
}

static void write_records(struct emission *emission, enum tlspcap_direction direction,
			  const uint8_t *head, size_t head_length, const uint8_t *bytes,
			  size_t length)
{
	const struct view_segment segment = {
		.direction = direction,
		.head = head,
		.head_length = head_length,
		.body = bytes,
		.body_length = length,
	};

	if (emission->stream->state != STREAM_OPEN)
		start(emission);
	emission->note = NOTE_DATA;
	write_segment(emission, &segment);
}

/* The beginning of a record that waited for its rest goes out alone. */
static void write_carry(struct emission *emission)
{
	struct stream *stream = emission->stream;
	uint64_t now = emission->time_ns;
	size_t length = stream->carry_length;

	if (!length)
		return;
	stream->carry_length = 0;
	emission->time_ns = stream->carry_ns;
	write_records(emission, stream->carry_direction, NULL, 0, stream->carry, length);
	emission->time_ns = now;
}

/* Less than a record's body, or a whole ChangeCipherSpec (RFC 5246, 7.1) and no other's body. */
static bool is_carried(const uint8_t *bytes, size_t length)
{
	const size_t header = 5;

	if (length <= header)
		return true;
	/* In a renegotiation it is encrypted, and as long as that makes it. */
	return bytes[0] == 20 && length <= 2 * header + (size_t)(bytes[3] << 8 | bytes[4]);
}

/*
 * Libraries read a record's header first and its body then: two reads, which were one segment
 * on the wire as often as not. A header is kept until its body comes. So is ChangeCipherSpec:
 * Wireshark 4.4 shows the Finished that follows on it only when both are in one frame.
 */
static bool carry(struct emission *emission, enum tlspcap_direction direction, const uint8_t *bytes,
		  size_t length)
{
	struct stream *stream = emission->stream;
	uint8_t joined[sizeof(stream->carry)];
	size_t carried = stream->carry_length;

	if (length > sizeof(joined) - carried)
		return false;
	memcpy(joined, stream->carry, carried);
	memcpy(joined + carried, bytes, length);
	if (!is_carried(joined, carried + length))
		return false;
	memcpy(stream->carry, joined, carried + length);
	stream->carry_length = carried + length;
	stream->carry_direction = direction;
	if (!carried)
		stream->carry_ns = emission->time_ns;
	return true;
}

/*
 * Bytes are missing: nothing that follows can stand in the same TCP or TLS stream. It is
 * reset, from the side whose bytes were lost, and starts over when there is more.
 */
static void break_off(struct emission *emission)
{
	struct stream *stream = emission->stream;
	uint64_t now = emission->time_ns;

	stream->must_break = false;
	write_carry(emission);
	emission->time_ns = stream->break_ns;
	write_frame(emission, FRAME_RST, stream->break_direction, NOTE_FRAME);
	emission->time_ns = now;
	stream->state = STREAM_BROKEN;
}

/*
 * Plaintext in place of records, from here on. They do not go together in one stream, also
 * where nothing was lost between them: a library without secrets may tell its plaintext late.
 */
static void leave_records(struct emission *emission, enum tlspcap_direction direction)
{
	struct stream *stream = emission->stream;

	if (stream->state == STREAM_OPEN) {
		stream->break_direction = direction;
		stream->break_ns = emission->time_ns;
		break_off(emission);
	}
	stream->view = plaintext_view(emission->writer, stream->info);
	if (!comment_make(stream))
		packet_fail(emission->writer, -ENOMEM);
}

void stream_data(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		 uint64_t time_ns, const uint8_t *bytes, size_t length, unsigned int flags)
{
	struct emission emission = {
		.writer = ctx,
		.stream = conversation_user(conversation),
		.time_ns = time_ns,
	};
	struct stream *stream = emission.stream;

	(void)flags; /* early data is data like any other in the views that there are */
	if (!stream)
		return;
	if (emission.writer->sealed) {
		emission.writer->counts.withheld += length;
		return;
	}
	section_turn(emission.writer, stream->section, time_ns);
	look_for_h2(&emission, bytes, length);
	if (stream->must_break)
		break_off(&emission);
	if (stream->state == STREAM_LEFT)
		stream->carry_length = 0; /* of a record that comes as plaintext */
	write_carry(&emission);
	if (stream->view == VIEW_TLS)
		leave_records(&emission, direction);
	if (stream->state != STREAM_OPEN)
		start(&emission);
	if (!stream->view_open)
		write_view_open(&emission);
	emission.note = NOTE_DATA;
	view_data(stream->view, direction, bytes, length, write_segment, &emission);
	follow_data(emission.writer, stream, direction, bytes, length);
}

void stream_records(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		    uint64_t time_ns, const uint8_t *bytes, size_t length)
{
	struct emission emission = {
		.writer = ctx,
		.stream = conversation_user(conversation),
		.time_ns = time_ns,
	};
	struct stream *stream = emission.stream;
	size_t carried;

	if (!stream)
		return;
	/* Between records that were held for the same secrets there is no new file. */
	if (!conversation_is_settling(conversation))
		section_turn(emission.writer, stream->section, time_ns);
	if (stream->state == STREAM_LEFT && conversation_want_plaintext(conversation, direction))
		return;
	if (stream->must_break)
		break_off(&emission);
	if (stream->carry_length && stream->carry_direction != direction)
		write_carry(&emission);
	if (carry(&emission, direction, bytes, length))
		return;
	carried = stream->carry_length;
	stream->carry_length = 0;
	write_records(&emission, direction, stream->carry, carried, bytes, length);
}

void stream_gap(void *ctx, struct conversation *conversation, enum tlspcap_direction direction,
		uint64_t time_ns, uint64_t length, enum tlspcap_loss reason)
{
	struct stream *stream = conversation_user(conversation);

	(void)ctx;
	if (!stream)
		return;
	if (!stream->lost_gaps)
		stream->lost_reason = reason;
	stream->lost_gaps++;
	stream->lost_bytes += length;
	stream->lost_unknown |= length == 0;
	follow_lose(stream, direction);
	if ((stream->state != STREAM_OPEN && !stream->carry_length) || stream->must_break)
		return;
	/* Several gaps in a row are one break. */
	stream->must_break = true;
	stream->break_direction = direction;
	stream->break_ns = time_ns;
}

static void write_fin(struct emission *emission, enum tlspcap_direction direction, const char *note)
{
	emission->note = NOTE_ALERT;
	if (emission->stream->view_open)
		view_close(emission->stream->view, direction, write_segment, emission);
	write_frame(emission, FRAME_FIN, direction, note);
}

static void write_fins(struct emission *emission, enum tlspcap_direction first, const char *note)
{
	write_fin(emission, first, note);
	write_fin(emission, opposite(first), note);
	write_frame(emission, FRAME_ACK, first, note);
}

/* The capture ends, the connection does not: what was sent has arrived all the same. */
static void write_last_acks(struct emission *emission)
{
	for (int i = 0; i < 2; i++) {
		enum tlspcap_direction direction = i ? TLSPCAP_RECEIVED : TLSPCAP_SENT;

		if (frame_unacknowledged(emission->stream->frames, direction))
			write_frame(emission, FRAME_ACK, opposite(direction), NOTE_FRAME);
	}
}

static void write_end(struct emission *emission, enum conversation_end end)
{
	switch (end) {
	case CONVERSATION_END_NONE:
		write_last_acks(emission);
		break;
	case CONVERSATION_END_LOCAL:
		write_fins(emission, TLSPCAP_SENT, NOTE_FRAME);
		break;
	case CONVERSATION_END_REMOTE:
		write_fins(emission, TLSPCAP_RECEIVED, NOTE_FRAME);
		break;
	case CONVERSATION_END_UNSEEN:
		write_fins(emission, TLSPCAP_SENT, NOTE_NOT_SEEN);
		break;
	case CONVERSATION_END_LOCAL_HALF:
		write_fin(emission, TLSPCAP_SENT, NOTE_FRAME);
		write_last_acks(emission);
		break;
	case CONVERSATION_END_REMOTE_HALF:
		write_fin(emission, TLSPCAP_RECEIVED, NOTE_FRAME);
		write_last_acks(emission);
		break;
	case CONVERSATION_END_RESET:
		/* Which side sent it is not known. */
		write_frame(emission, FRAME_RST, TLSPCAP_RECEIVED, NOTE_FRAME);
		break;
	}
}

/*
 * A file has no memory of what came before it: what was open in it begins anew in the next.
 * At the time of its last frame: events that are older than this moment may still come, and
 * the set has to be in order.
 */
void stream_leave(struct writer *writer, struct stream *stream, const char *next)
{
	struct emission emission = {.writer = writer, .stream = stream};
	const struct section *section = stream->section;
	enum conversation_end end;
	char note[NOTE_MAX];

	emission.time_ns = stream->last_ns;
	if (stream->must_break)
		break_off(&emission);
	list_remove(&stream->of_section);
	free(stream->previous);
	stream->previous = strdup(section->file->name);
	if (stream->state != STREAM_OPEN)
		return;
	if (conversation_has_ended(stream->conversation, &end)) {
		write_carry(&emission);
		write_end(&emission, end);
		stream->ended = true;
	} else {
		stream->view_open = false;
		write_fins(&emission, TLSPCAP_SENT, note_file(note, NOTE_GOES_ON, "next", next));
	}
	stream->state = STREAM_LEFT;
}

void stream_close(void *ctx, struct conversation *conversation, enum conversation_end end,
		  uint64_t time_ns)
{
	struct emission emission = {
		.writer = ctx,
		.stream = conversation_user(conversation),
		.time_ns = time_ns,
	};
	struct stream *stream = emission.stream;

	if (!stream)
		return;
	section_turn(emission.writer, stream->section, time_ns);
	if (stream->must_break)
		break_off(&emission);
	if (stream->state == STREAM_LEFT)
		stream->carry_length = 0;
	write_carry(&emission);
	if (stream->state == STREAM_NEW) {
		start(&emission);
		write_view_open(&emission);
	}
	/* Where it left the file before, its end is worth a word in this one. */
	if (stream->state == STREAM_LEFT && !stream->ended && end != CONVERSATION_END_NONE)
		start(&emission);
	if (stream->state == STREAM_OPEN)
		write_end(&emission, end);
	conversation_set_user(conversation, NULL);
	free_stream(ctx, stream);
}
