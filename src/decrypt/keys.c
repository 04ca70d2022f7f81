/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Key derivation (RFC 8446, 7; RFC 5246, 5 and 6.3), and the contexts made once for a key. */
#include <errno.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <decrypt/internal.h>

#define PARAM_BYTES(name, bytes, length)                                                           \
	OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)(bytes), length)
#define PARAM_TEXT(name, text) OSSL_PARAM_construct_utf8_string(name, (char *)(uintptr_t)(text), 0)

static int derive(const char *kind, const OSSL_PARAM *params, uint8_t *out, size_t length)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kind, NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	int derived = ctx ? EVP_KDF_derive(ctx, out, length, params) : 0;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return derived > 0 ? 0 : -ENOMEM;
}

/* HKDF-Expand-Label with an empty context (RFC 8446, 7.1). */
static int expand_label(const struct hash *hash, const struct secret *secret, const char *label,
			uint8_t *out, size_t length)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		PARAM_TEXT(OSSL_KDF_PARAM_DIGEST, hash->name),
		PARAM_BYTES(OSSL_KDF_PARAM_KEY, secret->bytes, secret->length),
		PARAM_BYTES(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
		PARAM_BYTES(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};

	return derive("TLS13-KDF", params, out, length);
}

static int cipher_start(struct keys *keys)
{
	const struct cipher *cipher = keys->suite->cipher;
	EVP_CIPHER *evp;
	int ok;

	if (!cipher->name)
		return 0;
	if (!keys->cipher)
		keys->cipher = EVP_CIPHER_CTX_new();
	if (!keys->cipher)
		return -ENOMEM;
	EVP_CIPHER_CTX_reset(keys->cipher);
	evp = EVP_CIPHER_fetch(NULL, cipher->name, NULL);
	ok = evp && EVP_DecryptInit_ex2(keys->cipher, evp, NULL, NULL, NULL) == 1;
	EVP_CIPHER_free(evp);
	/* CCM wants its lengths before the key. */
	if (ok && cipher->mode == MODE_CCM)
		ok = EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_SET_IVLEN, sizeof(keys->iv),
					 NULL) > 0 &&
		     EVP_CIPHER_CTX_ctrl(keys->cipher, EVP_CTRL_AEAD_SET_TAG, cipher->tag_len,
					 NULL) > 0;
	ok = ok && EVP_DecryptInit_ex2(keys->cipher, NULL, keys->key, NULL, NULL) == 1;
	if (ok && cipher->mode == MODE_CBC)
		EVP_CIPHER_CTX_set_padding(keys->cipher, 0);
	return ok ? 0 : -ENOMEM;
}

static int mac_start(struct keys *keys, const uint8_t *key)
{
	const struct hash *hash = keys->suite->mac;
	OSSL_PARAM params[] = {
		PARAM_TEXT(OSSL_MAC_PARAM_DIGEST, hash ? hash->name : ""),
		OSSL_PARAM_construct_end(),
	};

	if (!hash)
		return 0;
	if (!keys->mac_kind)
		keys->mac_kind = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (keys->mac_kind && !keys->mac)
		keys->mac = EVP_MAC_CTX_new(keys->mac_kind);
	if (!keys->mac)
		return -ENOMEM;
	return EVP_MAC_init(keys->mac, key, hash->length, params) == 1 ? 0 : -ENOMEM;
}

static void keys_begin(struct keys *keys, const struct suite *suite, uint16_t version)
{
	keys->suite = suite;
	keys->version = version;
	keys->encrypt_then_mac = false;
	keys->number = 0;
	keys->has_nonce = false;
}

int keys_traffic(struct keys *keys, const struct suite *suite, const struct secret *secret)
{
	int err;

	if (secret->length != suite->prf->length)
		return -EINVAL;
	keys_begin(keys, suite, VERSION_13);
	err = expand_label(suite->prf, secret, "key", keys->key, suite->cipher->key_len);
	if (!err)
		err = expand_label(suite->prf, secret, "iv", keys->iv, sizeof(keys->iv));
	return err ? err : cipher_start(keys);
}

/* key_block (RFC 5246, 6.3): MAC keys, then keys, then IVs; the client's first. */
int keys_master(struct keys *keys, const struct hello *hello, enum decrypt_side side,
		const uint8_t master[MASTER_LEN])
{
	const struct cipher *cipher = hello->suite->cipher;
	size_t mac_len = hello->suite->mac ? hello->suite->mac->length : 0;
	OSSL_PARAM params[] = {
		PARAM_TEXT(OSSL_KDF_PARAM_DIGEST, hello->suite->prf->name),
		PARAM_BYTES(OSSL_KDF_PARAM_SECRET, master, MASTER_LEN),
		PARAM_BYTES(OSSL_KDF_PARAM_SEED, "key expansion", 13),
		PARAM_BYTES(OSSL_KDF_PARAM_SEED, hello->server_random, TLSPCAP_RANDOM_LEN),
		PARAM_BYTES(OSSL_KDF_PARAM_SEED, hello->client_random, TLSPCAP_RANDOM_LEN),
		OSSL_PARAM_construct_end(),
	};
	uint8_t block[2 * (MAC_MAX + 32 + 12)];
	size_t used = 2 * (mac_len + cipher->key_len + cipher->fixed_iv);
	const uint8_t *at = block;
	int err = derive("TLS1-PRF", params, block, used);

	if (err)
		goto out;
	keys_begin(keys, hello->suite, VERSION_12);
	keys->encrypt_then_mac = hello->encrypt_then_mac && cipher->mode == MODE_CBC;
	err = mac_start(keys, at + side * mac_len);
	if (err)
		goto out;
	at += 2 * mac_len;
	memcpy(keys->key, at + side * cipher->key_len, cipher->key_len);
	at += 2 * cipher->key_len;
	memcpy(keys->iv, at + side * cipher->fixed_iv, cipher->fixed_iv);
	err = cipher_start(keys);
out:
	OPENSSL_cleanse(block, sizeof(block));
	return err;
}

void keys_clear(struct keys *keys)
{
	EVP_CIPHER_CTX_free(keys->cipher);
	EVP_MAC_CTX_free(keys->mac);
	EVP_MAC_free(keys->mac_kind);
	OPENSSL_cleanse(keys, sizeof(*keys));
}

void keys_swap(struct keys *a, struct keys *b)
{
	struct keys kept = *a;

	*a = *b;
	*b = kept;
	OPENSSL_cleanse(&kept, sizeof(kept));
}

int secret_update(struct secret *secret, const struct suite *suite)
{
	struct secret next = {.length = secret->length};
	int err = -EINVAL;

	if (secret->length == suite->prf->length)
		err = expand_label(suite->prf, secret, "traffic upd", next.bytes, next.length);
	if (!err)
		*secret = next;
	OPENSSL_cleanse(&next, sizeof(next));
	return err;
}
