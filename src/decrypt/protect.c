/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Opening one record (RFC 8446, 5.2; RFC 5246, 6.2.3; RFC 7366), and finding its number.
 *
 * Opening has two halves: what does not depend on the record number (the CBC decryption of
 * MAC-then-encrypt), and the check under a number. Only the second is repeated in a search.
 */
#include <errno.h>
#include <string.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <decrypt/internal.h>

static void put64(uint8_t *out, uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		out[i] = (uint8_t)value;
}

static uint64_t get64(const uint8_t *in)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | in[i];
	return value;
}

/* seq_num, type, version, length (RFC 5246, 6.2.3.1). */
static void pseudo_header(uint8_t out[13], const struct wire *wire, uint64_t number, size_t length)
{
	put64(out, number);
	memcpy(out + 8, wire->header, 3);
	out[11] = (uint8_t)(length >> 8);
	out[12] = (uint8_t)length;
}

static size_t explicit_len(const struct keys *keys)
{
	return keys->version == VERSION_12 ? keys->suite->cipher->explicit_iv : 0;
}

/* Salt and explicit part (RFC 5288, 3), else IV xor number (RFC 8446, 5.3; RFC 7905, 2). */
static void make_nonce(const struct keys *keys, const struct wire *wire, uint64_t number,
		       uint8_t nonce[12])
{
	memcpy(nonce, keys->iv, 12);
	if (explicit_len(keys))
		memcpy(nonce + 4, wire->fragment, 8);
	else
		put64(nonce + 4, get64(nonce + 4) ^ number);
}

static int aead_crypt(struct keys *keys, const uint8_t nonce[12], const uint8_t *aad, int aad_len,
		      const uint8_t *text, int text_len, const uint8_t *tag, uint8_t *out)
{
	const struct cipher *cipher = keys->suite->cipher;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
						  (void *)(uintptr_t)tag, cipher->tag_len),
		OSSL_PARAM_construct_end(),
	};
	EVP_CIPHER_CTX *ctx = keys->cipher;
	int n;

	if (EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, params) != 1)
		return -EBADMSG;
	if (cipher->mode == MODE_CCM && EVP_DecryptUpdate(ctx, NULL, &n, NULL, text_len) != 1)
		return -EBADMSG;
	if (EVP_DecryptUpdate(ctx, NULL, &n, aad, aad_len) != 1 ||
	    EVP_DecryptUpdate(ctx, out, &n, text, text_len) != 1)
		return -EBADMSG;
	/* CCM has checked its tag in the update. */
	if (cipher->mode != MODE_CCM && EVP_DecryptFinal_ex(ctx, out + n, &n) != 1)
		return -EBADMSG;
	return 0;
}

/* TLSInnerPlaintext: content, type, zeros (RFC 8446, 5.2). */
static int strip_inner(struct plain *plain)
{
	size_t length = plain->length;

	while (length > 0 && plain->bytes[length - 1] == 0)
		length--;
	if (length == 0)
		return -EBADMSG;
	plain->type = plain->bytes[length - 1];
	plain->length = length - 1;
	return 0;
}

static int check_aead(struct keys *keys, const struct wire *wire, uint64_t number, uint8_t *out,
		      struct plain *plain)
{
	size_t skip = explicit_len(keys);
	size_t overhead = skip + keys->suite->cipher->tag_len;
	uint8_t pseudo[13], nonce[12];
	const uint8_t *aad = pseudo;
	int aad_len = sizeof(pseudo);
	size_t length;

	if (wire->length < overhead)
		return -EBADMSG;
	length = wire->length - overhead;
	/* libcrypto does not check the tag of an empty CCM text; nobody sends one. */
	if (length == 0 && keys->suite->cipher->mode == MODE_CCM)
		return -EBADMSG;
	make_nonce(keys, wire, number, nonce);
	if (keys->version == VERSION_13) {
		aad = wire->header;
		aad_len = HEADER_LEN;
	} else {
		pseudo_header(pseudo, wire, number, length);
	}
	if (aead_crypt(keys, nonce, aad, aad_len, wire->fragment + skip, (int)length,
		       wire->fragment + skip + length, out))
		return -EBADMSG;
	*plain = (struct plain){wire->header[0], out, length};
	if (keys->version == VERSION_13)
		return strip_inner(plain);
	if (skip) {
		memcpy(keys->last_nonce, wire->fragment, 8);
		keys->has_nonce = true;
	}
	return 0;
}

