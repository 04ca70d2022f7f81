/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* SRP and DSA are deprecated, and are cipher suites that are still offered. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/srp.h>
#include <openssl/x509.h>
#include <tests/tls/exchange.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			give_up(__LINE__, #condition);                                             \
	} while (0)

static _Noreturn void give_up(int line, const char *what)
{
	fprintf(stderr, "exchange.c:%d: %s\n", line, what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

uint32_t exchange_random(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *x509 = X509_new();

	CHECK(x509 && X509_set_version(x509, 2) && X509_set_pubkey(x509, key));
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
				   (const unsigned char *)"example.test", -1, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(x509));
	CHECK(X509_sign(x509, key, EVP_sha256()) > 0);
	return x509;
}

static EVP_PKEY *dsa_key(void)
{
	EVP_PKEY *params = NULL, *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, NULL);

	CHECK(EVP_PKEY_paramgen_init(ctx) > 0 && EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 1024) > 0);
	CHECK(EVP_PKEY_paramgen(ctx, &params) > 0);
	EVP_PKEY_CTX_free(ctx);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
	CHECK(EVP_PKEY_keygen_init(ctx) > 0 && EVP_PKEY_keygen(ctx, &key) > 0);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(params);
	return key;
}

/* RSA, ECDSA, DSA: the suite chooses. */
static const struct identity *identities(void)
{
	static struct identity made[3];

	if (made[0].key)
		return made;
	made[0].key = EVP_RSA_gen(2048);
	made[1].key = EVP_EC_gen("P-256");
	made[2].key = dsa_key();
	for (int i = 0; i < 3; i++) {
		CHECK(made[i].key);
		made[i].certificate = self_signed(made[i].key);
	}
	return made;
}

static struct exchange_event *add_event(struct exchange *exchange)
{
	size_t n = exchange->event_count++;

	if ((n & (n - 1)) == 0)
		exchange->events =
			realloc(exchange->events, (n ? 2 * n : 1) * sizeof(*exchange->events));
	CHECK(exchange->events);
	return &exchange->events[n];
}

