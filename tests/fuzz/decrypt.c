/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * decrypt with any bytes, gaps and secrets, and with records sealed under true keys, so that
 * what is behind the authentication is reached too. The input is a list of commands.
 */
#include <stdlib.h>
#include <string.h>
#include <decrypt/internal.h>
#include <tests/support/require.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Offers early data; its random is ones. */
static const uint8_t client_hello[] = {
	0x16, 0x03, 0x03, 0x00, 0x33, 0x01, 0x00, 0x00, 0x2f, 0x03, 0x03, 0x01, 0x01, 0x01,
	0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
	0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
	0x01, 0x00, 0x00, 0x02, 0x13, 0x01, 0x01, 0x00, 0x00, 0x04, 0x00, 0x2a, 0x00, 0x00,
};

/* TLS 1.3, AES-128-GCM, with a PSK; their randoms are twos. */
static const uint8_t server_hello_13[] = {
	0x16, 0x03, 0x03, 0x00, 0x38, 0x02, 0x00, 0x00, 0x34, 0x03, 0x03, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x00, 0x13, 0x01, 0x00, 0x00, 0x0c, 0x00, 0x2b, 0x00,
	0x02, 0x03, 0x04, 0x00, 0x29, 0x00, 0x02, 0x00, 0x00,
};

/* TLS 1.2, ECDHE, AES-128-GCM. */
static const uint8_t server_hello_12[] = {
	0x16, 0x03, 0x03, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, 0x03, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02,
	0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x02, 0x00, 0xc0, 0x2f, 0x00,
};

static const char *const labels[] = {
	"CLIENT_RANDOM",
	"CLIENT_EARLY_TRAFFIC_SECRET",
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET",
	"CLIENT_TRAFFIC_SECRET_0",
	"SERVER_TRAFFIC_SECRET_0",
	"EXPORTER_SECRET",
	"?",
};

struct commands {
	const uint8_t *at;
	size_t left;
};

static uint8_t take_byte(struct commands *commands)
{
	if (commands->left == 0)
		return 0;
	commands->left--;
	return *commands->at++;
}

static const uint8_t *take_bytes(struct commands *commands, size_t *length)
{
	const uint8_t *bytes = commands->at;

	*length = *length < commands->left ? *length : commands->left;
	commands->at += *length;
	commands->left -= *length;
	return bytes;
}

/* All secrets are the same. */
static const struct secret secret = {.length = 32, .bytes = "a secret of 32 bytes, no secret"};
static const uint8_t master[MASTER_LEN] = "a master secret";

struct sealer {
	struct decrypt *decrypt;
	bool is_13;
	struct keys keys[2];
	EVP_CIPHER_CTX *ctx;
};

static void seal_keys(struct sealer *sealer, int side, unsigned updates)
{
	struct hello hello = {.suite = suite_find(VERSION_12, 0xc02f)};
	struct secret updated = secret;

	if (!sealer->is_13) {
		memset(hello.client_random, 1, sizeof(hello.client_random));
		memset(hello.server_random, 2, sizeof(hello.server_random));
		keys_master(&sealer->keys[side], &hello, (enum decrypt_side)side, master);
		return;
	}
	while (updates-- > 0)
		secret_update(&updated, suite_find(VERSION_13, 0x1301));
	keys_traffic(&sealer->keys[side], suite_find(VERSION_13, 0x1301), &updated);
}

/* A record of this content, under the sealer's keys. */
static void seal(struct sealer *sealer, int side, uint8_t type, const uint8_t *text, size_t length)
{
	size_t explicit_iv = sealer->is_13 ? 0 : 8;
	struct keys *keys = &sealer->keys[side];
	uint8_t record[HEADER_LEN + 8 + 300 + 16];
	uint8_t aad[13] = {0}, nonce[12], inner[301];
	uint8_t *out = record + HEADER_LEN + explicit_iv;
	size_t total, aad_len;
	int n;

	memcpy(inner, text, length);
	memcpy(nonce, keys->iv, 12);
	nonce[11] ^= (uint8_t)keys->number;
	if (sealer->is_13)
		inner[length++] = type;
	total = explicit_iv + length + 16;
	memcpy(record,
	       (uint8_t[]){sealer->is_13 ? CONTENT_DATA : type, 3, 3, (uint8_t)(total >> 8),
			   (uint8_t)total},
	       HEADER_LEN);
	if (sealer->is_13) {
		memcpy(aad, record, HEADER_LEN);
		aad_len = HEADER_LEN;
	} else {
		memcpy(record + HEADER_LEN, "explicit", 8);
		memcpy(nonce + 4, "explicit", 8);
		aad[7] = (uint8_t)keys->number;
		memcpy(aad + 8, record, 3);
		aad[11] = (uint8_t)(length >> 8);
		aad[12] = (uint8_t)length;
		aad_len = sizeof(aad);
	}
	keys->number++;
	EVP_EncryptInit_ex(sealer->ctx, EVP_aes_128_gcm(), NULL, keys->key, nonce);
	EVP_EncryptUpdate(sealer->ctx, NULL, &n, aad, (int)aad_len);
	EVP_EncryptUpdate(sealer->ctx, out, &n, inner, (int)length);
	EVP_EncryptFinal_ex(sealer->ctx, out + n, &n);
	EVP_CIPHER_CTX_ctrl(sealer->ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + length);
	decrypt_feed(sealer->decrypt, (enum decrypt_side)side, 1, record, HEADER_LEN + total);
}

