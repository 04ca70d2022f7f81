/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* tlspcap-check finds each kind of fault: a checker that finds nothing proves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <tlspcap/frame.h>
#include <tlspcap/pcapng.h>

#define LINE                                                                                       \
	"CLIENT_RANDOM 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f abcdef\n"

/* The blocks of a good file, by letter. */
enum {
	SECTION,
	INTERFACE,
	PROCESS,
	KEYS, /* DSB */
	V4,
	V6,
	STATISTICS,
	BLOCKS
};
static const char letters[] = "SIPKVWT";
#define GOOD "SIPKVWT"

static uint8_t blocks[BLOCKS][512];
static size_t lengths[BLOCKS];
static char directory[] = "/tmp/tlspcap-check-XXXXXX";
static char path[64], tool[512];

static ssize_t put_packet(uint8_t *out, uint16_t family)
{
	struct frame_flow flow = {.family = family, .local_port = 40000, .remote_port = 443};
	struct frame_piece piece = {(const uint8_t *)"odd", 3};
	struct pcapng_packet packet = {.comment = "pid=1;", .comment_length = 6};
	struct frame_stream *stream = frame_stream_new(&flow);
	size_t length = frame_build(stream, FRAME_DATA, 0, &piece, 1, out + PCAPNG_PACKET_HEADER,
				    sizeof(blocks[0]) - 128);

	frame_stream_free(stream);
	return pcapng_finish_packet(out, sizeof(blocks[0]), &packet, length);
}

