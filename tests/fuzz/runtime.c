/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* State files of container runtimes, and paths of control groups: the first byte says of which. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <target/path.h>
#include <target/runtime.h>
#include <tests/support/require.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_path(const uint8_t *data, size_t size)
{
	struct target_container container;
	struct container_path about;
	char *path = malloc(size + 1);

	memcpy(path, data, size);
	path[size] = '\0';
	require(!container_path_parse(path, &container, &about) || container.id[0]);
	for (const char *c = container.id; *c; c++)
		require(*c >= ' ' && *c <= '~');
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target_container container = {.id = "0123"};
	struct runtime_process process;
	char pairs[512];

	if (!size)
		return 0;
	if (data[0] % (RUNTIME_KINDS + 1) == RUNTIME_KINDS) {
		parse_path(data + 1, size - 1);
		return 0;
	}
	runtime_parse((enum runtime_kind)(data[0] % (RUNTIME_KINDS + 1)), (const char *)data + 1,
		      size - 1, "0123", &container, &process);
	target_container_pairs(&container, pairs, sizeof(pairs));
	require(memchr(container.name, 0, sizeof(container.name)));
	require(memchr(pairs, 0, sizeof(pairs)) && process.pid >= 0);
	return 0;
}
