/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The locate stage on real libraries: the system's libssl, and those that
 * TLSPCAP_TEST_LIBS names (a colon-separated list of files).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <bpf/openssl.h>
#include <tlspcap/locate.h>

#define RESULTS_MAX 4
#define SECONDS_MAX 5 /* for one file, with sanitizers, on a slow machine */

struct image {
	uint8_t *bytes;
	size_t size;
};

static const char *const system_files[] = {
	"/usr/lib/x86_64-linux-gnu/libssl.so.3",
	"/lib/x86_64-linux-gnu/libssl.so.3",
	"/usr/lib64/libssl.so.3",
	"/usr/lib/libssl.so.3",
	"/usr/lib/x86_64-linux-gnu/libssl.so.1.1",
};

static bool read_image(const char *file, struct image *image)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		image->size = (size_t)st.st_size;
		image->bytes = malloc(image->size);
		assert_non_null(image->bytes);
		n = read(fd, image->bytes, image->size);
	}
	close(fd);
	return n >= 0 && (size_t)n == image->size;
}

static struct image read_system_library(void)
{
	struct image image = {0};

	for (size_t i = 0; i < sizeof(system_files) / sizeof(system_files[0]); i++) {
		if (read_image(system_files[i], &image))
			return image;
	}
	print_message("skipped: this machine has no libssl in the usual places\n");
	skip();
	return image;
}

static int locate_timed(const struct image *image, struct locate_result *results)
{
	struct timespec start, end;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &start);
	n = locate_image(image->bytes, image->size, results, RESULTS_MAX);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec < SECONDS_MAX);
	return n;
}

static const struct locate_probe *find_probe(const struct locate_result *result, const char *name)
{
	for (size_t i = 0; i < result->n_probes; i++) {
		if (strcmp(result->probes[i].name, name) == 0)
			return &result->probes[i];
	}
	return NULL;
}

static void assert_probe(const struct locate_result *result, const char *name, int function,
			 int when)
{
	const struct locate_probe *probe = find_probe(result, name);

	assert_non_null(probe);
	assert_int_equal(probe->function, function);
	assert_int_equal(probe->when, when);
}

static void assert_openssl(const struct image *image)
{
	const int both = LOCATE_ENTER | LOCATE_LEAVE;
	struct locate_result results[RESULTS_MAX];
	const struct locate_result *result = &results[0];

	assert_int_equal(locate_timed(image, results), 1);
	print_message("  %s: %s; %s\n", result->version, result->plaintext_how,
		      result->secrets_how);
	assert_string_equal(result->family, "openssl");
	assert_true(result->plaintext);
	assert_true(result->secrets);
	assert_in_range(result->layout.client_random.steps, 1, 3);
	/* Of shared libraries, the functions behind SSL_read and SSL_write, and not those. */
	assert_probe(result, "ssl_read_internal", OPENSSL_READ_EX, both);
	assert_non_null(find_probe(result, "ssl_write_internal"));
	assert_null(find_probe(result, "SSL_read"));
	assert_null(find_probe(result, "SSL_write_ex"));
	assert_probe(result, "SSL_peek", OPENSSL_PEEK, both);
	assert_probe(result, "SSL_do_handshake", OPENSSL_HANDSHAKE, both);
	assert_probe(result, "SSL_shutdown", OPENSSL_SHUTDOWN, both);
	assert_probe(result, "SSL_get_servername", OPENSSL_SERVER_NAME, both);
	assert_probe(result, "SSL_free", OPENSSL_FREE, LOCATE_ENTER);
	assert_probe(result, "SSL_ctrl", OPENSSL_CTRL, LOCATE_ENTER);
	assert_probe(result, "ssl_log_secret", OPENSSL_LOG_SECRET, LOCATE_ENTER);
	for (size_t i = 0; i < result->n_probes; i++) {
		assert_true(result->probes[i].offset < image->size);
		for (size_t j = 0; j < i; j++)
			assert_true(result->probes[i].offset != result->probes[j].offset);
	}
}

/* What the headers of each release say; the code itself is what is read. */
static const struct {
	const char *version;
	struct tlspcap_path client_random, server_flag;
} known[] = {
	{"1.1.1", {2, {0xa8, 0xb8}}, {1, {0x38}}},
	{"3.0", {1, {0x160}}, {1, {0x38}}},
	{"3.5", {1, {0x188}}, {1, {0x78}}},
	{"3.6", {1, {0x188}}, {1, {0x78}}},
};

