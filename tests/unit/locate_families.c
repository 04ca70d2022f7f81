/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The locate stage's families beside OpenSSL, on small images with the code of real ones. */
#include "locate_image.h"
#include <bpf/gnutls.h>
#include <bpf/mbedtls.h>
#include <bpf/wolfssl.h>

#define CODE(string) string, sizeof(string) - 1

/* gnutls_session_get_random(session, client, server), as gcc makes it. */
#define DATUMS                                                                                     \
	"\x48\x85\xf6\x74\x0e"			 /* test rsi, rsi; je +14 */                       \
	"\x48\x8d\x47\x50"			 /* lea rax, [rdi+0x50] */                         \
	"\xc7\x46\x08\x20\0\0\0"		 /* mov [rsi+8], 32 */                             \
	"\x48\x89\x06"				 /* mov [rsi], rax */                              \
	"\x48\x85\xd2\x74\x0e"			 /* test rdx, rdx; je +14 */                       \
	"\x48\x83\xc7\x70"			 /* add rdi, 0x70 */                               \
	"\xc7\x42\x08\x20\0\0\0\x48\x89\x3a\xc3" /* mov [rdx+8], 32; mov [rdx], rdi; ret */

static void add_labels(struct elf_image *image)
{
	static const char *const labels[] = {"CLIENT_RANDOM", "EXPORTER_SECRET",
					     "SERVER_TRAFFIC_SECRET_0"};
	uint64_t target = add_code(image, CODE("\xc3"));

	for (size_t i = 0; i < 3; i++) {
		/* lea rsi, label; call target; ret */
		uint64_t at = add_code(image, CODE("\x48\x8d\x35\0\0\0\0\xe8\0\0\0\0\xc3"));

		put_relative(image, at + 3, add_string(image, labels[i]));
		put_relative(image, at + 8, target);
	}
}

static void start_gnutls(struct elf_image *image)
{
	start_image(image);
	add_function(image, "gnutls_record_recv", CODE("\xc3"));
	add_function(image, "gnutls_record_send", CODE("\xc3"));
	add_function(image, "gnutls_handshake", CODE("\xc3"));
}

static const struct locate_probe *probe_of(const struct locate_result *result, uint8_t function)
{
	for (size_t i = 0; i < result->n_probes; i++) {
		if (result->probes[i].function == function)
			return &result->probes[i];
	}
	return NULL;
}

static void gnutls_is_read_out_of_its_accessors(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_gnutls(&image);
	add_labels(&image);
	add_function(&image, "gnutls_session_get_random", CODE(DATUMS));
	add_function(&image, "gnutls_session_get_master_secret", /* add rdi, 0x20; … */
		     CODE("\x48\x83\xc7\x20\xc7\x46\x08\x30\0\0\0\x48\x89\x3e\xc3"));
	add_function(&image, "gnutls_protocol_get_version", /* mov rax, [rdi+0xf8]; … */
		     CODE("\x48\x8b\x87\xf8\0\0\0\x48\x85\xc0\x74\x04\x8b\x40\x08\xc3"
			  "\xb8\xff\0\0\0\xc3"));
	add_function(&image, "gnutls_session_is_resumed", /* cmp dword [rdi], 2; … */
		     CODE("\x83\x3f\x02\x74\x08\x0f\xb6\x87\xb0\x01\0\0\xc3\x31\xc0\xc3"));
	add_function(&image, "gnutls_packet_get", /* the sum of two words */
		     CODE("\x48\x8b\x47\x10"	  /* mov rax, [rdi+0x10] */
			  "\x48\x03\x47\x18"	  /* add rax, [rdi+0x18] */
			  "\x48\x89\x06\xc3"));	  /* mov [rsi], rax; ret */
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.family, "gnutls");
	assert_true(result.plaintext && result.secrets);
	assert_int_equal(result.layout.client_random.steps, 1);
	assert_int_equal(result.layout.client_random.offset[0], 0x50);
	assert_int_equal(result.layout.path[GNUTLS_PATH_MASTER].offset[0], 0x20);
	assert_int_equal(result.layout.path[GNUTLS_PATH_VERSION].steps, 2);
	assert_int_equal(result.layout.path[GNUTLS_PATH_VERSION].offset[0], 0xf8);
	assert_int_equal(result.layout.path[GNUTLS_PATH_VERSION].offset[1], 8);
	assert_int_equal(result.layout.path[GNUTLS_PATH_PACKET].steps, 2);
	assert_int_equal(result.layout.path[GNUTLS_PATH_PACKET].offset[0], 0x10);
	assert_int_equal(result.layout.path[GNUTLS_PATH_PACKET].offset[1], 0x18);
	assert_int_equal(result.layout.server_flag.steps, 1);
	assert_int_equal(result.layout.server_value, 1);
	assert_non_null(probe_of(&result, GNUTLS_LOG_SECRET));
	assert_int_equal(probe_of(&result, GNUTLS_HANDSHAKE)->purpose,
			 LOCATE_FOR_SECRETS | LOCATE_FOR_PLAINTEXT);
}