static size_t from_hex(const char *hex, size_t digits, uint8_t *out, size_t size)
{
	char two[3] = "";
	size_t n = 0;

	for (; digits >= 2 && n < size; digits -= 2, hex += 2) {
		memcpy(two, hex, 2);
		out[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static void on_keylog(const SSL *ssl, const char *line)
{
	struct exchange *exchange = SSL_get_app_data(ssl);
	struct exchange_secret *secret;
	const char *random = strchr(line, ' ') + 1;
	const char *bytes = strchr(random, ' ') + 1;

	/* RSA lines are of the premaster secret, and do not have the random. */
	if (!exchange || strncmp(line, "RSA ", 4) == 0)
		return;
	CHECK(exchange->secret_count < 64);
	secret = &exchange->secrets[exchange->secret_count];
	memcpy(secret->label, line, (size_t)(random - 1 - line));
	from_hex(random, 64, secret->random, 32);
	secret->length = from_hex(bytes, strlen(bytes), secret->secret, 64);
	*add_event(exchange) = (struct exchange_event){-1, exchange->secret_count++, 0};
}

static unsigned int psk_client(SSL *ssl, const char *hint, char *identity, unsigned int size,
			       unsigned char *psk, unsigned int psk_size)
{
	(void)ssl, (void)hint, (void)size, (void)psk_size;
	memcpy(identity, "me", 3);
	memset(psk, 0x5a, 32);
	return 32;
}

static unsigned int psk_server(SSL *ssl, const char *identity, unsigned char *psk,
			       unsigned int psk_size)
{
	(void)ssl, (void)identity, (void)psk_size;
	memset(psk, 0x5a, 32);
	return 32;
}

static int srp_server(SSL *ssl, int *alert, void *arg)
{
	(void)alert, (void)arg;
	return SSL_set_srp_server_param_pw(ssl, "me", "secret", "1024") == 1 ? SSL_ERROR_NONE
									     : SSL3_AL_FATAL;
}

static int accept_all(int ok, X509_STORE_CTX *store)
{
	(void)ok, (void)store;
	return 1;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned int in_len, void *arg)
{
	(void)ssl, (void)in, (void)in_len, (void)arg;
	*out = (const unsigned char *)"h2";
	*out_len = 2;
	return SSL_TLSEXT_ERR_OK;
}

static void set_suite(SSL_CTX *ctx, const struct exchange_setup *setup)
{
	char list[128];

	if (setup->version == TLS1_3_VERSION) {
		CHECK(!setup->suite || SSL_CTX_set_ciphersuites(ctx, setup->suite));
		return;
	}
	snprintf(list, sizeof(list), "%s:@SECLEVEL=0", setup->suite ? setup->suite : "ALL");
	CHECK(SSL_CTX_set_cipher_list(ctx, list));
}

static SSL_CTX *make_context(const struct exchange_setup *setup, bool server)
{
	const struct identity *all = identities();
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	CHECK(ctx && SSL_CTX_set_min_proto_version(ctx, setup->version) &&
	      SSL_CTX_set_max_proto_version(ctx, setup->version));
	SSL_CTX_set_security_level(ctx, 0);
	set_suite(ctx, setup);
	if (setup->no_etm)
		SSL_CTX_set_options(ctx, SSL_OP_NO_ENCRYPT_THEN_MAC);
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_NO_ANTI_REPLAY);
	if (setup->no_ticket)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_max_early_data(ctx, 1 << 20);
	SSL_CTX_set_recv_max_early_data(ctx, 1 << 20);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
	if (!server) {
		SSL_CTX_set_keylog_callback(ctx, on_keylog);
		if (setup->suite && strstr(setup->suite, "PSK"))
			SSL_CTX_set_psk_client_callback(ctx, psk_client);
		if (setup->suite && strstr(setup->suite, "SRP"))
			CHECK(SSL_CTX_set_srp_username(ctx, (char *)(uintptr_t) "me") &&
			      SSL_CTX_set_srp_password(ctx, (char *)(uintptr_t) "secret"));
		CHECK(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\2h2\10http/1.1", 12) ==
		      0);
		SSL_CTX_use_certificate(ctx, all[0].certificate);
		SSL_CTX_use_PrivateKey(ctx, all[0].key);
		SSL_CTX_set_verify(ctx, setup->refused ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
		return ctx;
	}
	for (int i = 0; i < 3; i++)
		CHECK(SSL_CTX_use_certificate(ctx, all[i].certificate) &&
		      SSL_CTX_use_PrivateKey(ctx, all[i].key));
	SSL_CTX_set_dh_auto(ctx, 1);
	/* It would take TLS 1.3 tickets for its own. */
	if (setup->suite && strstr(setup->suite, "PSK"))
		SSL_CTX_set_psk_server_callback(ctx, psk_server);
	SSL_CTX_set_srp_username_callback(ctx, srp_server);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	if (setup->retry)
		CHECK(SSL_CTX_set1_groups_list(ctx, "P-384"));
	if (setup->client_certificate)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   accept_all);
	return ctx;
}

struct pair {
	const struct exchange_setup *setup;
	struct exchange *exchange; /* NULL: not kept */
	SSL *ssl[2];
};

static void append(uint8_t **bytes, size_t *length, const void *more, size_t n)
{
	*bytes = realloc(*bytes, *length + n + 1);
	CHECK(*bytes);
	memcpy(*bytes + *length, more, n);
	*length += n;
}

/* What a side has written goes over the wire. */
static bool carry(struct pair *pair, int side)
{
	struct exchange *exchange = pair->exchange;
	bool any = false;
	uint8_t bytes[16384];
	int n;

	while ((n = BIO_read(SSL_get_wbio(pair->ssl[side]), bytes, sizeof(bytes))) > 0) {
		any = true;
		CHECK(BIO_write(SSL_get_rbio(pair->ssl[!side]), bytes, n) == n);
		if (!exchange)
			continue;
		*add_event(exchange) =
			(struct exchange_event){side, exchange->wire_length[side], (size_t)n};
		append(&exchange->wire[side], &exchange->wire_length[side], bytes, (size_t)n);
	}
	return any;
}

static bool carry_both(struct pair *pair)
{
	bool client = carry(pair, 0);

	return carry(pair, 1) || client;
}

static void receive(struct pair *pair, int side)
{
	struct exchange *exchange = pair->exchange;
	uint8_t bytes[16384];
	int n;

	while ((n = SSL_read(pair->ssl[side], bytes, sizeof(bytes))) > 0) {
		if (exchange)
			append(&exchange->plain[!side], &exchange->plain_length[!side], bytes,
			       (size_t)n);
	}
}

static bool shake(struct pair *pair)
{
	bool moved = true;
	int done[2];

	while (moved) {
		for (int side = 0; side < 2; side++)
			done[side] = SSL_do_handshake(pair->ssl[side]);
		moved = carry_both(pair);
	}
	ERR_clear_error();
	return done[0] == 1 && done[1] == 1;
}

static void settle(struct pair *pair)
{
	bool moved = true;

	while (moved) {
		receive(pair, 0);
		receive(pair, 1);
		moved = carry_both(pair);
	}
}

static void send_some(struct pair *pair, int side, size_t length)
{
	uint8_t *bytes = malloc(length + 1);

	CHECK(bytes);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)exchange_random();
	CHECK(SSL_write(pair->ssl[side], bytes, (int)length) == (int)length);
	free(bytes);
	carry(pair, side);
	receive(pair, !side);
}

static void talk(struct pair *pair, size_t bytes)
{
	size_t most = pair->setup->write_max ? pair->setup->write_max : 40000;
	size_t left[2] = {bytes, bytes};

	while (left[0] || left[1]) {
		int side = (int)(exchange_random() & 1);
		size_t n = 1 + exchange_random() % most;

		if (!left[side])
			side = !side;
		n = n < left[side] ? n : left[side];
		send_some(pair, side, n);
		left[side] -= n;
	}
}

/* Early data is written before anything else, and read by a server that takes it. */
static void start_early(struct pair *pair)
{
	struct exchange *exchange = pair->exchange;
	uint8_t bytes[3000];
	size_t n;
	int state;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)exchange_random();
	for (size_t at = 0; at < sizeof(bytes); at += 1000) {
		CHECK(SSL_write_early_data(pair->ssl[0], bytes + at, 1000, &n) == 1);
		carry(pair, 0);
	}
	for (;;) {
		state = SSL_read_early_data(pair->ssl[1], bytes, sizeof(bytes), &n);
		if (state != SSL_READ_EARLY_DATA_SUCCESS)
			break;
		append(&exchange->plain[0], &exchange->plain_length[0], bytes, n);
		exchange->early_length += n;
	}
	carry(pair, 1);
	SSL_do_handshake(pair->ssl[0]);
	carry(pair, 0);
	while ((state = SSL_read_early_data(pair->ssl[1], bytes, sizeof(bytes), &n)) ==
	       SSL_READ_EARLY_DATA_SUCCESS) {
		append(&exchange->plain[0], &exchange->plain_length[0], bytes, n);
		exchange->early_length += n;
	}
	ERR_clear_error();
}

