/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * CPU time of a send, the receive of what it sent, and a receive that finds nothing: what a
 * program does for each small request. On one processor, over loopback, without a peer that
 * disturbs. The bytes look like TLS, or do not:
 *
 *	bench-sockets [tls|other [BYTES [ROUNDS]]]
 *
 * Its least figure says most: everything else on the machine only adds.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EXCHANGES  5000 /* in a round */
#define ROUNDS_MAX 1000

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static void connect_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (void *)&address, &length) ||
	    connect(fds[0], (void *)&address, length))
		exit(1);
	fds[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void exchange(const int fds[2], unsigned char *bytes, size_t length)
{
	static unsigned char received[1 << 16];
	size_t got = 0;

	if (write(fds[0], bytes, length) != (ssize_t)length)
		exit(1);
	while (got < length) {
		ssize_t n = read(fds[1], received, sizeof(received));

		if (n <= 0)
			exit(1);
		got += (size_t)n;
	}
	if (recv(fds[1], received, sizeof(received), MSG_DONTWAIT) >= 0)
		exit(1);
}

int main(int argc, char **argv)
{
	static double rounds[ROUNDS_MAX];
	static unsigned char bytes[1 << 16];
	const char *kind = argc > 1 ? argv[1] : "tls";
	size_t length = argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
	int n = argc > 3 ? atoi(argv[3]) : 20, fds[2];
	cpu_set_t last;

	if (length < 5 || length > 32768 || n < 1 || n > ROUNDS_MAX)
		return 2;
	CPU_ZERO(&last);
	CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
	sched_setaffinity(0, sizeof(last), &last);
	connect_pair(fds);
	memset(bytes, 7, sizeof(bytes));
	if (!strcmp(kind, "tls")) {
		bytes[0] = 22;
		bytes[1] = bytes[2] = 3;
	}
	exchange(fds, bytes, length);
	for (int i = 0; i < n; i++) {
		double begun = cpu_ns();

		for (int j = 0; j < EXCHANGES; j++)
			exchange(fds, bytes, length);
		rounds[i] = (cpu_ns() - begun) / EXCHANGES;
	}
	qsort(rounds, (size_t)n, sizeof(rounds[0]), compare);
	printf("%-5s %5zu bytes: %5.0f ns least, %5.0f ns median\n", kind, length, rounds[0],
	       rounds[n / 2]);
	return 0;
}
