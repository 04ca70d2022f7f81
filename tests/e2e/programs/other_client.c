/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * other_client wolfssl|mbedtls 1.2|1.3|any PORT PATH: gets https://127.0.0.1:PORT/PATH over
 * HTTP/1.0 and writes the body to stdout. With "change" in place of a path it has a line answered,
 * changes the keys (TLS 1.3: KeyUpdate, 1.2: renegotiation) and has another one answered. The
 * library is opened by its name, so that one program does for every version of it: these have no
 * client program in Debian.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

typedef ssize_t (*move_fn)(void *tls, void *bytes, size_t size);

struct connection {
	void *tls;
	move_fn read, write;
	void (*close)(void *tls);
	int (*change)(void *tls); /* of keys; NULL: it has none in this version */
	int changed;		  /* what that returns when it has worked */
};

static void fail(const char *what)
{
	fprintf(stderr, "other_client: %s\n", what);
	exit(1);
}

/* The one version of the library that this machine has. */
static void *open_library(const char *name)
{
	char pattern[128];
	glob_t found;
	void *library;

	snprintf(pattern, sizeof(pattern), "/usr/lib/*-linux-gnu/%s.so.[0-9]*", name);
	if (glob(pattern, 0, NULL, &found) || found.gl_pathc == 0)
		fail("the library is not there");
	library = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_GLOBAL);
	globfree(&found);
	if (!library)
		fail(dlerror());
	return library;
}

static void *find(void *library, const char *name)
{
	void *function = dlsym(library, name);

	if (!function)
		fail(name);
	return function;
}

static int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("no connection");
	return fd;
}

/* --- wolfSSL ------------------------------------------------------------------------- */

static int (*wolf_read)(void *, void *, int);
static int (*wolf_write)(void *, const void *, int);

static ssize_t wolfssl_read(void *tls, void *bytes, size_t size)
{
	return wolf_read(tls, bytes, (int)size);
}

static ssize_t wolfssl_write(void *tls, void *bytes, size_t size)
{
	return wolf_write(tls, bytes, (int)size);
}

static void open_wolfssl(struct connection *connection, const char *version, int fd)
{
	void *library = open_library("libwolfssl"), *context;
	void *(*new_context)(void *) = find(library, "wolfSSL_CTX_new");
	void (*set_verify)(void *, int, void *) = find(library, "wolfSSL_CTX_set_verify");
	void *(*new_tls)(void *) = find(library, "wolfSSL_new");
	int (*set_fd)(void *, int) = find(library, "wolfSSL_set_fd");
	int (*init)(void) = find(library, "wolfSSL_Init");
	int (*connect)(void *) = find(library, "wolfSSL_connect");
	int (*allow)(void *) = dlsym(library, "wolfSSL_UseSecureRenegotiation");
	void *(*method)(void);

	if (!strcmp(version, "1.2"))
		method = find(library, "wolfTLSv1_2_client_method");
	else if (!strcmp(version, "1.3"))
		method = find(library, "wolfTLSv1_3_client_method");
	else
		method = find(library, "wolfSSLv23_client_method");
	wolf_read = find(library, "wolfSSL_read");
	wolf_write = find(library, "wolfSSL_write");
	init();
	context = new_context(method());
	set_verify(context, 0, NULL);
	connection->tls = new_tls(context);
	set_fd(connection->tls, fd);
	connection->change = dlsym(library, !strcmp(version, "1.3") ? "wolfSSL_update_keys"
								    : "wolfSSL_Rehandshake");
	connection->changed = 1;
	if (allow && connection->change && strcmp(version, "1.3") != 0)
		allow(connection->tls);
	if (connect(connection->tls) != 1)
		fail("wolfSSL_connect");
	connection->read = wolfssl_read;
	connection->write = wolfssl_write;
	connection->close = find(library, "wolfSSL_shutdown");
}

/* --- mbedTLS: its objects are the caller's memory, larger here than any version needs -- */

static int (*mbed_read)(void *, void *, size_t);
static int (*mbed_write)(void *, const void *, size_t);

static int mbedtls_random(void *ctx, unsigned char *to, size_t size)
{
	(void)ctx;
	return getrandom(to, size, 0) == (ssize_t)size ? 0 : -1;
}

static int mbedtls_send(void *fd, const unsigned char *bytes, size_t size)
{
	return (int)send(*(int *)fd, bytes, size, MSG_NOSIGNAL);
}

static int mbedtls_receive(void *fd, unsigned char *bytes, size_t size)
{
	return (int)recv(*(int *)fd, bytes, size, 0);
}

#define TICKET_CAME (-0x7b00) /* MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET: read on */

static ssize_t mbedtls_read(void *tls, void *bytes, size_t size)
{
	int n;

	do
		n = mbed_read(tls, bytes, size);
	while (n == TICKET_CAME);
	return n;
}

static ssize_t mbedtls_write(void *tls, void *bytes, size_t size)
{
	return mbed_write(tls, bytes, size);
}