static void renegotiate(struct pair *pair, int by)
{
	CHECK(SSL_renegotiate(pair->ssl[by]));
	CHECK(SSL_do_handshake(pair->ssl[by]) == 1 || !ERR_peek_error());
	settle(pair);
	CHECK(!SSL_renegotiate_pending(pair->ssl[by]));
}

static void middle(struct pair *pair)
{
	const struct exchange_setup *setup = pair->setup;

	for (int i = 0; i < setup->renegotiate; i++) {
		renegotiate(pair, i & 1);
		talk(pair, setup->bytes / 4 + 1);
	}
	for (int i = 0; setup->key_update && i < 4; i++) {
		CHECK(SSL_key_update(pair->ssl[i & 1], i < 2 ? SSL_KEY_UPDATE_REQUESTED
							     : SSL_KEY_UPDATE_NOT_REQUESTED));
		talk(pair, setup->bytes / 4 + 1);
	}
}

static void pair_open(struct pair *pair, SSL_CTX *contexts[2], SSL_SESSION *session)
{
	for (int side = 0; side < 2; side++) {
		SSL *ssl = pair->ssl[side] = SSL_new(contexts[side]);
		BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

		CHECK(ssl && in && out);
		BIO_set_mem_eof_return(in, -1);
		BIO_set_mem_eof_return(out, -1);
		SSL_set_bio(ssl, in, out);
		SSL_set_app_data(ssl, side ? NULL : (char *)pair->exchange);
		if (pair->setup->padding)
			SSL_set_block_padding(ssl, (size_t)pair->setup->padding);
		if (pair->setup->fragment)
			SSL_set_max_send_fragment(ssl, pair->setup->fragment);
	}
	SSL_set_connect_state(pair->ssl[0]);
	SSL_set_accept_state(pair->ssl[1]);
	SSL_set_tlsext_host_name(pair->ssl[0], "example.test");
	if (session)
		CHECK(SSL_set_session(pair->ssl[0], session));
}