static void on_data(void *ctx, enum decrypt_side side, uint64_t time_ns, const uint8_t *bytes,
		    size_t length, uint64_t record, bool early)
{
	uint64_t *sum = ctx;

	(void)side, (void)time_ns, (void)early;
	for (size_t i = 0; i < length; i++)
		*sum += bytes[i];
	*sum += record;
}

static void on_alert(void *ctx, enum decrypt_side side, uint64_t time_ns, uint8_t level,
		     uint8_t description)
{
	uint64_t *sum = ctx;

	(void)side, (void)time_ns;
	*sum += level + description;
}

static void on_info(void *ctx, uint64_t time_ns)
{
	(void)ctx, (void)time_ns;
}

static void tell(struct decrypt *decrypt, uint8_t which)
{
	const char *label = labels[which % 8];
	unsigned int tries = which;

	/* Whose it is may be asked at any time, and changes nothing. */
	decrypt_prove(decrypt, label, which % 8 ? secret.bytes : master,
		      which % 8 ? secret.length : sizeof(master), &tries);
	if (which % 8 == 0)
		decrypt_secret(decrypt, label, master, sizeof(master));
	else
		decrypt_secret(decrypt, label, secret.bytes, which & 64 ? 48 : secret.length);
}

static void hellos(struct sealer *sealer)
{
	decrypt_feed(sealer->decrypt, DECRYPT_CLIENT, 1, client_hello, sizeof(client_hello));
	if (sealer->is_13)
		decrypt_feed(sealer->decrypt, DECRYPT_SERVER, 1, server_hello_13,
			     sizeof(server_hello_13));
	else
		decrypt_feed(sealer->decrypt, DECRYPT_SERVER, 1, server_hello_12,
			     sizeof(server_hello_12));
	seal_keys(sealer, 0, 0);
	seal_keys(sealer, 1, 0);
}

static void command(struct sealer *sealer, struct commands *commands)
{
	uint8_t op = take_byte(commands);
	int side = op >> 7;
	size_t length = take_byte(commands);
	const uint8_t *bytes;

	switch (op % 8) {
	case 0:
		hellos(sealer);
		break;
	case 1:
		decrypt_lose(sealer->decrypt, (enum decrypt_side)side, length);
		break;
	case 2:
		tell(sealer->decrypt, (uint8_t)length);
		break;
	case 3:
		seal_keys(sealer, side, length % 4);
		break;
	case 4:
	case 5:
		op = take_byte(commands);
		bytes = take_bytes(commands, &length);
		seal(sealer, side, CONTENT_CCS + op % 6, bytes, length);
		break;
	case 6:
		sealer->keys[side].number += length;
		break;
	default:
		bytes = take_bytes(commands, &length);
		decrypt_feed(sealer->decrypt, (enum decrypt_side)side, 1, bytes, length);
	}
}

static void read_hellos(const uint8_t *data, size_t size)
{
	struct encrypted_extensions extensions;
	struct client_hello client;
	struct server_hello server;

	hello_read_client(data, size, &client);
	hello_read_server(data, size, &server);
	hello_read_encrypted(data, size, &extensions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decrypt_limits limits = {.pending_bytes = 4096, .resync_records = 16};
	struct commands commands = {data, size};
	struct sealer sealer = {.is_13 = take_byte(&commands) & 1};
	uint64_t sum = 0;
	struct decrypt_sink sink = {&sum, on_data, on_alert, on_info};

	decrypt_looks_like_tls(data, size);
	read_hellos(data, size);
	sealer.decrypt = decrypt_new(&limits, &sink);
	sealer.ctx = EVP_CIPHER_CTX_new();
	require(sealer.decrypt && sealer.ctx);
	seal_keys(&sealer, 0, 0);
	seal_keys(&sealer, 1, 0);
	while (commands.left > 0)
		command(&sealer, &commands);
	EVP_CIPHER_CTX_free(sealer.ctx);
	keys_clear(&sealer.keys[0]);
	keys_clear(&sealer.keys[1]);
	decrypt_free(sealer.decrypt);
	return 0;
}
