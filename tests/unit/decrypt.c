/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* decrypt against OpenSSL: every suite and kind of handshake, in every order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tests/tls/replay.h>

static void check_plain(const struct exchange *exchange, const struct replay *replay,
			const char *what)
{
	for (int side = 0; side < 2; side++) {
		size_t length = exchange->plain_length[side];

		if (replay->plain_length[side] != length ||
		    memcmp(replay->plain[side], exchange->plain[side], length) != 0)
			fail_msg("%s: side %d: %zu bytes, not %zu or not the same; status %d", what,
				 side, replay->plain_length[side], length,
				 decrypt_status(replay->decrypt, (enum decrypt_side)side));
		assert_int_equal(decrypt_status(replay->decrypt, (enum decrypt_side)side),
				 DECRYPT_OK);
		assert_int_equal(replay->feed_error[side], 0);
		assert_int_equal(replay->alerts[side], 1);
		assert_int_equal(replay->last_alert[side], 0); /* close_notify */
	}
	assert_int_equal(replay->early_length, exchange->early_length);
	assert_false(replay->time_wrong);
}

static void check_info(const struct exchange *exchange, const struct exchange_setup *setup,
		       const struct replay *replay, enum replay_secrets secrets)
{
	const struct decrypt_info *info = decrypt_info(replay->decrypt);
	bool rejected = setup->early == EXCHANGE_EARLY_REJECTED;

	assert_true(info->is_tls && info->has_client_random && info->has_server_hello);
	assert_true(info->cipher_supported);
	assert_int_equal(info->version, exchange->version);
	assert_int_equal(info->cipher_suite, exchange->suite);
	assert_int_equal(info->early_data, setup->early != EXCHANGE_NO_EARLY);
	assert_int_equal(info->resumed, setup->resume && !rejected);
	assert_string_equal(info->server_name, "example.test");
	/* The handshake's secret comes when its records were already given up. */
	if (setup->version == TLS1_2_VERSION || secrets != REPLAY_REVERSED)
		assert_string_equal(info->alpn, "h2");
	assert_memory_equal(info->client_random, exchange->secrets[0].random, 32);
	assert_memory_equal(info->latest_client_random,
			    exchange->secrets[exchange->secret_count - 1].random, 32);
}

static void one_replay(const struct exchange *exchange, const struct exchange_setup *setup,
		       const struct replay_setup *replay_setup)
{
	struct replay *replay = replay_run(exchange, replay_setup);
	char what[160];

	snprintf(what, sizeof(what), "%s %x secrets %d order %d chunk %zu without %s",
		 setup->suite ? setup->suite : "any suite", setup->version, replay_setup->secrets,
		 replay_setup->order, replay_setup->chunk_max,
		 replay_setup->without ? replay_setup->without : "none");
	check_plain(exchange, replay, what);
	if (!replay_setup->without)
		check_info(exchange, setup, replay, replay_setup->secrets);
	replay_free(replay);
}

/* Times and secrets as they were, and every other order. */
static void all_replays(const struct exchange_setup *setup)
{
	static const size_t chunks[] = {0, 7, 1500, 60000};
	struct exchange *exchange = exchange_run(setup);

	/* Early data is not waited for when all later secrets are there. */
	int last = setup->early == EXCHANGE_EARLY ? REPLAY_LAST : REPLAY_REVERSED;

	for (int secrets = REPLAY_AS_TOLD; secrets <= last; secrets++) {
		for (int order = REPLAY_AS_SENT; order <= REPLAY_SERVER_FIRST; order++) {
			struct replay_setup replay_setup = {
				.secrets = (enum replay_secrets)secrets,
				.order = (enum replay_order)order,
				.chunk_max = chunks[exchange_random() % 4],
			};

			one_replay(exchange, setup, &replay_setup);
			/* Without handshake secrets the data can be read all the same. */
			replay_setup.without = "HANDSHAKE";
			if (setup->version == TLS1_3_VERSION)
				one_replay(exchange, setup, &replay_setup);
		}
	}
	exchange_free(exchange);
}

static void test_suites_12(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned count = 0;

	(void)state;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	assert_true(SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"));
	for (int i = 0; i < sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(ctx)); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(SSL_CTX_get_ciphers(ctx), i);
		struct exchange_setup setup = {
			.version = TLS1_2_VERSION,
			.suite = SSL_CIPHER_get_name(cipher),
			.bytes = 3000,
			.write_max = 1000,
		};

		if (strncmp(setup.suite, "TLS_", 4) == 0)
			continue;
		all_replays(&setup);
		setup.no_etm = true;
		if (strstr(setup.suite, "GCM") == NULL)
			all_replays(&setup);
		count++;
	}
	SSL_CTX_free(ctx);
	assert_true(count > 100);
}

