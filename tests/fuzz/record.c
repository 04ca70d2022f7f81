/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Recordings are input: whatever bytes, only whole and aligned events are delivered. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tests/support/require.h>
#include <tlspcap/record.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touches the last byte that the event claims to have. */
static void take(void *ctx, const struct tlspcap_event *event)
{
	uint64_t *sum = ctx;

	require(event->size >= sizeof(*event) && (uintptr_t)event % 8 == 0);
	*sum += ((const uint8_t *)event)[event->size - 1];
}

static void read_recording(int fd)
{
	char *why = (char *)1;
	uint64_t sum = 0;
	int error;

	require(lseek(fd, 0, SEEK_SET) == 0);
	error = record_read(fd, take, &sum, &why);
	require(error <= 0 && (error == 0) == (why == NULL));
	free(why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t header[16] = "TLSPREC\n\1";
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	/* As it is, and behind a good header, which a fuzzer need not find again and again. */
	for (int with_header = 0; with_header < 2; with_header++) {
		require(!ftruncate(fd, 0) && lseek(fd, 0, SEEK_SET) == 0);
		require(!with_header || write(fd, header, sizeof(header)) == sizeof(header));
		require(write(fd, data, size) == (ssize_t)size);
		read_recording(fd);
	}
	return 0;
}
