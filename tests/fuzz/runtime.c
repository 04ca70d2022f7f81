/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* State files of container runtimes: the first byte says of which one. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <target/runtime.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target_container container = {.id = "0123"};
	struct runtime_process process;
	char pairs[512];

	if (!size)
		return 0;
	runtime_parse((enum runtime_kind)(data[0] % RUNTIME_KINDS), (const char *)data + 1,
		      size - 1, "0123", &container, &process);
	target_container_pairs(&container, pairs, sizeof(pairs));
	if (memchr(container.name, 0, sizeof(container.name)) == NULL ||
	    memchr(pairs, 0, sizeof(pairs)) == NULL || process.pid < 0)
		abort();
	return 0;
}