static const char *const suites_13[] = {
	"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",   "TLS_CHACHA20_POLY1305_SHA256",
	"TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
};

#define SUITES_13 (sizeof(suites_13) / sizeof(suites_13[0]))

/* Every kind of TLS 1.3 handshake: a bit for each. */
static void test_kinds_13(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITES_13; i++) {
		for (unsigned bits = 0; bits < 64; bits++) {
			struct exchange_setup setup = {
				.version = TLS1_3_VERSION,
				.suite = suites_13[i],
				.resume = bits & 1,
				.retry = bits & 4,
				.key_update = bits & 8,
				.client_certificate = bits & 16,
				.padding = bits & 32 ? 300 : 0,
				.bytes = 5000,
				.write_max = 2000,
			};

			if (bits & 2 && !setup.resume)
				continue;
			if (bits & 2)
				setup.early = bits & 4 ? EXCHANGE_EARLY_REJECTED : EXCHANGE_EARLY;
			all_replays(&setup);
			setup.retry = false;
			if (bits & 2 && bits & 4)
				all_replays(&setup);
		}
	}
}

static void test_kinds_12(void **state)
{
	static const char *const suites[] = {
		"ECDHE-RSA-AES128-GCM-SHA256",
		"ECDHE-RSA-AES256-SHA384",
		"ECDHE-ECDSA-CHACHA20-POLY1305",
		"DHE-RSA-AES128-SHA",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		for (unsigned bits = 0; bits < 32; bits++) {
			struct exchange_setup setup = {
				.version = TLS1_2_VERSION,
				.suite = suites[i],
				.resume = bits & 1,
				.no_ticket = bits & 2,
				.client_certificate = bits & 4,
				.renegotiate = bits & 8 ? 3 : 0,
				.no_etm = bits & 16,
				.fragment = bits & 1 ? 512 : 0,
				.bytes = 5000,
				.write_max = 2000,
			};

			all_replays(&setup);
		}
	}
}

static void test_much(void **state)
{
	static const struct exchange_setup setups[] = {
		{.version = TLS1_3_VERSION, .bytes = 1 << 20, .key_update = true},
		{.version = TLS1_3_VERSION,
		 .suite = "TLS_CHACHA20_POLY1305_SHA256",
		 .bytes = 1 << 20},
		{.version = TLS1_2_VERSION,
		 .suite = "ECDHE-RSA-AES256-GCM-SHA384",
		 .bytes = 1 << 20},
		{.version = TLS1_2_VERSION, .suite = "AES128-SHA256", .bytes = 1 << 20},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++)
		all_replays(&setups[i]);
}

/* A client that does not take the certificate says so, in an alert. */
static void test_refused(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct exchange_setup setup = {.version = versions[i], .refused = true};
		struct replay_setup as_told = {0};
		struct exchange *exchange = exchange_run(&setup);
		struct replay *replay = replay_run(exchange, &as_told);

		assert_int_equal(replay->alerts[DECRYPT_CLIENT], 1);
		assert_int_equal(replay->last_alert[DECRYPT_CLIENT], 48); /* unknown_ca */
		assert_int_equal(replay->plain_length[0] + replay->plain_length[1], 0);
		replay_free(replay);
		exchange_free(exchange);
	}
}

static void test_old_version(void **state)
{
	struct exchange_setup setup = {.version = TLS1_1_VERSION, .bytes = 100};
	struct replay_setup as_told = {0};
	struct exchange *exchange = exchange_run(&setup);
	struct replay *replay = replay_run(exchange, &as_told);

	(void)state;
	for (int side = 0; side < 2; side++) {
		assert_int_equal(decrypt_status(replay->decrypt, (enum decrypt_side)side),
				 DECRYPT_UNSUPPORTED);
		assert_int_equal(replay->feed_error[side], 0);
		assert_int_equal(replay->plain_length[side], 0);
	}
	assert_int_equal(decrypt_info(replay->decrypt)->version, 0x0302);
	assert_false(decrypt_info(replay->decrypt)->cipher_supported);
	assert_string_equal(decrypt_info(replay->decrypt)->server_name, "example.test");
	replay_free(replay);
	exchange_free(exchange);
}

