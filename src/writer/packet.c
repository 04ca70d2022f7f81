/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* From frames, names and secrets to blocks in the file. */
#include <errno.h>
#include <writer/internal.h>

/* Of a block besides its strings; pcapng may make three bytes of each of theirs. */
#define BLOCK_OVERHEAD 256

void packet_fail(struct writer *writer, ssize_t error)
{
	if (!writer->error)
		writer->error = (int)error;
}

static void commit(struct writer *writer, size_t length)
{
	output_commit(writer->output, length);
	writer->counts.bytes = output_bytes(writer->output);
}

static size_t string_room(const char *text)
{
	return text ? 3 * strlen(text) + 8 : 0;
}

/* Builds a block of its own; `put` gives its length or a negative errno. */
#define PUT_BLOCK(writer, room, put)                                                               \
	do {                                                                                       \
		size_t room_ = (room);                                                             \
		uint8_t *out = output_reserve((writer)->output, room_);                            \
		ssize_t length_ = out ? (put) : output_error((writer)->output);                    \
                                                                                                   \
		if (length_ > 0)                                                                   \
			commit(writer, (size_t)length_);                                           \
		else                                                                               \
			packet_fail(writer, length_ ? length_ : -EIO);                             \
	} while (0)

void packet_write_section(struct writer *writer, const struct writer_options *options)
{
	const struct pcapng_section section = {
		.hardware = options->hardware,
		.os = options->os,
		.application = options->application,
		.comment = "Holds decrypted traffic and TLS secrets. TCP/IP headers are made up "
			   "from the sockets' addresses; each packet's comment says what is.",
	};
	size_t room = BLOCK_OVERHEAD + string_room(section.hardware) + string_room(section.os) +
		      string_room(section.application) + string_room(section.comment);

	PUT_BLOCK(writer, room, pcapng_put_section(out, room_, &section));
}

void packet_write_secrets(struct writer *writer)
{
	if (!writer->lines_length)
		return;
	PUT_BLOCK(writer, writer->lines_length + BLOCK_OVERHEAD,
		  pcapng_put_secrets(out, room_, writer->lines, writer->lines_length));
	writer->counts.secrets += writer->n_lines;
	writer->lines_length = 0;
	writer->n_lines = 0;
}

static void add_to_keylog(struct writer *writer, const char *line, size_t length)
{
	uint8_t *out = output_reserve(writer->keylog, length);

	if (!out)
		return; /* writer_error() asks the key log too */
	memcpy(out, line, length);
	output_commit(writer->keylog, length);
}

void packet_add_secret(struct writer *writer, const struct tlspcap_secret *secret)
{
	char line[PCAPNG_SECRET_LINE_MAX];
	ssize_t length = pcapng_secret_line(line, sizeof(line), secret);

	if (length <= 0)
		return; /* no key log line can say it */
	if (writer->keylog)
		add_to_keylog(writer, line, (size_t)length);
	if (writer_done(writer))
		return;
	if (writer->lines_length + (size_t)length > LINES_MAX)
		packet_write_secrets(writer);
	memcpy(writer->lines + writer->lines_length, line, (size_t)length);
	writer->lines_length += (size_t)length;
	writer->n_lines++;
}

void packet_write_interface(struct writer *writer)
{
	const struct pcapng_interface interface = {
		.name = "none",
		.description = "nothing was captured",
		.filter = writer->filter_text,
	};

	if (writer->names.n_written || writer_done(writer))
		return;
	PUT_BLOCK(writer, BLOCK_OVERHEAD + string_room(writer->filter_text),
		  pcapng_put_interface(out, room_, &interface));
}

void packet_write_statistics(struct writer *writer)
{
	for (size_t i = 0; i < writer->names.n_written; i++) {
		const struct interface *interface = writer->names.written[i];
		const struct pcapng_statistics statistics = {
			.interface = (uint32_t)i,
			.time_ns = interface->end_ns,
			.start_ns = interface->start_ns,
			.end_ns = interface->end_ns,
			.received = interface->packets,
			.dropped = interface->lost,
		};

		PUT_BLOCK(writer, BLOCK_OVERHEAD, pcapng_put_statistics(out, room_, &statistics));
	}
}