static void pair_close(struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		SSL_shutdown(pair->ssl[side]);
		carry(pair, side);
	}
	ERR_clear_error();
	SSL_free(pair->ssl[0]);
	SSL_free(pair->ssl[1]);
}

static SSL_SESSION *first_session(const struct exchange_setup *setup, SSL_CTX *contexts[2])
{
	struct pair pair = {.setup = setup};
	SSL_SESSION *session;

	pair_open(&pair, contexts, NULL);
	CHECK(shake(&pair));
	settle(&pair);
	session = SSL_get1_session(pair.ssl[0]);
	CHECK(session && SSL_SESSION_is_resumable(session));
	pair_close(&pair);
	return session;
}

static void run(struct pair *pair)
{
	struct exchange *exchange = pair->exchange;
	const struct exchange_setup *setup = pair->setup;

	if (setup->early)
		start_early(pair);
	exchange->failed = !shake(pair);
	CHECK(exchange->failed == setup->refused);
	if (exchange->failed)
		return;
	settle(pair);
	exchange->version = SSL_version(pair->ssl[0]);
	exchange->suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(pair->ssl[0]));
	CHECK(SSL_session_reused(pair->ssl[0]) ==
	      (setup->resume && setup->early != EXCHANGE_EARLY_REJECTED));
	talk(pair, setup->bytes);
	middle(pair);
}

struct exchange *exchange_run(const struct exchange_setup *setup)
{
	SSL_CTX *contexts[2] = {make_context(setup, false), make_context(setup, true)};
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	struct pair pair = {.setup = setup, .exchange = exchange};
	SSL_SESSION *session = setup->resume ? first_session(setup, contexts) : NULL;

	CHECK(exchange);
	if (setup->early == EXCHANGE_EARLY_REJECTED) {
		SSL_CTX_free(contexts[1]);
		contexts[1] = make_context(setup, true);
	}
	pair_open(&pair, contexts, session);
	run(&pair);
	pair_close(&pair);
	SSL_SESSION_free(session);
	SSL_CTX_free(contexts[0]);
	SSL_CTX_free(contexts[1]);
	return exchange;
}

void exchange_free(struct exchange *exchange)
{
	for (int side = 0; side < 2; side++) {
		free(exchange->wire[side]);
		free(exchange->plain[side]);
	}
	free(exchange->events);
	free(exchange);
}
