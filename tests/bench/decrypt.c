/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* decrypt_feed against libcrypto alone over the same TLS 1.3 AES-128-GCM records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tests/tls/exchange.h>
#include <tlspcap/decrypt.h>

#define ROUNDS 5

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void on_data(void *ctx, enum decrypt_side side, uint64_t time_ns, const uint8_t *bytes,
		    size_t length, uint64_t record, bool early)
{
	size_t *sum = ctx;

	(void)side, (void)time_ns, (void)bytes, (void)record, (void)early;
	*sum += length;
}

/* Both sides in pieces of this size; 0: as they were sent. Seconds. */
static double with_stage(const struct exchange *exchange, size_t piece)
{
	size_t sum = 0;
	struct decrypt_sink sink = {.ctx = &sum, .data = on_data};
	struct decrypt *decrypt = decrypt_new(NULL, &sink);
	double begin;

	for (size_t i = 0; i < exchange->secret_count; i++) {
		const struct exchange_secret *secret = &exchange->secrets[i];

		decrypt_secret(decrypt, secret->label, secret->secret, secret->length);
	}
	begin = now();
	for (size_t i = 0; i < exchange->event_count; i++) {
		const struct exchange_event *event = &exchange->events[i];

		for (size_t at = 0, n; event->side >= 0 && at < event->length; at += n) {
			n = piece ? piece : event->length;
			n = n < event->length - at ? n : event->length - at;
			decrypt_feed(decrypt, (enum decrypt_side)event->side, 1,
				     exchange->wire[event->side] + event->offset + at, n);
		}
	}
	begin = now() - begin;
	decrypt_free(decrypt);
	if (sum != exchange->plain_length[0] + exchange->plain_length[1]) {
		fprintf(stderr, "decrypt: %zu bytes of plaintext are missing\n",
			exchange->plain_length[0] + exchange->plain_length[1] - sum);
		exit(1);
	}
	return begin;
}

/* The same calls of libcrypto on records of the same size; the keys do not matter. */
static double with_libcrypto(const struct exchange *exchange)
{
	static uint8_t key[16], nonce[12], out[32768];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	double begin;
	int n;

	EVP_DecryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, NULL);
	begin = now();
	for (int side = 0; side < 2; side++) {
		size_t at = 0;

		while (at + 5 <= exchange->wire_length[side]) {
			uint8_t *record = exchange->wire[side] + at;
			int length = record[3] << 8 | record[4];

			at += 5 + (size_t)length;
			if (length <= 16)
				continue;
			nonce[0]++;
			EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce);
			EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16,
					    record + 5 + length - 16);
			EVP_DecryptUpdate(ctx, NULL, &n, record, 5);
			EVP_DecryptUpdate(ctx, out, &n, record + 5, length - 16);
			EVP_DecryptFinal_ex(ctx, out + n, &n);
		}
	}
	begin = now() - begin;
	EVP_CIPHER_CTX_free(ctx);
	return begin;
}

static void compare(size_t write_max, size_t bytes)
{
	struct exchange_setup setup = {.version = TLS1_3_VERSION,
				       .suite = "TLS_AES_128_GCM_SHA256",
				       .bytes = bytes,
				       .write_max = write_max};
	struct exchange *exchange = exchange_run(&setup);
	double plain = 1e9, whole = 1e9, pieces = 1e9;

	for (int i = 0; i < ROUNDS; i++) {
		double took = with_libcrypto(exchange);

		plain = took < plain ? took : plain;
		took = with_stage(exchange, 0);
		whole = took < whole ? took : whole;
		took = with_stage(exchange, 1448);
		pieces = took < pieces ? took : pieces;
	}
	printf("writes up to %6zu: libcrypto %6.0f MB/s; decrypt %6.0f MB/s (%.2f of it); "
	       "in pieces of 1448: %6.0f MB/s (%.2f)\n",
	       write_max, (double)(2 * bytes) / plain / 1e6, (double)(2 * bytes) / whole / 1e6,
	       plain / whole, (double)(2 * bytes) / pieces / 1e6, plain / pieces);
	exchange_free(exchange);
}

int main(void)
{
	compare(200, 2 << 20);
	compare(2000, 8 << 20);
	compare(40000, 32 << 20);
	return 0;
}