/* Each of them: accessor code that must not be believed. */
static void a_random_that_is_not_sure_is_none(void **state)
{
	static const struct {
		const char *code;
		size_t size;
	} cases[] = {
		{CODE("\xc3")},					      /* nothing */
		{CODE("\x48\x89\x3e\xc3")},			      /* the session itself */
		{CODE("\x48\x8b\x47\x50\x48\x89\x06\xc3")},	      /* what is loaded there */
		{CODE("\x48\x8d\x47\x50\x48\x89\x02\xc3")},	      /* to the other datum */
		{CODE("\x48\x8d\x47\x50\x48\x89\x46\x08\xc3")},	      /* to another place of it */
		{CODE("\x48\x8d\x84\x17\x50\0\0\0\x48\x89\x06\xc3")}, /* with an index */
		{CODE("\x48\x8d\x47\x50\x48\x89\x06\x48\x8d\x47\x60\x48\x89\x06\xc3")}, /* two */
		{CODE("\xeb\xfe")}, /* an endless loop */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct locate_result result;
		struct elf_image image;

		start_gnutls(&image);
		add_labels(&image);
		add_function(&image, "gnutls_session_get_random", cases[i].code, cases[i].size);
		assert_int_equal(locate(&image, &result), 1);
		assert_true(result.plaintext);
		assert_false(result.secrets);
		assert_null(probe_of(&result, GNUTLS_LOG_SECRET));
		assert_non_null(strstr(result.secrets_how, "not understood"));
	}
}

static void gnutls_without_labels_gives_plaintext(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_gnutls(&image);
	add_function(&image, "gnutls_session_get_random", CODE(DATUMS));
	assert_int_equal(locate(&image, &result), 1);
	assert_true(result.plaintext);
	assert_false(result.secrets);
	assert_non_null(probe_of(&result, GNUTLS_SEND));
}

static void mbedtls_is_in_two_libraries(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_image(&image);
	add_function(&image, "mbedtls_ssl_read", CODE("\xc3"));
	add_function(&image, "mbedtls_ssl_write", CODE("\xc3"));
	add_function(&image, "mbedtls_ssl_tls13_derive_secret", CODE("\xc3"));
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.family, "mbedtls");
	assert_true(result.plaintext && result.secrets);
	assert_non_null(probe_of(&result, MBEDTLS_DERIVE));
	assert_null(probe_of(&result, MBEDTLS_HMAC_STARTS));

	start_image(&image);
	add_function(&image, "mbedtls_md_hmac_starts", CODE("\xc3"));
	add_function(&image, "mbedtls_md_hmac_update", CODE("\xc3"));
	add_function(&image, "mbedtls_version_get_number", CODE("\xb8\0\x07\x06\x03\xc3"));
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.version, "3.6.7");
	assert_false(result.plaintext);
	assert_true(result.secrets);
	assert_int_equal(probe_of(&result, MBEDTLS_HMAC_UPDATE)->when, LOCATE_ENTER);
}

static void wolfssl_is_read_out_of_its_accessors(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_image(&image);
	add_function(&image, "wolfSSL_read", CODE("\xc3"));
	add_function(&image, "wolfSSL_write", CODE("\xc3"));
	add_function(&image, "wc_PRF_TLS", CODE("\xc3"));
	add_function(&image, "wolfSSL_lib_version_hex", CODE("\xb8\x04\x50\0\x05\xc3"));
	add_function(&image, "wolfSSL_get_client_random", /* [[rdi+0x10]+0xc62] to [rsi] */
		     CODE("\x48\x8b\x47\x10\x48\x8b\x80\x62\x0c\0\0\x48\x89\x06\xc3"));
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.family, "wolfssl");
	assert_string_equal(result.version, "5.5.4");
	assert_true(result.plaintext && result.secrets);
	assert_int_equal(result.layout.client_random.steps, 2);
	assert_int_equal(result.layout.client_random.offset[1], 0xc62);
}

/* Two answers: none. */
static void a_version_that_is_not_sure_is_none(void **state)
{
	struct locate_result result;
	struct elf_image image;

	(void)state;
	start_image(&image);
	add_function(&image, "wolfSSL_read", CODE("\xc3"));
	add_function(&image, "wolfSSL_write", CODE("\xc3"));
	add_function(&image, "wolfSSL_lib_version_hex", /* test edi, edi; je; two constants */
		     CODE("\x85\xff\x74\x06\xb8\x04\x50\0\x05\xc3\xb8\x05\x50\0\x05\xc3"));
	assert_int_equal(locate(&image, &result), 1);
	assert_string_equal(result.version, "");
	assert_false(result.secrets);
	assert_non_null(strstr(result.secrets_how, "no symbol"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gnutls_is_read_out_of_its_accessors),
		cmocka_unit_test(a_random_that_is_not_sure_is_none),
		cmocka_unit_test(gnutls_without_labels_gives_plaintext),
		cmocka_unit_test(mbedtls_is_in_two_libraries),
		cmocka_unit_test(wolfssl_is_read_out_of_its_accessors),
		cmocka_unit_test(a_version_that_is_not_sure_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