static void test_no_secrets(void **state)
{
	struct exchange_setup setup = {.version = TLS1_3_VERSION, .bytes = 20000};
	struct replay_setup none = {.without = "_"};
	struct exchange *exchange = exchange_run(&setup);
	struct replay *replay = replay_run(exchange, &none);

	(void)state;
	assert_int_equal(decrypt_status(replay->decrypt, DECRYPT_CLIENT), DECRYPT_WAITING);
	assert_int_equal(decrypt_status(replay->decrypt, DECRYPT_SERVER), DECRYPT_WAITING);
	replay_free(replay);
	none.limits.pending_bytes = 10000;
	replay = replay_run(exchange, &none);
	assert_int_equal(decrypt_status(replay->decrypt, DECRYPT_SERVER), DECRYPT_LOST);
	assert_int_equal(replay->plain_length[0] + replay->plain_length[1], 0);
	replay_free(replay);
	exchange_free(exchange);
}

static void test_wrong_secrets(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	uint8_t zeros[48] = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct exchange_setup setup = {.version = versions[i], .bytes = 20000};
		struct exchange *exchange = exchange_run(&setup);
		struct replay *replay;

		for (size_t n = 0; n < exchange->secret_count; n++)
			exchange->secrets[n].secret[n] ^= 1;
		for (int secrets = REPLAY_AS_TOLD; secrets <= REPLAY_REVERSED; secrets++) {
			struct replay_setup how = {.secrets = (enum replay_secrets)secrets};

			replay = replay_run(exchange, &how);
			assert_int_equal(replay->plain_length[0] + replay->plain_length[1], 0);
			for (int side = 0; side < 2; side++)
				assert_int_not_equal(
					decrypt_status(replay->decrypt, (enum decrypt_side)side),
					DECRYPT_OK);
			replay_free(replay);
		}
		exchange_free(exchange);
	}
	struct replay *replay = replay_new(NULL);

	assert_int_equal(decrypt_secret(replay->decrypt, "RSA", zeros, 48), -EINVAL);
	assert_int_equal(decrypt_secret(replay->decrypt, "CLIENT_RANDOM", zeros, 32), -EINVAL);
	assert_int_equal(decrypt_secret(replay->decrypt, "CLIENT_TRAFFIC_SECRET_0", zeros, 47),
			 -EINVAL);
	assert_int_equal(decrypt_secret(replay->decrypt, "CLIENT_TRAFFIC_SECRET_3", zeros, 48), 0);
	assert_int_equal(decrypt_secret(replay->decrypt, "EXPORTER_SECRET", zeros, 48), 0);
	replay_free(replay);
}

static void test_not_tls(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n";
	struct replay *replay = replay_new(NULL);

	(void)state;
	assert_int_equal(decrypt_looks_like_tls((const uint8_t *)text, sizeof(text)), 0);
	replay_feed(replay, 0, (const uint8_t *)text, sizeof(text), 3);
	assert_int_equal(replay->feed_error[0], -EBADMSG);
	assert_int_equal(decrypt_status(replay->decrypt, DECRYPT_CLIENT), DECRYPT_BROKEN);
	assert_false(decrypt_info(replay->decrypt)->is_tls);
	replay_free(replay);
}

static void test_looks_like(void **state)
{
	struct exchange_setup setup = {.version = TLS1_3_VERSION, .bytes = 10};
	struct exchange *exchange = exchange_run(&setup);

	(void)state;
	for (int side = 0; side < 2; side++) {
		for (size_t n = 0; n < 11; n++)
			assert_int_equal(decrypt_looks_like_tls(exchange->wire[side], n), -EAGAIN);
		assert_int_equal(decrypt_looks_like_tls(exchange->wire[side], 11), 1);
		assert_int_equal(decrypt_looks_like_tls(exchange->wire[side] + 1, 11), 0);
	}
	exchange_free(exchange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suites_12),  cmocka_unit_test(test_kinds_12),
		cmocka_unit_test(test_kinds_13),   cmocka_unit_test(test_much),
		cmocka_unit_test(test_refused),	   cmocka_unit_test(test_old_version),
		cmocka_unit_test(test_no_secrets), cmocka_unit_test(test_wrong_secrets),
		cmocka_unit_test(test_not_tls),	   cmocka_unit_test(test_looks_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