static void open_mbedtls(struct connection *connection, const char *version, int fd)
{
	static _Alignas(16) char tls[16384], config[16384];
	static int socket_fd;
	void *crypto = open_library("libmbedcrypto"), *x509 = open_library("libmbedx509");
	void *library = open_library("libmbedtls");
	int (*psa_init)(void) = dlsym(crypto, "psa_crypto_init");
	void (*init)(void *) = find(library, "mbedtls_ssl_init");
	void (*init_config)(void *) = find(library, "mbedtls_ssl_config_init");
	int (*defaults)(void *, int, int, int) = find(library, "mbedtls_ssl_config_defaults");
	void (*max_version)(void *, int, int) = find(library, "mbedtls_ssl_conf_max_version");
	void (*set_verify)(void *, int) = find(library, "mbedtls_ssl_conf_authmode");
	void (*set_random)(void *, int (*)(void *, unsigned char *, size_t), void *) =
		find(library, "mbedtls_ssl_conf_rng");
	int (*setup)(void *, void *) = find(library, "mbedtls_ssl_setup");
	int (*set_name)(void *, const char *) = find(library, "mbedtls_ssl_set_hostname");
	void (*set_bio)(void *, void *, int (*)(void *, const unsigned char *, size_t),
			int (*)(void *, unsigned char *, size_t), void *) =
		find(library, "mbedtls_ssl_set_bio");
	int (*handshake)(void *) = find(library, "mbedtls_ssl_handshake");
	void (*allow)(void *, int) = find(library, "mbedtls_ssl_conf_renegotiation");
	int result;

	(void)x509;
	socket_fd = fd;
	if (psa_init)
		psa_init();
	init(tls);
	init_config(config);
	defaults(config, 0, 0, 0);
	if (!strcmp(version, "1.2"))
		max_version(config, 3, 3); /* as on the wire */
	set_verify(config, 0);
	if (strcmp(version, "1.3") != 0) {
		allow(config, 1);
		connection->change = find(library, "mbedtls_ssl_renegotiate");
	}
	set_random(config, mbedtls_random, NULL);
	if (setup(tls, config) || set_name(tls, "server.test"))
		fail("mbedtls_ssl_setup");
	set_bio(tls, &socket_fd, mbedtls_send, mbedtls_receive, NULL);
	mbed_read = find(library, "mbedtls_ssl_read");
	mbed_write = find(library, "mbedtls_ssl_write");
	result = handshake(tls);
	if (result) {
		fprintf(stderr, "other_client: mbedtls_ssl_handshake: -0x%x\n", -result);
		exit(1);
	}
	connection->tls = tls;
	connection->read = mbedtls_read;
	connection->write = mbedtls_write;
	connection->close = find(library, "mbedtls_ssl_close_notify");
}

/* --- HTTP ---------------------------------------------------------------------------- */

/* The length that the header says, or -1. */
static long body_length(const char *header)
{
	const char *field = strcasestr(header, "\r\nContent-Length:");

	return field ? strtol(field + 17, NULL, 10) : -1;
}

static void fetch(struct connection *connection, const char *path)
{
	static char bytes[1 << 20];
	size_t size = 0, start = 0;
	long length = -1;
	ssize_t n;
	char *end;

	n = snprintf(bytes, sizeof(bytes),
		     "GET %s HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n\r\n", path);
	if (connection->write(connection->tls, bytes, (size_t)n) != n)
		fail("write");
	while (size < sizeof(bytes) - 1 && (length < 0 || size < start + (size_t)length)) {
		n = connection->read(connection->tls, bytes + size, sizeof(bytes) - 1 - size);
		if (n <= 0)
			break;
		size += (size_t)n;
		bytes[size] = '\0';
		end = start ? NULL : strstr(bytes, "\r\n\r\n");
		if (!end)
			continue;
		start = (size_t)(end - bytes) + 4;
		length = body_length(bytes);
	}
	if (length < 0 || size != start + (size_t)length)
		fail("not all of the body came");
	connection->close(connection->tls);
	if (fwrite(bytes + start, 1, size - start, stdout) != size - start)
		fail("stdout");
}

/* --- lines --------------------------------------------------------------------------- */

static void ask(struct connection *connection, const char *line)
{
	size_t size = strlen(line), got = 0;
	char answer[256];
	ssize_t n;

	if (connection->write(connection->tls, (void *)line, size) != (ssize_t)size)
		fail("write");
	while (got < size) {
		n = connection->read(connection->tls, answer + got, sizeof(answer) - got);
		if (n <= 0)
			fail("no answer");
		got += (size_t)n;
	}
	if (fwrite(answer, 1, got, stdout) != got)
		fail("stdout");
}

static void change_keys(struct connection *connection)
{
	if (!connection->change)
		fail("this version changes no keys");
	ask(connection, "words-of-old-keys\n");
	if (connection->change(connection->tls) != connection->changed)
		fail("no change of keys");
	ask(connection, "words-of-new-keys\n");
	ask(connection, "more-words\n");
	connection->close(connection->tls);
}

/* Without a reset: what the other side still sends is taken before the end. */
static void finish(int fd)
{
	char rest[256];

	shutdown(fd, SHUT_WR);
	while (recv(fd, rest, sizeof(rest), 0) > 0)
		continue;
	close(fd);
}

int main(int argc, char **argv)
{
	struct connection connection = {0};
	int fd;

	if (argc != 5)
		fail("usage: other_client wolfssl|mbedtls 1.2|1.3|any PORT PATH");
	fd = connect_to(atoi(argv[3]));
	if (!strcmp(argv[1], "wolfssl"))
		open_wolfssl(&connection, argv[2], fd);
	else
		open_mbedtls(&connection, argv[2], fd);
	if (!strcmp(argv[4], "change"))
		change_keys(&connection);
	else
		fetch(&connection, argv[4]);
	finish(fd);
	return 0;
}
