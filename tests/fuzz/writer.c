/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Any bytes as events, through conversations and the writer into files in memory, which
 * must be well-formed pcapng in the end: section header, whole blocks, lengths that agree.
 *
 * The input's first byte chooses the view, the second one how files follow one another; then come
 * commands. Secrets and handshakes are
 * those of one real exchange, made once, so that all of the path is reached.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <tests/support/require.h>
#include <tests/support/stream.h>
#include <tlspcap/conversation.h>
#include <tlspcap/writer.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define SOCKETS 8

struct feeding {
	struct conversations *all;
	struct events events;
	struct stream_end ends[SOCKETS];
	size_t at[SOCKETS]; /* the exchange's next event */
	const struct exchange *exchange;
};

static void take(void *ctx, const struct tlspcap_event *event)
{
	conversations_feed(((struct feeding *)ctx)->all, event);
}

static const struct exchange *exchange_of(uint8_t choice)
{
	static const struct exchange_setup setups[] = {
		{.version = TLS1_3_VERSION, .bytes = 3000},
		{.version = TLS1_2_VERSION, .bytes = 3000, .renegotiate = 1},
		{.version = TLS1_3_VERSION, .bytes = 500, .resume = true, .early = EXCHANGE_EARLY},
	};
	static struct exchange *made[3];

	choice %= 3;
	if (!made[choice])
		made[choice] = exchange_run(&setups[choice]);
	return made[choice];
}

static struct tlspcap_socket socket_of(uint8_t number, uint8_t how)
{
	static const uint16_t ports[] = {443, 8080, 25, 9443};
	struct tlspcap_socket socket = events_socket_default();

	if (how & 1)
		socket = stream_socket_server();
	if (how & 2)
		socket.netns += number;
	if (how & 4)
		socket.established_ns = socket.syn_ns = 1000;
	*(how & 1 ? &socket.local_port : &socket.remote_port) = ports[how >> 4 & 3];
	*(how & 1 ? &socket.remote_port : &socket.local_port) = (uint16_t)(1000 + (number & 3));
	return socket;
}

/* One command: a verb, a socket, an argument, and bytes for some. */
static size_t command(struct feeding *f, const uint8_t *input, size_t size)
{
	uint8_t number = input[1] % SOCKETS, argument = input[2];
	struct stream_end *end = &f->ends[number];
	enum tlspcap_direction direction = argument & 1;
	size_t length = argument >> 1 < size - 3 ? argument >> 1 : size - 3;
	struct tlspcap_socket socket;

	switch (input[0] % 12) {
	case 0:
		socket = socket_of(number, argument);
		stream_open_end(end, &f->events, 100 + number, &socket);
		f->at[number] = 0;
		break;
	case 1: /* the exchange goes on */
		for (; argument && f->at[number] < f->exchange->event_count; argument--) {
			const struct exchange_event *event = &f->exchange->events[f->at[number]++];

			if (event->side < 0)
				stream_secret(&f->events, number,
					      &f->exchange->secrets[event->offset]);
			else
				stream_bytes(end, stream_direction(end, event->side),
					     f->exchange->wire[event->side] + event->offset,
					     event->length);
		}
		break;
	case 2:
		stream_bytes(end, direction, input + 3, length);
		return 3 + length;
	case 3:
		stream_lose(end, direction, argument >> 1);
		break;
	case 4:
		end->offset[direction] += argument;
		break;
	case 5:
		stream_stop(end);
		break;
	case 6:
		events_state(&f->events, end->sock, argument & 15, argument >> 4);
		break;
	case 7:
		f->events.now += (uint64_t)argument << 25;
		events_clock(&f->events, 1700000000000000000);
		break;
	case 8:
		events_open(&f->events, number, 100, "fuzz");
		socket = socket_of(number, argument);
		events_socket(&f->events, number, 100 + number, argument & 8 ? &socket : NULL);
		break;
	case 9:
		if (!length)
			break;
		events_bytes(&f->events, number, direction, f->events.offset[number][direction],
			     input + 3, length);
		return 3 + length;
	case 10:
		events_gap(&f->events, number, direction, f->events.offset[number][direction],
			   argument >> 1, TLSPCAP_LOSS_FAULT);
		break;
	case 11:
		if (argument & 1)
			events_close(&f->events, number);
		else
			stream_secrets(&f->events, number, f->exchange);
		break;
	}
	return 3;
}

static uint32_t word_at(const uint8_t *bytes)
{
	uint32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static void check_blocks(const uint8_t *bytes, size_t size)
{
	require(size >= 28 && word_at(bytes) == 0x0a0d0d0a);
	while (size) {
		uint32_t length;

		require(size >= 12);
		length = word_at(bytes + 4);
		require(length >= 12 && length % 4 == 0 && length <= size);
		require(word_at(bytes + length - 4) == length);
		bytes += length;
		size -= length;
	}
}

static void check_file(const char *folder, const char *name)
{
	char path[512];
	struct stat status;
	void *file;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	require(fd >= 0 && !unlink(path) && !fstat(fd, &status) && status.st_size > 0);
	file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	require(file != MAP_FAILED);
	check_blocks(file, (size_t)status.st_size);
	munmap(file, (size_t)status.st_size);
	close(fd);
}

/* All files of the folder, and nothing is left of it. */
static void check_files(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t n = 0;

	require(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		check_file(folder, entry->d_name);
		n++;
	}
	closedir(dir);
	require(n > 0 && !rmdir(folder));
}

static void set_rules(struct files_rules *rules, uint8_t how)
{
	rules->packets = how & 7;
	rules->bytes = (uint64_t)(how >> 3 & 3) * 700;
	rules->duration_ns = (uint64_t)(how >> 5 & 1) * 100000000;
	rules->keep = how & 0x40 && how & 0x3f ? 2 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static const enum view_kind views[] = {VIEW_AUTO, VIEW_TLS, VIEW_NULL_TLS, VIEW_PLAIN};
	const struct conversation_limits limits = {
		.objects = 6, .held_bytes = 20000, .held_bytes_each = 15000, .secrets = 64};
	char folder[64], path[96], *why;
	struct writer_options options = {
		.path = path,
		.view = size ? views[input[0] & 3] : VIEW_AUTO,
		.application = "fuzz",
		.no_secrets = size > 1 && input[1] & 0x80,
	};
	struct feeding f = {.exchange = exchange_of(size ? input[0] >> 2 : 0)};
	struct writer *writer;

	snprintf(folder, sizeof(folder), "/dev/shm/tlspcap-fuzz-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/out", folder);
	require(!mkdir(folder, 0700));
	if (size > 1)
		set_rules(&options.rules, input[1]);
	require(!writer_open(&options, &writer, &why));
	f.all = conversations_new(&limits, writer_sink(writer));
	require(f.all);
	events_init(&f.events, take, &f);
	for (uint8_t i = 0; i < SOCKETS; i++)
		stream_begin(&f.ends[i], &f.events, 100u + i, NULL);
	while (size > 4) {
		size_t taken = command(&f, input + 1, size - 1);

		input += taken;
		size -= taken;
	}
	conversations_finish(f.all);
	require(!writer_close(writer, NULL));
	check_files(folder);
	conversations_free(f.all);
	return 0;
}
