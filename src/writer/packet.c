/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* From frames, names and secrets to blocks in the file. */
#include <errno.h>
#include <stdio.h>
#include <writer/internal.h>

/* Of a block besides its strings; pcapng may make three bytes of each of theirs. */
#define BLOCK_OVERHEAD 256

void packet_fail(struct writer *writer, ssize_t error)
{
	if (!writer->error)
		writer->error = (int)error;
}

void packet_fail_file(struct writer *writer, const char *name, ssize_t error)
{
	if (!writer->error && error &&
	    asprintf(&writer->why, "%s: %s", strcmp(name, "-") ? name : "standard output",
		     strerror((int)-error)) < 0)
		writer->why = NULL;
	packet_fail(writer, error);
}

static void commit(struct writer *writer, struct section *section, size_t length)
{
	const struct files_rules *rules = &writer->options.rules;

	/* A section header alone is no file for libpcap. */
	if (output_bytes(section->file->output))
		output_commit(section->file->output, length);
	else
		output_commit_with_next(section->file->output, length);
	writer->counts.bytes += length;
	if (rules->stop_bytes && writer->counts.bytes >= rules->stop_bytes)
		writer->finished = true;
}

static size_t string_room(const char *text)
{
	return text ? 3 * strlen(text) + 8 : 0;
}

/* Builds a block of its own; `put` gives its length or a negative errno. */
#define PUT_BLOCK(writer, section, room, put)                                                      \
	do {                                                                                       \
		struct output *output_ = (section)->file->output;                                  \
		size_t room_ = (room);                                                             \
		uint8_t *out = output_reserve(output_, room_);                                     \
		ssize_t length_ = out ? (put) : 0;                                                 \
                                                                                                   \
		if (!out)                                                                          \
			packet_fail_file(writer, (section)->file->name, output_error(output_));    \
		else if (length_ > 0)                                                              \
			commit(writer, section, (size_t)length_);                                  \
		else                                                                               \
			packet_fail(writer, length_ ? length_ : -EIO);                             \
	} while (0)

#define ABOUT                                                                                      \
	"Holds decrypted traffic%s. TCP/IP headers are made up from the sockets' addresses; each " \
	"packet's comment says what is."

void packet_write_section(struct writer *writer, struct section *section)
{
	struct pcapng_section block = {
		.hardware = writer->hardware,
		.os = writer->os,
		.application = writer->application,
	};
	const char *secrets = writer->options.no_secrets ? "" : " and TLS secrets";
	char *comment = NULL;
	size_t room;
	int length;

	if (writer->sealed)
		length = asprintf(&comment, "Holds TLS records, neither decrypted nor with their "
					    "secrets.");
	else if (section->previous)
		length = asprintf(&comment, ABOUT " File %u of its set; before it: %s", secrets,
				  section->file->number, section->previous);
	else
		length = asprintf(&comment, ABOUT, secrets);
	if (length < 0) {
		packet_fail(writer, -ENOMEM);
		return;
	}
	block.comment = comment;
	room = BLOCK_OVERHEAD + string_room(block.hardware) + string_room(block.os) +
	       string_room(block.application) + string_room(block.comment);
	PUT_BLOCK(writer, section, room, pcapng_put_section(out, room_, &block));
	free(comment);
}

static void lines_are_written(struct writer *writer, struct section *section)
{
	writer->counts.secrets += section->n_lines;
	section->lines_length = 0;
	section->n_lines = 0;
}

void packet_write_secrets(struct writer *writer, struct section *section)
{
	if (!section->lines_length || !section->file)
		return;
	PUT_BLOCK(writer, section, section->lines_length + BLOCK_OVERHEAD,
		  pcapng_put_secrets(out, room_, section->lines, section->lines_length));
	lines_are_written(writer, section);
}

static void write_no_interface(struct writer *writer, struct section *section)
{
	const struct pcapng_interface interface = {
		.name = "none",
		.description = "nothing was captured",
		.filter = writer->filter_text,
	};

	PUT_BLOCK(writer, section, BLOCK_OVERHEAD + string_room(writer->filter_text),
		  pcapng_put_interface(out, room_, &interface));
}

void packet_write_end(struct writer *writer, struct section *section)
{
	/* Secrets that no frame of this file came after are in the next one, with theirs. */
	if (files_are_sets(writer->files) && !writer->closing)
		section->lines_length = section->n_lines = 0;
	if (!section->n_interfaces)
		write_no_interface(writer, section);
	packet_write_secrets(writer, section);
	for (uint32_t i = 0; i < section->n_interfaces && !writer->error; i++) {
		const struct written_interface *written = &section->interfaces[i];
		const struct pcapng_statistics statistics = {
			.interface = i,
			.time_ns = written->end_ns,
			.start_ns = written->start_ns,
			.end_ns = written->end_ns,
			.received = written->packets,
			.dropped = written->lost,
		};

		PUT_BLOCK(writer, section, BLOCK_OVERHEAD,
			  pcapng_put_statistics(out, room_, &statistics));
	}
}

/*
 * Whether the interface is in the section's file, and then its number. An interface is in one
 * file at a time, but when network namespaces are what separates them.
 */
