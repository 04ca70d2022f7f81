/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * e2e_paged_out PORT COUNT KEYLOG: COUNT connections to 127.0.0.1:PORT, one line each, while
 * another thread keeps taking the library's constants out of this process's memory, as the
 * kernel does when memory is short. They are still in the file.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void *constants;
static size_t constants_length;
static atomic_bool done;
static FILE *key_log;

static void fail(const char *what)
{
	fprintf(stderr, "paged_out: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* What follows the code; the read-only mapping after that has relocated pointers in it. */
static void find_constants(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	bool after_code = false;
	uintptr_t start, end;
	char line[512], mode[8];

	if (!maps)
		fail("no /proc/self/maps");
	while (!constants && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &start, &end, mode) != 3 ||
		    !strstr(line, "libssl.so"))
			continue;
		if (after_code && !strcmp(mode, "r--p")) {
			constants = (void *)start;
			constants_length = end - start;
		}
		after_code = !strcmp(mode, "r-xp");
	}
	fclose(maps);
	if (!constants)
		fail("libssl has no constants");
}

static void *take_out(void *unused)
{
	(void)unused;
	while (!atomic_load(&done))
		madvise(constants, constants_length, MADV_DONTNEED);
	return NULL;
}

static void log_key(const SSL *ssl, const char *line)
{
	(void)ssl;
	fprintf(key_log, "%s\n", line);
}

static void talk(SSL_CTX *context, uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *ssl = SSL_new(context);
	char answer[16];

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) || !ssl)
		fail("no connection");
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1 || SSL_write(ssl, "token\n", 6) != 6 ||
	    SSL_read(ssl, answer, sizeof(answer)) != 6)
		fail("no conversation");
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

int main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	pthread_t thread;

	if (argc != 4 || !context)
		fail("usage: paged_out PORT COUNT KEYLOG");
	key_log = fopen(argv[3], "w");
	if (!key_log)
		fail("cannot write the key log");
	SSL_CTX_set_keylog_callback(context, log_key);
	find_constants();
	if (pthread_create(&thread, NULL, take_out, NULL))
		fail("no thread");
	for (int i = atoi(argv[2]); i > 0; i--)
		talk(context, (uint16_t)atoi(argv[1]));
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	SSL_CTX_free(context);
	return fclose(key_log) != 0;
}
