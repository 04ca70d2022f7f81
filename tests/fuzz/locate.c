/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Any bytes as an ELF file. Worth a real libssl as seed. */
#include <stdlib.h>
#include <string.h>
#include <tests/support/require.h>
#include <tlspcap/locate.h>

#define RESULTS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct locate_result *result, size_t size)
{
	require(result->family && result->n_probes <= LOCATE_PROBES_MAX);
	require(!result->secrets || result->layout.client_random.steps);
	for (size_t i = 0; i < result->n_probes; i++) {
		require(result->probes[i].offset < size);
		require(result->probes[i].function && result->probes[i].when);
		require(memchr(result->probes[i].name, '\0', sizeof(result->probes[i].name)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct locate_result results[RESULTS_MAX];
	int n = locate_image(data, size, results, RESULTS_MAX);

	require(n <= RESULTS_MAX);
	for (int i = 0; i < n; i++)
		check(&results[i], size);
	return 0;
}