static bool interface_is_written(const struct section *section, struct interface *interface)
{
	if (interface->file == section->serial)
		return true;
	for (uint32_t i = 0; i < section->n_interfaces; i++) {
		if (section->interfaces[i].interface != interface)
			continue;
		interface->file = section->serial;
		interface->index = i;
		return true;
	}
	return false;
}

static bool process_is_written(const struct section *section, const struct process_name *process)
{
	return !process || process->file == section->serial;
}

/*
 * The blocks that this packet needs before it. Interfaces come first: mergecap 4.0 wants one
 * before anything else in a file.
 */
static size_t prelude_room(const struct writer *writer, const struct stream *stream)
{
	size_t room = 0;

	if (!interface_is_written(stream->section, stream->interface))
		room += BLOCK_OVERHEAD + string_room(stream->interface->name) +
			string_room(stream->interface->description) +
			string_room(writer->filter_text);
	if (!process_is_written(stream->section, stream->process))
		room += BLOCK_OVERHEAD + 3 * TLSPCAP_COMM_LEN;
	if (stream->section->lines_length)
		room += BLOCK_OVERHEAD + stream->section->lines_length;
	return room;
}

/* Their length, or negative errno. */
static ssize_t put_prelude(const struct writer *writer, const struct stream *stream, uint8_t *out,
			   size_t room)
{
	const struct section *section = stream->section;
	const struct pcapng_interface interface = {
		.name = stream->interface->name,
		.description = stream->interface->description,
		.filter = writer->filter_text,
	};
	ssize_t length = 0, more = 0;

	if (!interface_is_written(section, stream->interface))
		length = pcapng_put_interface(out, room, &interface);
	if (length >= 0 && !process_is_written(section, stream->process))
		more = pcapng_put_process(out + length, room - (size_t)length, stream->process->pid,
					  stream->process->comm);
	if (length < 0 || more < 0)
		return length < 0 ? length : more;
	length += more;
	if (!section->lines_length)
		return length;
	more = pcapng_put_secrets(out + length, room - (size_t)length, section->lines,
				  section->lines_length);
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
	struct section *section = stream->section;
	struct written_interface *written = &section->interfaces[stream->interface->index];

	writer->counts.packets++;
	section->packets++;
	stream->last_ns = time_ns;
	if (!written->packets++ || time_ns < written->start_ns)
		written->start_ns = time_ns;
	if (time_ns > written->end_ns)
		written->end_ns = time_ns;
	written->lost += stream->lost_gaps;
	stream->lost_gaps = 0;
	stream->lost_bytes = 0;
	stream->lost_unknown = false;
}

static bool number_interface(struct section *section, struct interface *interface)
{
	struct written_interface *grown = section->interfaces;
	uint32_t room = section->interfaces_room;

	if (section->n_interfaces == room) {
		room = room ? 2 * room : 4;
		grown = reallocarray(grown, room, sizeof(*grown));
		if (!grown)
			return false;
		section->interfaces = grown;
		section->interfaces_room = room;
	}
	grown[section->n_interfaces] = (struct written_interface){.interface = interface};
	interface->references++; /* the stream has one already: it is not idle */
	interface->file = section->serial;
	interface->index = section->n_interfaces++;
	return true;
}

/* What is in the prelude is in the file now. False without memory. */
static bool number_names(struct writer *writer, struct stream *stream)
{
	struct section *section = stream->section;

	lines_are_written(writer, section);
	if (!interface_is_written(section, stream->interface) &&
	    !number_interface(section, stream->interface))
		return false;
	if (!process_is_written(section, stream->process)) {
		stream->process->file = section->serial;
		stream->process->index = section->n_processes++;
	}
	return true;
}

static uint64_t time_of(const struct stream *stream, const struct packet *packet)
{
	return packet->time_ns > stream->not_before_ns ? packet->time_ns : stream->not_before_ns;
}

/* Puts header and options around the frame. Its whole length, or negative errno. */
static ssize_t finish_packet(struct stream *stream, const struct packet *packet, uint8_t *out,
			     size_t room, size_t length)
{
	const struct pcapng_packet block = {
		.interface = stream->interface->index,
		.time_ns = time_of(stream, packet),
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
	struct section *section = stream->section;
	size_t comment = stream->comment_length + strlen(packet->note) + COMMENT_ROOM;
	size_t room = PCAPNG_PACKET_ROOM(FRAME_HEADER_MAX, comment);
	ssize_t prelude, block;
	size_t before, length;
	struct output *output;
	uint8_t *out;

	if (writer_done(writer)) {
		writer->counts.discarded++;
		return;
	}
	if (!section_open(writer, section))
		return;
	if (!comment_reserve(stream, strlen(packet->note)))
		return packet_fail(writer, -ENOMEM);
	before = prelude_room(writer, stream);
	for (size_t i = 0; i < packet->n_pieces; i++)
		room += packet->pieces[i].length;
	output = section->file->output;
	out = output_reserve(output, before + room);
	if (!out)
		return packet_fail_file(writer, section->file->name, output_error(output));
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
	commit(writer, section, (size_t)(prelude + block));
	count_packet(writer, stream, time_of(stream, packet));
}
