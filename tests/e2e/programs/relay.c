/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * e2e_relay PORT CERTIFICATE THREADS: an HTTPS server that hands each connection on to the next
 * thread after every TLS call. Answers a POST with its body backwards (see exchange.py).
 *
 * Each thread has an epoll instance of its own, and a connection is in one of them at a time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX	   64
#define MESSAGE_MAX	   65536
#define STEPS_UNTIL_ANSWER 2

enum progress { SHAKING, READING, WRITING };

struct connection {
	SSL *ssl;
	int socket;
	unsigned int thread;
	enum progress progress;
	char message[MESSAGE_MAX]; /* request, then answer */
	size_t length, written;
};

static int epolls[THREADS_MAX];
static unsigned int n_threads;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void watch(struct connection *connection, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = connection};

	expect(!epoll_ctl(epolls[connection->thread], EPOLL_CTL_ADD, connection->socket, &event),
	       "epoll_ctl");
}

/* After this the connection is the next thread's: it may be gone already. */
static void hand_on(struct connection *connection, uint32_t events)
{
	expect(!epoll_ctl(epolls[connection->thread], EPOLL_CTL_DEL, connection->socket, NULL),
	       "epoll_ctl");
	connection->thread = (connection->thread + 1) % n_threads;
	watch(connection, events);
}

static void end(struct connection *connection)
{
	SSL_shutdown(connection->ssl);
	SSL_free(connection->ssl);
	close(connection->socket);
	free(connection);
}

/* Bytes of the whole request; 0: its head is not there yet. */
static size_t request_length(const struct connection *connection, size_t *head)
{
	static const char key[] = "Content-Length:";
	const char *end_of_head = memmem(connection->message, connection->length, "\r\n\r\n", 4);
	const char *length;

	if (!end_of_head)
		return 0;
	*head = (size_t)(end_of_head - connection->message) + 4;
	length = memmem(connection->message, *head, key, sizeof(key) - 1);
	return *head + (length ? strtoul(length + sizeof(key) - 1, NULL, 10) : 0);
}

static void answer(struct connection *connection, size_t head)
{
	size_t length = connection->length - head;
	char *body = calloc(1, length);
	int n;

	expect(body, "calloc");
	for (size_t i = 0; i < length; i++)
		body[i] = connection->message[connection->length - 1 - i];
	n = snprintf(connection->message, MESSAGE_MAX,
		     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
		     length);
	expect((size_t)n + length <= MESSAGE_MAX, "the request is too long");
	memcpy(connection->message + n, body, length);
	free(body);
	connection->length = (size_t)n + length;
	connection->written = 0;
	connection->progress = WRITING;
}

static int read_some(struct connection *connection)
{
	size_t head = 0, whole;
	int n = SSL_read(connection->ssl, connection->message + connection->length,
			 (int)(MESSAGE_MAX - connection->length));

	if (n <= 0)
		return n;
	connection->length += (size_t)n;
	whole = request_length(connection, &head);
	if (whole && connection->length >= whole)
		answer(connection, head);
	return n;
}

/* The answer goes out in two calls, by two threads. */
static int write_some(struct connection *connection)
{
	size_t left = connection->length - connection->written;
	size_t step = connection->length / STEPS_UNTIL_ANSWER + 1;
	int n = SSL_write(connection->ssl, connection->message + connection->written,
			  (int)(left < step ? left : step));

	if (n <= 0)
		return n;
	connection->written += (size_t)n;
	if (connection->written == connection->length) {
		connection->length = 0;
		connection->progress = READING;
	}
	return n;
}

/* One TLS call, then it is another thread's turn. */
static void go_on(struct connection *connection)
{
	uint32_t events = EPOLLIN;
	int n;

	ERR_clear_error();
	if (connection->progress == SHAKING) {
		n = SSL_accept(connection->ssl);
		if (n == 1)
			connection->progress = READING;
	} else if (connection->progress == READING) {
		n = read_some(connection);
	} else {
		n = write_some(connection);
	}
	if (n <= 0) {
		int error = SSL_get_error(connection->ssl, n);

		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
			end(connection);
			return;
		}
		events = error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
	} else if (connection->progress == WRITING || SSL_pending(connection->ssl)) {
		events = EPOLLOUT; /* which is at once */
	}
	hand_on(connection, events);
}

static void *work(void *argument)
{
	int epoll = *(const int *)argument;
	struct epoll_event event;

	for (;;) {
		int n = epoll_wait(epoll, &event, 1, -1);

		if (n == 1)
			go_on(event.data.ptr);
		else
			expect(n < 0 && errno == EINTR, "epoll_wait");
	}
	return NULL;
}

static int listen_on(const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int socket_fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	expect(!bind(socket_fd, (void *)&address, sizeof(address)) && !listen(socket_fd, 200),
	       "listen");
	return socket_fd;
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	unsigned int turn = 0;
	int listener;

	expect(argc == 4, "usage: e2e_relay PORT CERTIFICATE THREADS");
	n_threads = (unsigned int)atoi(argv[3]);
	expect(n_threads > 0 && n_threads <= THREADS_MAX, "THREADS");
	signal(SIGPIPE, SIG_IGN);
	expect(context && SSL_CTX_use_certificate_chain_file(context, argv[2]) == 1 &&
		       SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) == 1,
	       argv[2]);
	SSL_CTX_set_mode(context,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (unsigned int i = 0; i < n_threads; i++) {
		pthread_t thread;

		epolls[i] = epoll_create1(EPOLL_CLOEXEC);
		expect(epolls[i] >= 0 && !pthread_create(&thread, NULL, work, &epolls[i]),
		       "thread");
	}
	listener = listen_on(argv[1]);
	for (;;) {
		struct connection *connection = calloc(1, sizeof(*connection));
		int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		expect(connection && accepted >= 0, "accept");
		connection->socket = accepted;
		connection->ssl = SSL_new(context);
		expect(connection->ssl && SSL_set_fd(connection->ssl, accepted), "SSL_new");
		SSL_set_accept_state(connection->ssl);
		connection->thread = turn++ % n_threads;
		watch(connection, EPOLLIN);
	}
}
