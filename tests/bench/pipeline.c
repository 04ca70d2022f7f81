/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * How fast conversation and writer take events, to /dev/null, against memcpy of the same
 * bytes: with one conversation, and with so many that nothing of them stays in a cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <tlspcap/writer.h>

union data_event {
	struct tlspcap_data data;
	uint8_t room[sizeof(struct tlspcap_data) + TLSPCAP_CHUNK];
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void connect_all(struct conversations *all, uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++) {
		const struct tlspcap_socket socket = {
			.event = {.size = sizeof(socket),
				  .type = TLSPCAP_EVENT_SOCKET,
				  .tls_id = i,
				  .sock_id = i,
				  .pid = 100,
				  .mntns = 1},
			.family = AF_INET,
			.protocol = IPPROTO_TCP,
			.local_port = (uint16_t)(1024 + i % 60000),
			.remote_port = 443,
			.role = TLSPCAP_ROLE_CLIENT,
			.local = {10, 0, 0, 1},
			.remote = {10, 0, 1, 1},
		};

		conversations_feed(all, &socket.event);
	}
}

static double feed(struct conversations *all, union data_event *event, uint64_t n, uint64_t events,
		   uint32_t length)
{
	double start = seconds();

	event->data.length = length;
	event->data.event.size = (uint32_t)sizeof(event->data) + length;
	event->data.event.type = TLSPCAP_EVENT_DATA;
	for (uint64_t i = 0; i < events; i++) {
		event->data.event.tls_id = 1 + i % n;
		event->data.event.time_ns = i;
		event->data.offset = i / n * length;
		conversations_feed(all, &event->data.event);
	}
	return seconds() - start;
}

static double copy(const union data_event *event, uint64_t events, uint32_t length)
{
	static uint8_t ring[1 << 20];
	double start = seconds();

	for (uint64_t i = 0; i < events; i++) {
		memcpy(ring + i * length % (sizeof(ring) - TLSPCAP_CHUNK), event->data.bytes,
		       length);
		__asm__ volatile("" : : "r"(ring) : "memory");
	}
	return seconds() - start;
}

static void measure(uint64_t conversations, uint64_t events, uint32_t length, enum view_kind view)
{
	static union data_event event;
	const struct writer_options options = {.path = "/dev/null", .view = view};
	struct conversations *all;
	struct writer *writer;
	double taken, copied;
	char *why;

	if (writer_open(&options, &writer, &why)) {
		fprintf(stderr, "pipeline: %s\n", why);
		exit(1);
	}
	all = conversations_new(NULL, writer_sink(writer));
	if (!all) {
		fputs("pipeline: no memory\n", stderr);
		exit(1);
	}
	connect_all(all, conversations);
	taken = feed(all, &event, conversations, events, length);
	copied = copy(&event, events, length);
	printf("%-8s %6llu conversations, %5u bytes: %9.0f events/s %7.0f MB/s, memcpy x %.1f\n",
	       view_name(view), (unsigned long long)conversations, length, (double)events / taken,
	       (double)events * length / taken / 1e6, taken / copied);
	conversations_finish(all);
	conversations_free(all);
	if (writer_close(writer, NULL)) {
		fputs("pipeline: writing failed\n", stderr);
		exit(1);
	}
}

int main(void)
{
	static const uint64_t conversations[] = {1, 1000, 50000};
	static const uint32_t lengths[] = {200, TLSPCAP_CHUNK};
	static const enum view_kind views[] = {VIEW_PLAIN, VIEW_NULL_TLS};

	for (size_t v = 0; v < 2; v++)
		for (size_t l = 0; l < 2; l++)
			for (size_t c = 0; c < 3; c++)
				measure(conversations[c], 500000, lengths[l], views[v]);
	return 0;
}
