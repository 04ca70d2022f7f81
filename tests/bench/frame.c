/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How much a packet costs against copying its payload: frame_build() with checksums, and the
 * pcapng block around it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tlspcap/frame.h>
#include <tlspcap/pcapng.h>

#define BYTES ((size_t)1 << 30) /* for each measurement */

static uint8_t payload[FRAME_PAYLOAD_MAX_V4];
static uint8_t out[PCAPNG_PACKET_ROOM(FRAME_MAX, 64)];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The compiler must not see that nobody reads `out`. */
static void use(void)
{
	__asm__ volatile("" : : "r"(out) : "memory");
}

static double seconds_to_copy(size_t size, size_t times)
{
	double start = now();

	for (size_t i = 0; i < times; i++) {
		memcpy(out, payload, size);
		use();
	}
	return now() - start;
}

/* Negative: a packet was refused. */
static double seconds_to_build(size_t size, size_t times)
{
	static const char comment[] = "pid=1234;comm=curl;container=web;";
	struct frame_flow flow = {.family = 4, .local_port = 40000, .remote_port = 443};
	struct pcapng_packet packet = {
		.comment = comment, .comment_length = sizeof(comment) - 1, .process = 0};
	struct frame_stream *stream = frame_stream_new(&flow);
	struct frame_piece piece = {payload, size};
	double start = now();
	ssize_t block = 0;

	if (!stream)
		return -1;
	for (size_t i = 0; i < times && block >= 0; i++) {
		size_t length = frame_build(stream, FRAME_DATA, i % 2, &piece, 1,
					    out + PCAPNG_PACKET_HEADER, FRAME_MAX);

		block = length ? pcapng_finish_packet(out, sizeof(out), &packet, length) : -1;
		use();
	}
	frame_stream_free(stream);
	return block > 0 ? now() - start : -1;
}

int main(void)
{
	static const size_t sizes[] = {64, 1400, 16384, FRAME_PAYLOAD_MAX_V4};

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t times = BYTES / (sizes[i] + 300);
		double bytes = (double)sizes[i] * (double)times;
		double copy = seconds_to_copy(sizes[i], times);
		double build = seconds_to_build(sizes[i], times);

		if (build < 0) {
			fputs("a packet was refused\n", stderr);
			return 1;
		}
		printf("%5zu bytes: memcpy %6.2f GB/s; packet %6.2f GB/s, %5.0f ns each, "
		       "%.1f times memcpy\n",
		       sizes[i], bytes / copy / 1e9, bytes / build / 1e9,
		       build / (double)times * 1e9, build / copy);
	}
	return 0;
}
