/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * CPU time of system calls that have nothing to do with sockets or TLS, for a process that is
 * not captured: one that does nothing, a write and a read on a pipe, a mapping that is made
 * and taken away (where later libraries are noticed).
 *
 *	bench-calls [ROUNDS]
 *
 * Prints "NAME NANOSECONDS" for each: the least of the rounds, since everything else on the
 * machine only adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS 20000 /* in a round */

static int ends[2];

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void nothing(void)
{
	syscall(SYS_getppid);
}

static void through_pipe(void)
{
	char byte = 0;

	if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
		exit(1);
}

static void mapping(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || munmap(memory, 4096))
		exit(1);
}

static const struct {
	const char *name;
	void (*call)(void);
} kinds[] = {
	{"nothing", nothing},
	{"pipe", through_pipe},
	{"mapping", mapping},
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 50;
	double least[N_KINDS] = {0};

	if (rounds < 1 || pipe(ends))
		return 1;
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < N_KINDS; i++) {
			double begun = cpu_ns(), each;

			for (int n = 0; n < CALLS; n++)
				kinds[i].call();
			each = (cpu_ns() - begun) / CALLS;
			if (!round || each < least[i])
				least[i] = each;
		}
	}
	for (size_t i = 0; i < N_KINDS; i++)
		printf("%s %.1f\n", kinds[i].name, least[i]);
	return 0;
}