static bool mac_matches(struct keys *keys, const uint8_t pseudo[13], const uint8_t *bytes,
			size_t length, const uint8_t *mac)
{
	uint8_t computed[MAC_MAX];
	size_t n = 0;

	return EVP_MAC_init(keys->mac, NULL, 0, NULL) == 1 &&
	       EVP_MAC_update(keys->mac, pseudo, 13) == 1 &&
	       EVP_MAC_update(keys->mac, bytes, length) == 1 &&
	       EVP_MAC_final(keys->mac, computed, &n, sizeof(computed)) == 1 &&
	       n == keys->suite->mac->length && CRYPTO_memcmp(computed, mac, n) == 0;
}

/* IV and blocks to plaintext; its padding goes (RFC 5246, 6.2.3.2). */
static int cbc_decrypt(struct keys *keys, const uint8_t *bytes, size_t length, uint8_t *out,
		       size_t *out_len)
{
	size_t padding;
	int n;

	if (length < 2 * BLOCK_LEN || length % BLOCK_LEN)
		return -EBADMSG;
	if (EVP_DecryptInit_ex2(keys->cipher, NULL, NULL, bytes, NULL) != 1 ||
	    EVP_DecryptUpdate(keys->cipher, out, &n, bytes + BLOCK_LEN,
			      (int)(length - BLOCK_LEN)) != 1)
		return -EBADMSG;
	length -= BLOCK_LEN;
	padding = out[length - 1];
	if (padding + 1 > length)
		return -EBADMSG;
	for (size_t i = length - 1 - padding; i < length; i++) {
		if (out[i] != padding)
			return -EBADMSG;
	}
	*out_len = length - 1 - padding;
	return 0;
}

static bool is_aead(const struct keys *keys)
{
	return !keys->suite->mac;
}

/* The half that needs no number. */
static int record_prepare(struct keys *keys, const struct wire *wire, uint8_t *out,
			  struct plain *plain)
{
	*plain = (struct plain){wire->header[0], wire->fragment, wire->length};
	if (is_aead(keys) || keys->encrypt_then_mac || keys->suite->cipher->mode != MODE_CBC)
		return 0;
	plain->bytes = out;
	return cbc_decrypt(keys, wire->fragment, wire->length, out, &plain->length);
}

/* The half that does. On success plain is the content. */
static int record_check(struct keys *keys, const struct wire *wire, uint64_t number, uint8_t *out,
			struct plain *plain)
{
	struct plain whole = *plain;
	uint8_t pseudo[13];
	size_t length;

	if (is_aead(keys))
		return check_aead(keys, wire, number, out, plain);
	if (whole.length < keys->suite->mac->length)
		return -EBADMSG;
	length = whole.length - keys->suite->mac->length;
	pseudo_header(pseudo, wire, number, length);
	if (!mac_matches(keys, pseudo, whole.bytes, length, whole.bytes + length))
		return -EBADMSG;
	plain->length = length;
	if (!keys->encrypt_then_mac)
		return 0;
	plain->bytes = out;
	return cbc_decrypt(keys, whole.bytes, length, out, &plain->length);
}

int protect_open(struct keys *keys, const struct wire *wire, uint64_t number, uint8_t *out,
		 struct plain *plain)
{
	if (record_prepare(keys, wire, out, plain))
		return -EBADMSG;
	return record_check(keys, wire, number, out, plain);
}

void protect_pass(struct keys *keys, const struct wire *wire)
{
	keys->number++;
	if (keys->version == VERSION_13 || !is_aead(keys) || explicit_len(keys) != 8 ||
	    wire->length < 8)
		return;
	memcpy(keys->last_nonce, wire->fragment, 8);
	keys->has_nonce = true;
}

/*
 * The record number of a TLS 1.3 GCM record, from the record alone. The tag is
 * GHASH(aad, text) xor E(J0), and J0 holds the number; GHASH does not depend on it. So the tag
 * of the same ciphertext under another nonce gives E(J0), and one block decryption J0.
 */
