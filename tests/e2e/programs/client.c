/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * e2e_client HOW PORT FILE PATH: uploads FILE to https://127.0.0.1:PORT/PATH with HTTP PUT, in
 * one of the ways in which programs use OpenSSL and in which curl does not:
 *
 *	big	head and body in one SSL_write
 *	ex	the same with SSL_write_ex, answers read with SSL_read_ex
 *	partial	non-blocking, partial writes enabled, each continued where it stopped
 *	retry	non-blocking, the whole call repeated until it is done
 *	peek	answers looked at with SSL_peek and SSL_peek_ex before they are read
 *	failed	calls that must fail or move nothing, before, between and after good ones
 *
 * Exits 0 when the server's answer begins with "HTTP/1.1 20" and all went as it says here.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
	SSL *ssl;
	int socket;
	char *message;
	size_t length;
	unsigned int incomplete; /* calls that did not do all they were asked to */
};

static void fail(const char *what)
{
	fprintf(stderr, "client: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void expect(bool holds, const char *what)
{
	if (!holds)
		fail(what);
}

static char *read_message(const char *file, const char *path, size_t *length)
{
	FILE *stream = fopen(file, "rb");
	long size;
	int head;
	char *message;

	expect(stream && !fseek(stream, 0, SEEK_END), "cannot read the file");
	size = ftell(stream);
	rewind(stream);
	message = malloc((size_t)size + 1024);
	expect(size >= 0 && message, "no memory");
	head = snprintf(message, 1024,
			"PUT /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
			"Content-Type: application/octet-stream\r\nContent-Length: %ld\r\n\r\n",
			path, size);
	expect(fread(message + head, 1, (size_t)size, stream) == (size_t)size, "short file");
	fclose(stream);
	*length = (size_t)head + (size_t)size;
	return message;
}

static int connect_to(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int small = 16384;

	expect(fd >= 0, "no socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	expect(!connect(fd, (struct sockaddr *)&address, sizeof(address)), "cannot connect");
	return fd;
}

/* Waits for what the call that returned `result` wants; anything else is a failure. */
static void wait_for(struct client *client, int result)
{
	struct pollfd poll_fd = {.fd = client->socket};
	int error = SSL_get_error(client->ssl, result);

	if (error == SSL_ERROR_WANT_WRITE)
		poll_fd.events = POLLOUT;
	else if (error == SSL_ERROR_WANT_READ)
		poll_fd.events = POLLIN;
	else
		fail("a call failed that should not");
	client->incomplete++;
	expect(poll(&poll_fd, 1, 30000) == 1, "the server does nothing");
}

static void write_all(struct client *client, const char *bytes, size_t length)
{
	expect(SSL_write(client->ssl, bytes, (int)length) == (int)length, "SSL_write");
}

static void write_non_blocking(struct client *client, bool partial)
{
	const char *next = client->message;
	size_t left = client->length;

	fcntl(client->socket, F_SETFL, fcntl(client->socket, F_GETFL) | O_NONBLOCK);
	if (partial)
		SSL_set_mode(client->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (left) {
		int n = SSL_write(client->ssl, next, (int)left);

		if (n <= 0) {
			wait_for(client, n);
			continue;
		}
		client->incomplete += (size_t)n < left;
		next += n;
		left -= (size_t)n;
	}
	expect(client->incomplete, "no call was incomplete: nothing was tested");
}

static void write_with_failures(struct client *client)
{
	size_t half = client->length / 2, written;

	expect(SSL_write(client->ssl, "negative", -1) <= 0, "a negative length was accepted");
	ERR_clear_error();
	write_all(client, client->message, half);
	/* OpenSSL 3.0 takes an empty write as success, older ones do not. */
	SSL_write(client->ssl, "empty", 0);
	SSL_write_ex(client->ssl, "empty", 0, &written);
	ERR_clear_error();
	write_all(client, client->message + half, client->length - half);
}

static void write_message(struct client *client, const char *how)
{
	size_t written = 0;

	if (!strcmp(how, "partial"))
		write_non_blocking(client, true);
	else if (!strcmp(how, "retry"))
		write_non_blocking(client, false);
	else if (!strcmp(how, "failed"))
		write_with_failures(client);
	else if (!strcmp(how, "ex"))
		expect(SSL_write_ex(client->ssl, client->message, client->length, &written) == 1 &&
			       written == client->length,
		       "SSL_write_ex");
	else
		write_all(client, client->message, client->length);
}

/* One read of the answer; 0 at its end. */
static int read_some(struct client *client, const char *how, char *bytes, int room)
{
	char ahead[64];
	size_t n = 0;

	if (!strcmp(how, "peek")) {
		SSL_peek(client->ssl, ahead, 7);
		SSL_peek(client->ssl, ahead, sizeof(ahead));
		SSL_peek_ex(client->ssl, ahead, sizeof(ahead), &n);
		room = 11; /* more calls than records */
	}
	if (!strcmp(how, "ex"))
		return SSL_read_ex(client->ssl, bytes, (size_t)room, &n) ? (int)n : 0;
	return SSL_read(client->ssl, bytes, room);
}

static void read_answer(struct client *client, const char *how)
{
	char answer[4096];
	int length = 0, n;

	while (length < (int)sizeof(answer) - 1) {
		n = read_some(client, how, answer + length, (int)sizeof(answer) - 1 - length);
		if (n > 0) {
			length += n;
			continue;
		}
		n = SSL_get_error(client->ssl, n);
		if (n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE)
			break;
		wait_for(client, -1);
	}
	answer[length] = '\0';
	if (strncmp(answer, "HTTP/1.1 20", 11))
		fail(answer);
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	struct client client = {0};

	expect(argc == 5, "usage: client HOW PORT FILE PATH");
	expect(context, "no context");
	signal(SIGPIPE, SIG_IGN);
	client.message = read_message(argv[3], argv[4], &client.length);
	client.socket = connect_to(argv[2]);
	client.ssl = SSL_new(context);
	expect(client.ssl && SSL_set_fd(client.ssl, client.socket) == 1, "no connection object");
	SSL_set_tlsext_host_name(client.ssl, "server.test");
	expect(SSL_connect(client.ssl) == 1, "handshake");
	write_message(&client, argv[1]);
	read_answer(&client, argv[1]);
	SSL_shutdown(client.ssl);
	if (!strcmp(argv[1], "failed"))
		expect(SSL_write(client.ssl, "after the end", 13) <= 0, "written after the end");
	SSL_free(client.ssl);
	SSL_CTX_free(context);
	close(client.socket);
	free(client.message);
	return 0;
}