static int make_blocks(void **state)
{
	const size_t room = sizeof(blocks[0]);
	struct pcapng_section section = {"hw", "os", "application", "text"};
	struct pcapng_interface interface = {"name", "text", "tcp", "os"};
	struct pcapng_statistics stats = {0};
	const ssize_t sizes[] = {
		pcapng_put_section(blocks[SECTION], room, &section),
		pcapng_put_interface(blocks[INTERFACE], room, &interface),
		pcapng_put_process(blocks[PROCESS], room, 1, "name"),
		pcapng_put_secrets(blocks[KEYS], room, LINE, strlen(LINE)),
		put_packet(blocks[V4], 4),
		put_packet(blocks[V6], 6),
		pcapng_put_statistics(blocks[STATISTICS], room, &stats),
	};
	ssize_t length = readlink("/proc/self/exe", tool, sizeof(tool) - 64);

	(void)state;
	for (int i = 0; i < BLOCKS; i++) {
		if (sizes[i] < 0)
			return -1;
		lengths[i] = (size_t)sizes[i];
	}
	if (length < 0 || !mkdtemp(directory))
		return -1;
	/* Beside the tests' own folder in the build; TLSPCAP_CHECK names another. */
	tool[length] = '\0';
	strcpy(strrchr(tool, '/'), "/../tools/tlspcap-check");
	if (getenv("TLSPCAP_CHECK"))
		snprintf(tool, sizeof(tool), "%s", getenv("TLSPCAP_CHECK"));
	snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

/* Runs tlspcap-check with these arguments and gives its exit status and what it printed. */
static int check(const char *arguments, char *printed, size_t size)
{
	char command[1024];
	size_t length;
	FILE *pipe;
	int status;

	if (access(tool, X_OK)) {
		print_message("%s is not built\n", tool);
		skip();
	}
	snprintf(command, sizeof(command), "%s %s 2>&1", tool, arguments);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	length = fread(printed, 1, size - 1, pipe);
	printed[length] = '\0';
	while (fgetc(pipe) != EOF)
		;
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static FILE *new_file(void)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	return file;
}

/* The blocks in this order, without the last `cut` bytes. */
static void write_file(const char *order, size_t cut)
{
	FILE *file = new_file();
	long size;

	for (; *order; order++) {
		size_t i = (size_t)(strchr(letters, *order) - letters);

		fwrite(blocks[i], 1, lengths[i], file);
	}
	size = ftell(file);
	fclose(file);
	assert_int_equal(truncate(path, size - (long)cut), 0);
}

/* `clean`: the exit status is 0. Otherwise 1, and what is printed has `part`. */
static void assert_verdict(const char *part)
{
	char printed[8192];
	int status = check(path, printed, sizeof(printed));

	if (status != (part ? 1 : 0) || (part && !strstr(printed, part)))
		fail_msg("exit %d instead of \"%s\": %s", status, part ? part : "clean", printed);
}

static void test_good_files(void **state)
{
	static const char *const orders[] = {
		GOOD, "S", "SI", "SIK", "SIKPVKW", "SIIPVW", GOOD GOOD, "SIPVTSIPW",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		write_file(orders[i], 0);
		assert_verdict(NULL);
	}
}

static void test_order(void **state)
{
	static const struct {
		const char *order, *part;
	} cases[] = {
		{"", "empty"},
		{"ISPV", "no section header"},
		{"SPV", "block 3 at offset"},
		{"SPV", "interface 0 has no description"},
		{"SIV", "process block 0, of which there are 0"},
		{"SIPVSPV", "interface 0 has no description"}, /* in its own section */
		{"SIPVSIV", "process block 0, of which there are 0"},
		{"ST", "interface 0 has no description"},
		{"SIPVK", "secrets after the last packet (1 block)"},
		{"SIPVKKT", "secrets after the last packet (2 blocks)"},
		{"SIPVKSIPV", "secrets after the last packet"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(cases[i].order, 0);
		assert_verdict(cases[i].part);
	}
}

/* Secrets go before the packets that need them: who is killed between them leaves them last. */
static void test_killed(void **state)
{
	char arguments[128], printed[8192];

	(void)state;
	snprintf(arguments, sizeof(arguments), "--killed %s", path);
	write_file("SIPVK", 0);
	assert_int_equal(check(arguments, printed, sizeof(printed)), 0);
	write_file("SIPVK", 1);
	assert_int_equal(check(arguments, printed, sizeof(printed)), 1);
	assert_non_null(strstr(printed, "cut short"));
}

static void test_cut_files(void **state)
{
	(void)state;
	write_file(GOOD, 1);
	assert_verdict("cut short");
	write_file(GOOD, lengths[STATISTICS] - 11);
	assert_verdict("cut short inside the block's head");
	write_file(GOOD, lengths[STATISTICS]);
	assert_verdict(NULL);
}

/* One field made wrong in an otherwise good file. */
static void test_damage(void **state)
{
	enum { TAIL = 1024 }; /* counted from the block's end */
	static const struct {
		int block;
		unsigned int offset;
		const char *bytes;
		size_t length;
		const char *part;
	} cases[] = {
		{SECTION, 8, "\x1a\x2b\x3c\x4d", 4, "byte order"},
		{SECTION, 12, "\2", 1, "version"},
		{SECTION, 16, "\0", 1, "section length"},
		{SECTION, 24, "\x63", 1, "none that tlspcap writes here"},
		{SECTION, 32, "\2", 1, "comes more than once"},
		{SECTION, TAIL + 8, "\1", 1, "opt_endofopt"},
		{SECTION, TAIL + 6, "\4", 1, "opt_endofopt has length"},
		{INTERFACE, 0, "\x0b", 1, "none that tlspcap writes"},
		{INTERFACE, 4, "\x0d", 1, "not a multiple of 4"},
		{INTERFACE, 4, "\0\0\0\x10", 4, "cannot be read"},
		{INTERFACE, 8, "\x65", 1, "not Ethernet"},
		{INTERFACE, 10, "\1", 1, "reserved"},
		{INTERFACE, 12, "\0\0\0\0", 4, "snapshot length"},
		{INTERFACE, 20, "\xff", 1, "UTF-8"},
		{INTERFACE, 20, "\0", 1, "UTF-8"},
		{INTERFACE, 18, "\xff\xff", 2, "runs past"},
		{INTERFACE, TAIL + 4, "\0", 1, "two block lengths differ"},
		{PROCESS, 12, "\3", 1, "none that tlspcap writes here"},
		{KEYS, 8, "X", 1, "not a TLS key log"},
		{KEYS, 12, "\xff", 1, "runs past"},
		{KEYS, 16, "c", 1, "line 1"},
		{KEYS, 40, "x", 1, "line 1"},
		{KEYS, 12, "\x51", 1, "no end"},
		{KEYS, TAIL + 5, "\1", 1, "padded"},
		{V4, 20, "\xff", 1, "runs past"},
		{V4, 24, "\1", 1, "above the original"},
		{V4, 28 + 12, "\x86\xdd", 2, "not an IPv6"},
		{V4, 28 + 12, "\x12\x34", 2, "EtherType"},
		{V4, 28 + 14, "\x46", 1, "IPv4 header checksum"},
		{V4, 28 + 14 + 8, "\x3f", 1, "IPv4 header checksum"},
		{V4, 28 + 14 + 12, "\1", 1, "IPv4 header checksum"},
		{V4, 28 + 34, "\1", 1, "TCP checksum"},
		{V4, 28 + 34 + 12, "\x40", 1, "TCP header length"},
		{V4, 28 + 34 + 22, "D", 1, "TCP checksum"},
		{V4, 28 + 57, "\1", 1, "padded"},
		{V6, 28 + 14 + 4, "\1", 1, "payload length"},
		{V6, 28 + 14 + 6, "\x11", 1, "next header"},
		{V6, 28 + 14 + 8, "\1", 1, "TCP checksum"},
		{V6, 28 + 54 + 22, "D", 1, "TCP checksum"},
		{V6, 8, "\1", 1, "interface 1"},
		{STATISTICS, 8, "\1", 1, "interface 1"},
		{STATISTICS, 22, "\4", 1, "length 4 instead of 8"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int block = cases[i].block;
		size_t at = cases[i].offset < TAIL ? cases[i].offset
						   : lengths[block] - (cases[i].offset - TAIL);
		uint8_t saved[sizeof(blocks[0])];

		memcpy(saved, blocks[block], sizeof(saved));
		memcpy(blocks[block] + at, cases[i].bytes, cases[i].length);
		write_file(GOOD, 0);
		memcpy(blocks[block], saved, sizeof(saved));
		assert_verdict(cases[i].part);
	}
}

/* libpcap refuses the file, whatever uses the second interface. */
static void test_interfaces_that_differ(void **state)
{
	FILE *file = new_file();

	(void)state;
	fwrite(blocks[SECTION], 1, lengths[SECTION], file);
	fwrite(blocks[INTERFACE], 1, lengths[INTERFACE], file);
	blocks[INTERFACE][14] ^= 1;
	fwrite(blocks[INTERFACE], 1, lengths[INTERFACE], file);
	blocks[INTERFACE][14] ^= 1;
	fclose(file);
	assert_verdict("differs from the first");
}

static void test_findings_are_counted_not_flooded(void **state)
{
	char printed[65536];
	FILE *file = new_file();

	(void)state;
	fwrite(blocks[SECTION], 1, lengths[SECTION], file);
	for (int i = 0; i < 1000; i++)
		fwrite(blocks[STATISTICS], 1, lengths[STATISTICS], file);
	fclose(file);
	assert_int_equal(check(path, printed, sizeof(printed)), 1);
	assert_non_null(strstr(printed, "and 900 more"));
	assert_non_null(strstr(printed, "1000 findings"));
}

static void test_usage(void **state)
{
	char printed[4096];

	(void)state;
	assert_int_equal(check("", printed, sizeof(printed)), 2);
	assert_int_equal(check("--help", printed, sizeof(printed)), 0);
	assert_non_null(strstr(printed, "Exit status"));
	assert_int_equal(check("--nonsense", printed, sizeof(printed)), 2);
	assert_int_equal(check("/nonexistent/file", printed, sizeof(printed)), 2);
	assert_non_null(strstr(printed, "cannot open"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_files),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_cut_files),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_interfaces_that_differ),
		cmocka_unit_test(test_findings_are_counted_not_flooded),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, make_blocks, remove_directory);
}
