/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * An HTTPS client with TLS in memory that moves its records past the buffers of system calls:
 *
 *	bypass PORT FOLDER
 *
 * For each line "HOW NAME" of standard input it gets /NAME over its one connection into
 * FOLDER/NAME and says "done NAME". HOW: read (read and write), io_uring (send and receive),
 * sendfile (write as well: it can only send), splice (both ways, over a pipe).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#define RECORD 17000

static void fail(const char *what)
{
	fprintf(stderr, "bypass: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* --- io_uring, one operation at a time ---------------------------------------------------- */

static struct {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static void *map(size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
			offset);

	if (at == MAP_FAILED)
		fail("mmap of the ring");
	return at;
}

static void ring_open(void)
{
	struct io_uring_params p = {0};
	char *sq, *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (ring.fd < 0)
		fail("io_uring_setup");
	sq = map(p.sq_off.array + p.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = map(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (unsigned int *)(sq + p.sq_off.tail);
	ring.sq_mask = (unsigned int *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (unsigned int *)(sq + p.sq_off.array);
	ring.cq_head = (unsigned int *)(cq + p.cq_off.head);
	ring.cq_tail = (unsigned int *)(cq + p.cq_off.tail);
	ring.cq_mask = (unsigned int *)(cq + p.cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
}

static ssize_t ring_do(int operation, int fd, void *bytes, size_t length)
{
	unsigned int tail, index, head;
	int result;

	if (!ring.fd)
		ring_open();
	tail = *ring.sq_tail;
	index = tail & *ring.sq_mask;
	ring.sqes[index] = (struct io_uring_sqe){.opcode = (unsigned char)operation,
						 .fd = fd,
						 .addr = (unsigned long)bytes,
						 .len = (unsigned int)length};
	ring.sq_array[index] = index;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		fail("io_uring_enter");
	head = *ring.cq_head;
	if (head == __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE))
		fail("io_uring: no answer");
	result = ring.cqes[head & *ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

/* --- ways to move bytes ------------------------------------------------------------------- */

static ssize_t uring_send(int fd, void *bytes, size_t length)
{
	return ring_do(IORING_OP_SEND, fd, bytes, length);
}

static ssize_t uring_receive(int fd, void *bytes, size_t length)
{
	return ring_do(IORING_OP_RECV, fd, bytes, length);
}

static ssize_t plain_send(int fd, void *bytes, size_t length)
{
	return write(fd, bytes, length);
}

static ssize_t plain_receive(int fd, void *bytes, size_t length)
{
	return read(fd, bytes, length);
}

static ssize_t file_send(int fd, void *bytes, size_t length)
{
	int file = memfd_create("records", 0);
	off_t offset = 0;
	ssize_t n;

	if (file < 0 || write(file, bytes, length) != (ssize_t)length)
		fail("memfd");
	n = sendfile(fd, file, &offset, length);
	close(file);
	return n;
}

static int pipe_fds[2];

static ssize_t pipe_send(int fd, void *bytes, size_t length)
{
	if (write(pipe_fds[1], bytes, length) != (ssize_t)length)
		fail("pipe");
	return splice(pipe_fds[0], NULL, fd, NULL, length, 0);
}

static ssize_t pipe_receive(int fd, void *bytes, size_t length)
{
	ssize_t n = splice(fd, NULL, pipe_fds[1], NULL, length, 0);

	return n > 0 ? read(pipe_fds[0], bytes, (size_t)n) : n;
}

static const struct way {
	const char *name;
	ssize_t (*send)(int fd, void *bytes, size_t length);
	ssize_t (*receive)(int fd, void *bytes, size_t length);
} ways[] = {
	{"read", plain_send, plain_receive},
	{"io_uring", uring_send, uring_receive},
	{"sendfile", file_send, plain_receive},
	{"splice", pipe_send, pipe_receive},
};

/* --- TLS in memory ------------------------------------------------------------------------ */

struct client {
	SSL *ssl;
	BIO *in, *out;
	int socket;
	const struct way *way;
};

static void flush(struct client *client)
{
	static char bytes[RECORD];
	int length;

	while ((length = BIO_read(client->out, bytes, sizeof(bytes))) > 0) {
		if (client->way->send(client->socket, bytes, (size_t)length) != length)
			fail("send");
	}
}

static void fill(struct client *client)
{
	static char bytes[RECORD];
	ssize_t n = client->way->receive(client->socket, bytes, sizeof(bytes));

	if (n <= 0)
		fail("receive");
	BIO_write(client->in, bytes, (int)n);
}

static void connect_tls(struct client *client, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((unsigned short)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	client->socket = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(client->socket, (void *)&address, sizeof(address)))
		fail("connect");
	client->ssl = SSL_new(context);
	client->in = BIO_new(BIO_s_mem());
	client->out = BIO_new(BIO_s_mem());
	SSL_set_bio(client->ssl, client->in, client->out);
	SSL_set_connect_state(client->ssl);
	while (SSL_do_handshake(client->ssl) != 1) {
		flush(client);
		fill(client);
	}
	flush(client);
}

static int read_some(struct client *client, char *bytes, int length)
{
	int n;

	while ((n = SSL_read(client->ssl, bytes, length)) <= 0) {
		if (SSL_get_error(client->ssl, n) != SSL_ERROR_WANT_READ)
			fail("SSL_read");
		fill(client);
	}
	return n;
}

static void get(struct client *client, const char *folder, const char *name)
{
	static char bytes[RECORD];
	char path[4096], *body, *length_at;
	size_t used = 0, left;
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file)
		fail(path);
	n = snprintf(bytes, sizeof(bytes), "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", name);
	if (SSL_write(client->ssl, bytes, n) != n)
		fail("SSL_write");
	flush(client);
	do {
		used += (size_t)read_some(client, bytes + used, (int)(sizeof(bytes) - 1 - used));
		bytes[used] = '\0';
		body = strstr(bytes, "\r\n\r\n");
	} while (!body);
	length_at = strstr(bytes, "Content-Length: ");
	if (!length_at)
		fail("no Content-Length");
	left = strtoul(length_at + 16, NULL, 10);
	body += 4;
	used -= (size_t)(body - bytes);
	fwrite(body, 1, used, file);
	for (left -= used; left; left -= (size_t)n) {
		n = read_some(client, bytes, (int)(left < RECORD ? left : RECORD));
		fwrite(bytes, 1, (size_t)n, file);
	}
	fclose(file);
	printf("done %s\n", name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct client client = {.way = ways};
	char how[32], name[256];

	if (argc != 3)
		return 2;
	if (pipe(pipe_fds))
		fail("pipe");
	connect_tls(&client, atoi(argv[1]));
	while (scanf("%31s %255s", how, name) == 2) {
		client.way = NULL;
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
			if (!strcmp(how, ways[i].name))
				client.way = &ways[i];
		if (!client.way)
			return 2;
		get(&client, argv[2], name);
	}
	close(client.socket);
	return 0;
}
