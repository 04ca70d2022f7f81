/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * gnutls_calls PORT FILE: a client that moves lines by every call that GnuTLS has for it. The
 * server is `openssl s_server -rev`, which answers each line reversed. The library is opened by
 * its name, so that no headers are needed.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT		 2 /* gnutls_init's flag */
#define CERTIFICATE	 1 /* GNUTLS_CRD_CERTIFICATE */
#define NAME_DNS	 1
#define CORK_WAIT	 1 /* GNUTLS_RECORD_WAIT */
#define SHUTDOWN_WRITING 1
#define AGAIN		 (-28) /* GNUTLS_E_AGAIN */

struct datum {
	unsigned char *data;
	unsigned int size;
};

struct range {
	size_t low, high;
};

static void *library, *session;

static void fail(const char *what)
{
	fprintf(stderr, "gnutls_calls: %s\n", what);
	exit(1);
}

static void *find(const char *name)
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

static void start(int port)
{
	int (*init)(void *, unsigned int) = find("gnutls_init");
	int (*allocate)(void *) = find("gnutls_certificate_allocate_credentials");
	int (*set_credentials)(void *, int, void *) = find("gnutls_credentials_set");
	int (*set_priority)(void *) = find("gnutls_set_default_priority");
	int (*set_name)(void *, int, const void *, size_t) = find("gnutls_server_name_set");
	void (*set_socket)(void *, int, int) = find("gnutls_transport_set_int2");
	int (*handshake)(void *) = find("gnutls_handshake");
	int fd = connect_to(port);
	void *credentials;

	if (init(&session, CLIENT) || allocate(&credentials) ||
	    set_credentials(session, CERTIFICATE, credentials) || set_priority(session) ||
	    set_name(session, NAME_DNS, "calls.test", strlen("calls.test")))
		fail("no session");
	set_socket(session, fd, fd);
	if (handshake(session))
		fail("gnutls_handshake");
}

/* Reads until the line's end, by the call that the turn is at. */
static void receive(int turn)
{
	ssize_t (*recv)(void *, void *, size_t) = find("gnutls_record_recv");
	ssize_t (*recv_seq)(void *, void *, size_t, unsigned char *) =
		find("gnutls_record_recv_seq");
	ssize_t (*recv_packet)(void *, void *) = find("gnutls_record_recv_packet");
	void (*packet_get)(void *, struct datum *, unsigned char *) = find("gnutls_packet_get");
	void (*packet_free)(void *) = find("gnutls_packet_deinit");
	unsigned char sequence[8];
	char line[4096], *end = line;

	while (end == line || end[-1] != '\n') {
		size_t room = sizeof(line) - (size_t)(end - line);
		struct datum datum;
		void *packet;
		ssize_t n;

		if (turn % 3 == 0) {
			n = recv(session, end, room);
		} else if (turn % 3 == 1) {
			n = recv_seq(session, end, room, sequence);
		} else {
			n = recv_packet(session, &packet);
			if (n > 0) {
				packet_get(packet, &datum, NULL);
				if ((size_t)n > room || datum.size != (size_t)n)
					fail("a packet of another size");
				memcpy(end, datum.data, datum.size);
				packet_free(packet);
			}
		}
		if (n == AGAIN) /* a ticket came */
			continue;
		if (n <= 0)
			fail("the end came early");
		end += n;
	}
	fwrite(line, 1, (size_t)(end - line), stdout);
}

static void expect(ssize_t n, const char *line)
{
	if (n != (ssize_t)strlen(line))
		fail(line);
}

int main(int argc, char **argv)
{
	ssize_t (*send)(void *, const void *, size_t);
	ssize_t (*send2)(void *, const void *, size_t, size_t, unsigned int);
	ssize_t (*send_range)(void *, const void *, size_t, const struct range *);
	ssize_t (*send_file)(void *, int, off_t *, size_t);
	void (*cork)(void *);
	int (*uncork)(void *, unsigned int), (*bye)(void *, int);
	struct range range = {0, 64};
	off_t size, offset = 0;
	ssize_t sent;
	int file;

	library = dlopen("libgnutls.so.30", RTLD_NOW);
	if (argc != 3 || !library)
		fail("usage: gnutls_calls PORT FILE, with libgnutls.so.30");
	send = find("gnutls_record_send");
	send2 = find("gnutls_record_send2");
	send_range = find("gnutls_record_send_range");
	send_file = find("gnutls_record_send_file");
	cork = find("gnutls_record_cork");
	uncork = find("gnutls_record_uncork");
	bye = find("gnutls_bye");
	start(atoi(argv[1]));

	expect(send(session, "by-send\n", 8), "by-send\n");
	receive(0);
	expect(send2(session, "by-send2\n", 9, 7, 0), "by-send2\n");
	receive(1);
	expect(send_range(session, "by-range\n", 9, &range), "by-range\n");
	receive(2);
	cork(session);
	expect(send(session, "by-", 3), "by-");
	expect(send(session, "cork\n", 5), "cork\n");
	if (uncork(session, CORK_WAIT) != 8)
		fail("gnutls_record_uncork");
	receive(3);
	file = open(argv[2], O_RDONLY | O_CLOEXEC);
	size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
	if (size <= 0 || lseek(file, 0, SEEK_SET))
		fail(argv[2]);
	sent = send_file(session, file, &offset, (size_t)size);
	if (sent != size) {
		fprintf(stderr, "gnutls_calls: gnutls_record_send_file: %zd\n", sent);
		return 1;
	}
	receive(5);
	bye(session, SHUTDOWN_WRITING);
	return 0;
}