static size_t prelude_room(const struct writer *writer, const struct stream *stream)
{
	size_t room = 0;

	if (stream->interface->index < 0)
		room += BLOCK_OVERHEAD + string_room(stream->interface->name) +
			string_room(stream->interface->description) +
			string_room(writer->filter_text);
	if (stream->process && stream->process->index < 0)
		room += BLOCK_OVERHEAD + 3 * TLSPCAP_COMM_LEN;
	return room;
}

/* The blocks that this packet needs before it. Their length, or negative errno. */
static ssize_t put_prelude(const struct writer *writer, const struct stream *stream, uint8_t *out,
			   size_t room)
{
	const struct pcapng_interface interface = {
		.name = stream->interface->name,
		.description = stream->interface->description,
		.filter = writer->filter_text,
	};
	ssize_t length = 0;
	ssize_t more;

	if (stream->interface->index < 0)
		length = pcapng_put_interface(out, room, &interface);
	if (length < 0 || !stream->process || stream->process->index >= 0)
		return length;
	more = pcapng_put_process(out + length, room - (size_t)length, stream->process->pid,
				  stream->process->comm);
	return more < 0 ? more : length + more;
}

static bool accepts(const struct writer *writer, const uint8_t *packet, size_t length)
{
	const struct pcap_pkthdr header = {
		.caplen = (bpf_u_int32)length,
		.len = (bpf_u_int32)length,
	};

	return !writer->filter_text || pcap_offline_filter(&writer->filter, &header, packet);
}

static void count_packet(struct writer *writer, struct stream *stream, uint64_t time_ns)
{
	struct interface *interface = stream->interface;

	writer->counts.packets++;
	if (!interface->packets++ || time_ns < interface->start_ns)
		interface->start_ns = time_ns;
	if (time_ns > interface->end_ns)
		interface->end_ns = time_ns;
	interface->lost += stream->lost_gaps;
	stream->lost_gaps = 0;
	stream->lost_bytes = 0;
	stream->lost_unknown = false;
}

/* The names in the prelude are in the file now. False without memory. */
static bool number_names(struct writer *writer, struct stream *stream)
{
	if (stream->interface->index < 0 && !names_mark_written(&writer->names, stream->interface))
		return false;
	if (stream->process && stream->process->index < 0)
		stream->process->index = writer->names.n_processes_written++;
	return true;
}

/* Puts header and options around the frame. Its whole length, or negative errno. */
static ssize_t finish_packet(struct stream *stream, const struct packet *packet, uint8_t *out,
			     size_t room, size_t length)
{
	const struct pcapng_packet block = {
		.interface = (uint32_t)stream->interface->index,
		.time_ns = packet->time_ns,
		.direction = packet->direction,
		.comment = stream->comment,
		.comment_length = comment_finish(stream, packet->note),
		.dropped = stream->lost_gaps,
		.process = stream->process ? stream->process->index : -1,
	};

	return pcapng_finish_packet(out, room, &block, length);
}

void packet_write(struct writer *writer, struct stream *stream, const struct packet *packet)
{
	size_t room = PCAPNG_PACKET_ROOM(FRAME_HEADER_MAX, stream->comment_length + COMMENT_ROOM);
	size_t before = prelude_room(writer, stream);
	ssize_t prelude, block;
	uint8_t *out;
	size_t length;

	if (writer_done(writer)) {
		writer->counts.discarded++;
		return;
	}
	packet_write_secrets(writer);
	for (size_t i = 0; i < packet->n_pieces; i++)
		room += packet->pieces[i].length;
	out = output_reserve(writer->output, before + room);
	if (!out)
		return packet_fail(writer, output_error(writer->output));
	prelude = before ? put_prelude(writer, stream, out, before) : 0;
	if (prelude < 0)
		return packet_fail(writer, prelude);
	out += prelude;

	length = frame_build(stream->frames, packet->kind, packet->direction, packet->pieces,
			     packet->n_pieces, out + PCAPNG_PACKET_HEADER,
			     room - PCAPNG_PACKET_HEADER);
	if (!length) /* an ACK that says nothing new */
		return;
	if (!accepts(writer, out + PCAPNG_PACKET_HEADER, length)) {
		writer->counts.filtered++;
		return;
	}
	if (before && !number_names(writer, stream))
		return packet_fail(writer, -ENOMEM);
	block = finish_packet(stream, packet, out, room, length);
	if (block < 0)
		return packet_fail(writer, block);
	commit(writer, (size_t)(prelude + block));
	count_packet(writer, stream, packet->time_ns);
}
