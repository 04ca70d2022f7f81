/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Two threads that receive on one socket, without a lock:
 *
 *	readers PORT BYTES
 *
 * The bytes come from a child in a mount namespace of its own, over loopback, and begin like a TLS
 * handshake record, which one thread receives, as in every handshake: nobody could know otherwise
 * that it is TLS. Says how many each of the threads received.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int receiver;

static void *receive(void *ctx)
{
	char bytes[700];
	size_t *sum = ctx;
	ssize_t n;

	while ((n = recv(receiver, bytes, sizeof(bytes), 0)) > 0)
		*sum += (size_t)n;
	return NULL;
}

#define BEGINNING 1000000 /* bytes */

static void send_all(const struct sockaddr_in *address, size_t left)
{
	static unsigned char bytes[4000];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (unshare(CLONE_NEWNS) || connect(fd, (const void *)address, sizeof(*address)))
		_exit(1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + 100);
	bytes[0] = 22;
	bytes[1] = 3;
	bytes[2] = 1;
	while (left) {
		ssize_t n = write(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));

		if (n <= 0)
			_exit(1);
		left -= (size_t)n;
		bytes[0] = 100;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	size_t sums[2] = {0, 0}, bytes;
	pthread_t threads[2];
	static char beginning[BEGINNING];
	ssize_t begun;

	if (argc != 3)
		return 2;
	address.sin_port = htons((unsigned short)atoi(argv[1]));
	bytes = strtoul(argv[2], NULL, 10);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 1))
		return 1;
	if (fork() == 0)
		send_all(&address, bytes);
	receiver = accept(listener, NULL, NULL);
	/* By one until the view of it is chosen: a gap before that chooses another. */
	begun = recv(receiver, beginning, sizeof(beginning), MSG_WAITALL);
	if (begun != sizeof(beginning))
		return 1;
	sums[0] = (size_t)begun;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, receive, &sums[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%zu %zu\n", sums[0], sums[1]);
	return sums[0] + sums[1] == bytes ? 0 : 1;
}