static int gcm_number(struct keys *keys, const struct wire *wire, uint8_t *out, uint64_t *number)
{
	char ecb_name[] = "AES-128-ECB";
	size_t length = wire->length - keys->suite->cipher->tag_len;
	const uint8_t *tag = wire->fragment + length;
	uint8_t other[16], mask[16], counter[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, keys->suite->cipher->name, NULL);
	EVP_CIPHER *ecb;
	int err = -EBADMSG;
	int n;

	memcpy(ecb_name + 4, keys->suite->cipher->name + 4, 3);
	ecb = EVP_CIPHER_fetch(NULL, ecb_name, NULL);
	if (!ctx || !gcm || !ecb)
		goto out;
	memcpy(counter, keys->iv, 12);
	memcpy(counter + 12, "\0\0\0\1", 4); /* J0 of record 0 (NIST SP 800-38D, 7.1) */

	/* The text that has this ciphertext under the other nonce, and its tag. */
	if (EVP_DecryptInit_ex2(ctx, gcm, keys->key, counter, NULL) != 1 ||
	    EVP_DecryptUpdate(ctx, out, &n, wire->fragment, (int)length) != 1 ||
	    EVP_EncryptInit_ex2(ctx, gcm, keys->key, counter, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, NULL, &n, wire->header, HEADER_LEN) != 1 ||
	    EVP_EncryptUpdate(ctx, out, &n, out, (int)length) != 1 ||
	    EVP_EncryptFinal_ex(ctx, out + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, other) != 1)
		goto out;
	EVP_CIPHER_CTX_reset(ctx);
	if (EVP_EncryptInit_ex2(ctx, ecb, keys->key, NULL, NULL) != 1 ||
	    EVP_EncryptUpdate(ctx, mask, &n, counter, 16) != 1)
		goto out;
	for (int i = 0; i < 16; i++)
		mask[i] ^= other[i] ^ tag[i];
	EVP_CIPHER_CTX_reset(ctx);
	if (EVP_DecryptInit_ex2(ctx, ecb, keys->key, NULL, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
	    EVP_DecryptUpdate(ctx, counter, &n, mask, 16) != 1)
		goto out;
	if (memcmp(counter, keys->iv, 4) != 0 || memcmp(counter + 12, "\0\0\0\1", 4) != 0)
		goto out;
	*number = get64(counter + 4) ^ get64(keys->iv + 4);
	err = 0;
out:
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(gcm);
	EVP_CIPHER_free(ecb);
	return err;
}

/* A try costs something however short the record is. */
#define TRY_COST 512

static bool spend(uint64_t *budget, uint64_t bytes)
{
	bytes += TRY_COST;
	if (*budget < bytes)
		return false;
	*budget -= bytes;
	return true;
}

/* Numbers that the record itself suggests; how many. */
static unsigned guess_numbers(struct keys *keys, const struct wire *wire, uint64_t *budget,
			      uint8_t *out, uint64_t guesses[3])
{
	const struct cipher *cipher = keys->suite->cipher;
	uint64_t nonce, last;

	if (keys->version == VERSION_13) {
		if (cipher->mode != MODE_GCM || wire->length <= cipher->tag_len ||
		    !spend(budget, 2 * wire->length + 8 * TRY_COST))
			return 0;
		return gcm_number(keys, wire, out, &guesses[0]) ? 0 : 1;
	}
	if (!is_aead(keys) || explicit_len(keys) != 8 || wire->length < 8)
		return 0;
	/* The number itself, a counter from anywhere, a mask xor the number. */
	nonce = get64(wire->fragment);
	guesses[0] = nonce;
	if (!keys->has_nonce || keys->number == 0)
		return 1;
	last = get64(keys->last_nonce);
	guesses[1] = keys->number - 1 + (nonce - last);
	guesses[2] = (keys->number - 1) ^ nonce ^ last;
	return 3;
}

int record_find(struct keys *keys, const struct wire *wire, uint64_t first, uint64_t count,
		uint64_t *budget, uint8_t *out)
{
	uint64_t guesses[3];
	unsigned n = guess_numbers(keys, wire, budget, out, guesses);
	struct plain prepared, plain;

	for (unsigned i = 0; i < n; i++) {
		if (guesses[i] < first || !spend(budget, wire->length))
			continue;
		if (protect_open(keys, wire, guesses[i], out, &plain) == 0) {
			keys->number = guesses[i];
			return 0;
		}
	}
	/* What that search finds has been found. */
	if (keys->version == VERSION_13 && keys->suite->cipher->mode == MODE_GCM)
		return -EBADMSG;
	if (!spend(budget, wire->length) || record_prepare(keys, wire, out, &prepared))
		return -EBADMSG;
	for (uint64_t number = first; number - first < count; number++) {
		if (!spend(budget, wire->length))
			return -EBADMSG;
		plain = prepared;
		if (record_check(keys, wire, number, out, &plain) == 0) {
			keys->number = number;
			return 0;
		}
	}
	return -EBADMSG;
}
