/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A TCP connection with itself over loopback that moves bytes with every system call there
 * is for it: read, write, readv, writev, send, recv, sendto, recvfrom, sendmsg, recvmsg,
 * sendmmsg, recvmmsg, MSG_PEEK, non-blocking partial results, zero-length buffers.
 *
 *	socket_calls 4|6 PORT BYTES SEED FILE
 *
 * Each direction begins like a TLS handshake record, so that who captures it goes on
 * looking. The bytes that arrived at the server go to FILE.up, those at the client to
 * FILE.down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER	 400000
#define PIECES	 5
#define MESSAGES 3

static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33) % limit;
}

static void fail(const char *what)
{
	fprintf(stderr, "socket_calls: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Cuts `length` bytes at `bytes` into pieces, some of them empty. */
static int cut(struct iovec *pieces, char *bytes, size_t length)
{
	int n = 1 + (int)random_below(PIECES);

	for (int i = 0; i < n; i++) {
		size_t part = i == n - 1 ? length : random_below((uint32_t)length + 1);

		if (random_below(6) == 0 && i < n - 1)
			part = 0;
		pieces[i].iov_base = bytes;
		pieces[i].iov_len = part;
		bytes += part;
		length -= part;
	}
	return n;
}

struct messages {
	struct mmsghdr header[MESSAGES];
	struct iovec pieces[MESSAGES][PIECES];
};

static void fill_messages(struct messages *messages, char *bytes, size_t length)
{
	memset(messages, 0, sizeof(*messages));
	for (int i = 0; i < MESSAGES; i++) {
		size_t part = length / MESSAGES;

		messages->header[i].msg_hdr.msg_iov = messages->pieces[i];
		messages->header[i].msg_hdr.msg_iovlen =
			(size_t)cut(messages->pieces[i], bytes, part);
		bytes += part;
	}
}

static ssize_t sum(const struct messages *messages, int n)
{
	ssize_t total = 0;

	for (int i = 0; i < n; i++)
		total += messages->header[i].msg_len;
	return n < 0 ? -1 : total;
}

/* Messages must be whole, or the bytes after a partial one would be another message's. */
static ssize_t send_messages(int fd, char *bytes, size_t length)
{
	struct messages messages;
	int flags = fcntl(fd, F_GETFL), n;

	if (length < MESSAGES)
		return write(fd, bytes, length);
	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	fill_messages(&messages, bytes, length);
	n = sendmmsg(fd, messages.header, MESSAGES, 0);
	fcntl(fd, F_SETFL, flags);
	return sum(&messages, n);
}

static ssize_t send_some(int fd, char *bytes, size_t length)
{
	struct iovec pieces[PIECES];
	struct msghdr message = {.msg_iov = pieces};

	switch (random_below(6)) {
	case 0:
		return write(fd, bytes, length);
	case 1:
		return send(fd, bytes, length, MSG_NOSIGNAL);
	case 2:
		return sendto(fd, bytes, length, 0, NULL, 0);
	case 3:
		return writev(fd, pieces, cut(pieces, bytes, length));
	case 4:
		message.msg_iovlen = (size_t)cut(pieces, bytes, length);
		return sendmsg(fd, &message, 0);
	default:
		return send_messages(fd, bytes, length);
	}
}

/* One message after the other would leave holes in the buffer: each gets what it can fill. */
static ssize_t receive_messages(int fd, char *bytes, size_t length)
{
	struct messages messages;
	ssize_t total = 0;
	int n;

	if (length < MESSAGES)
		return read(fd, bytes, length);
	fill_messages(&messages, bytes, length);
	n = recvmmsg(fd, messages.header, MESSAGES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		size_t part = length / MESSAGES, got = messages.header[i].msg_len;

		memmove(bytes + total, bytes + (size_t)i * part, got);
		total += (ssize_t)got;
	}
	return n < 0 ? -1 : total;
}

static ssize_t receive_some(int fd, char *bytes, size_t length)
{
	struct iovec pieces[PIECES];
	struct msghdr message = {.msg_iov = pieces};

	switch (random_below(7)) {
	case 0:
		return read(fd, bytes, length);
	case 1:
		return recv(fd, bytes, length, 0);
	case 2:
		return recvfrom(fd, bytes, length, 0, NULL, NULL);
	case 3:
		return readv(fd, pieces, cut(pieces, bytes, length));
	case 4:
		message.msg_iovlen = (size_t)cut(pieces, bytes, length);
		return recvmsg(fd, &message, 0);
	case 5:
		if (recv(fd, bytes, length, MSG_PEEK) <= 0)
			return -1;
		return recv(fd, bytes, length, 0);
	default:
		return receive_messages(fd, bytes, length);
	}
}

static void begin(char *bytes)
{
	bytes[0] = 22;
	bytes[1] = 3;
	bytes[2] = 1;
}

/* Both directions at once, until each has moved `total` bytes. */
static void exchange(int fd, size_t total, uint64_t seed, const char *name, const char *suffix)
{
	char path[4096];
	char *out = malloc(BUFFER), *in = malloc(BUFFER);
	size_t sent = 0, received = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s", name, suffix);
	file = fopen(path, "w");
	if (!out || !in || !file)
		fail(path);
	state = seed;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (sent < total || received < total) {
		struct pollfd ready = {.fd = fd,
				       .events = (short)((sent < total ? POLLOUT : 0) |
							 (received < total ? POLLIN : 0))};
		ssize_t n;

		if (poll(&ready, 1, 10000) <= 0)
			fail("poll");
		if (ready.revents & POLLOUT) {
			size_t length = 1 + random_below(random_below(4) ? 3000 : BUFFER);

			if (length > total - sent)
				length = total - sent;
			for (size_t i = 0; i < length; i++)
				out[i] = (char)random_below(256);
			if (!sent) {
				length = length < 600 ? length : 600;
				begin(out);
				n = write(fd, out, length);
			} else {
				n = send_some(fd, out, length);
			}
			if (n < 0 && errno != EAGAIN)
				fail("send");
			sent += n > 0 ? (size_t)n : 0;
		}
		if (ready.revents & POLLIN) {
			size_t length = 1 + random_below(random_below(4) ? 3000 : BUFFER);

			n = receive_some(fd, in, received ? length : 5);
			if (n < 0 && errno != EAGAIN)
				fail("receive");
			if (n > 0) {
				fwrite(in, 1, (size_t)n, file);
				received += (size_t)n;
			}
		}
	}
	if (fclose(file))
		fail(path);
	free(out);
	free(in);
}

int main(int argc, char **argv)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};
	int listener, fd, on = 1, status;
	socklen_t length;
	size_t total;
	pid_t child;

	if (argc != 6) {
		fputs("usage: socket_calls 4|6 PORT BYTES SEED FILE\n", stderr);
		return 2;
	}
	if (argv[1][0] == '4') {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons((uint16_t)atoi(argv[2]));
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		length = sizeof(address.v4);
	} else {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons((uint16_t)atoi(argv[2]));
		address.v6.sin6_addr = in6addr_loopback;
		length = sizeof(address.v6);
	}
	total = strtoull(argv[3], NULL, 10);
	listener = socket(address.any.sa_family, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, &address.any, length) || listen(listener, 1))
		fail("listen");
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		fd = socket(address.any.sa_family, SOCK_STREAM, 0);
		if (connect(fd, &address.any, length))
			fail("connect");
		exchange(fd, total, strtoull(argv[4], NULL, 10) + 1, argv[5], "down");
		return 0;
	}
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		fail("accept");
	exchange(fd, total, strtoull(argv[4], NULL, 10), argv[5], "up");
	if (waitpid(child, &status, 0) != child || status)
		fail("the client");
	return 0;
}
