/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Prints what the locate stage finds in files: for debugging, and for bug reports. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <tlspcap/locate.h>

#define RESULTS_MAX 8

enum { EXIT_FOUND = 0, EXIT_NOTHING = 1, EXIT_USAGE = 2 };

static void usage(FILE *to)
{
	fputs("Usage: tlspcap-locate FILE...\n"
	      "Prints the TLS functions that tlspcap would probe in each ELF file, and how it\n"
	      "found them.\n"
	      "\n"
	      "  -t, --time  also print how long it took\n"
	      "  -h, --help  print this and exit\n"
	      "\n"
	      "Exit status: 0 every file holds TLS functions, 1 at least one does not or cannot\n"
	      "be read, 2 wrong usage.\n",
	      to);
}

static void print_path(const char *name, const struct tlspcap_path *path)
{
	printf("  %s:", name);
	if (path->steps == 0)
		printf(" unknown");
	for (int i = 0; i < path->steps; i++)
		printf("%s +0x%x", i ? " load" : "", (unsigned)path->offset[i]);
	printf("\n");
}

static void print_result(const char *file, const struct locate_result *result)
{
	static const char *const when[] = {
		"", "enter", "leave", "enter, leave", "leaves here",
	};
	char name[64];

	printf("%s: %s %s\n", file, result->family,
	       result->version[0] ? result->version : "of unknown version");
	printf("  plaintext: %s, %s\n", result->plaintext ? "yes" : "no", result->plaintext_how);
	printf("  secrets: %s, %s\n", result->secrets ? "yes" : "no", result->secrets_how);
	print_path("client random", &result->layout.client_random);
	print_path("server flag", &result->layout.server_flag);
	for (int i = 0; i < TLSPCAP_LAYOUT_PATHS; i++) {
		if (!result->layout.path[i].steps)
			continue;
		snprintf(name, sizeof(name), "%s's field %d", result->family, i);
		print_path(name, &result->layout.path[i]);
	}
	for (size_t i = 0; i < result->n_probes; i++)
		printf("  0x%08llx %2u %-24s %s\n", (unsigned long long)result->probes[i].offset,
		       result->probes[i].function, result->probes[i].name,
		       when[result->probes[i].when % 5]);
}

static int locate_bytes(const char *file, const void *image, size_t size, bool timed)
{
	struct locate_result results[RESULTS_MAX];
	struct timespec start, end;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &start);
	n = locate_image(image, size, results, RESULTS_MAX);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (n < 0)
		fprintf(stderr, "tlspcap-locate: %s: %s\n", file,
			n == -ENOEXEC	? "not a 64-bit little-endian ELF file"
			: n == -EBADMSG ? "a damaged ELF file"
			: n == -ENOTSUP
				? "a TLS library in 32-bit or big-endian code, which is not read"
				: strerror(-n));
	if (n == 0)
		printf("%s: no TLS functions\n", file);
	for (int i = 0; i < n; i++)
		print_result(file, &results[i]);
	if (timed)
		printf("  time: %.1f ms\n", (double)(end.tv_sec - start.tv_sec) * 1e3 +
						    (double)(end.tv_nsec - start.tv_nsec) / 1e6);
	return n > 0 ? EXIT_FOUND : EXIT_NOTHING;
}

static int locate_file(const char *file, bool timed)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), status = EXIT_NOTHING;
	struct stat st;
	void *image;

	if (fd < 0) {
		fprintf(stderr, "tlspcap-locate: %s: %s\n", file, strerror(errno));
		return EXIT_NOTHING;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		fprintf(stderr, "tlspcap-locate: %s: not a regular file with content\n", file);
		goto out;
	}
	image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED) {
		fprintf(stderr, "tlspcap-locate: %s: %s\n", file, strerror(errno));
		goto out;
	}
	status = locate_bytes(file, image, (size_t)st.st_size, timed);
	munmap(image, (size_t)st.st_size);
out:
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"time", no_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {0}};
	int option, status = EXIT_FOUND;
	bool timed = false;

	while ((option = getopt_long(argc, argv, "th", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_FOUND;
		}
		if (option != 't') {
			usage(stderr);
			return EXIT_USAGE;
		}
		timed = true;
	}
	if (optind == argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++)
		status |= locate_file(argv[i], timed);
	return status;
}