static void assert_layout_as_known(const struct image *image)
{
	struct locate_result results[RESULTS_MAX];

	assert_int_equal(locate_timed(image, results), 1);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(results[0].version, known[i].version, strlen(known[i].version)) != 0)
			continue;
		assert_memory_equal(&results[0].layout.client_random, &known[i].client_random,
				    sizeof(struct tlspcap_path));
		assert_memory_equal(&results[0].layout.server_flag, &known[i].server_flag,
				    sizeof(struct tlspcap_path));
	}
}

static void the_systems_libssl_gives_plaintext_and_secrets(void **state)
{
	struct image image = read_system_library();

	(void)state;
	assert_openssl(&image);
	assert_layout_as_known(&image);
	free(image.bytes);
}

static void each_library_in_the_list_gives_plaintext_and_secrets(void **state)
{
	const char *list = getenv("TLSPCAP_TEST_LIBS");
	char *copy, *file, *rest = NULL;

	(void)state;
	if (!list || !*list) {
		print_message("skipped: TLSPCAP_TEST_LIBS names no files\n");
		skip();
	}
	copy = strdup(list);
	assert_non_null(copy);
	for (file = strtok_r(copy, ":", &rest); file; file = strtok_r(NULL, ":", &rest)) {
		struct image image = {0};

		print_message("%s\n", file);
		assert_true(read_image(file, &image));
		assert_openssl(&image);
		assert_layout_as_known(&image);
		free(image.bytes);
	}
	free(copy);
}

/* Each length in a block of its own, so that a sanitizer sees a read behind the end. */
static void a_truncated_library_is_refused(void **state)
{
	struct image image = read_system_library();
	struct locate_result results[RESULTS_MAX];

	(void)state;
	for (size_t size = 0; size < image.size; size += 64) {
		struct image part = {malloc(size ? size : 1), size};
		int n;

		assert_non_null(part.bytes);
		memcpy(part.bytes, image.bytes, size);
		n = locate_timed(&part, results);
		assert_true(n == 1 || n == (size < 16 ? -ENOEXEC : -EBADMSG));
		free(part.bytes);
	}
	free(image.bytes);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void assert_sane(const struct locate_result *result, size_t size)
{
	assert_true(result->n_probes <= LOCATE_PROBES_MAX);
	assert_true(!result->secrets || result->layout.client_random.steps > 0);
	for (size_t i = 0; i < result->n_probes; i++)
		assert_true(result->probes[i].offset < size);
}

/* Half of the damage goes where the headers and symbols are. */
static void a_damaged_library_does_no_harm(void **state)
{
	struct image image = read_system_library();
	struct locate_result results[RESULTS_MAX];
	uint32_t seed = 20240229;
	uint8_t *sound = malloc(image.size);

	(void)state;
	assert_non_null(sound);
	memcpy(sound, image.bytes, image.size);
	for (int round = 0; round < 400; round++) {
		size_t flips = 1 + next_random(&seed) % 64;
		int n;

		for (size_t i = 0; i < flips; i++) {
			size_t range = i % 2 ? image.size : round % 4 ? 65536 : 1024;

			image.bytes[next_random(&seed) %
				    (range < image.size ? range : image.size)] =
				(uint8_t)next_random(&seed);
		}
		n = locate_timed(&image, results);
		assert_true(n == 0 || n == 1 || n == -ENOEXEC || n == -ENOTSUP || n == -EBADMSG);
		if (n == 1)
			assert_sane(&results[0], image.size);
		memcpy(image.bytes, sound, image.size);
	}
	free(sound);
	free(image.bytes);
}

static void a_library_is_known_by_its_file_name(void **state)
{
	(void)state;
	assert_true(locate_name_is_library("libssl.so"));
	assert_true(locate_name_is_library("libssl.so.3"));
	assert_true(locate_name_is_library("libssl.so.1.1"));
	assert_true(locate_name_is_library("libssl-2d1c9d1c.so.1.1"));
	assert_true(locate_name_is_library("_rust.abi3.so"));
	assert_true(locate_name_is_library("cygrpc.cpython-311-x86_64-linux-gnu.so"));
	assert_false(locate_name_is_library("libssl.a"));
	assert_true(locate_name_is_library("libssl3.so")); /* NSS */
	assert_true(locate_name_is_library("libfreeblpriv3.so"));
	assert_false(locate_name_is_library("libfreebl3.so"));
	assert_false(locate_name_is_library("libcrypto.so.3"));
	assert_false(locate_name_is_library("xlibssl.so.3"));
	assert_false(locate_name_is_library(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_systems_libssl_gives_plaintext_and_secrets),
		cmocka_unit_test(each_library_in_the_list_gives_plaintext_and_secrets),
		cmocka_unit_test(a_truncated_library_is_refused),
		cmocka_unit_test(a_damaged_library_does_no_harm),
		cmocka_unit_test(a_library_is_known_by_its_file_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
