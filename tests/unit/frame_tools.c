/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A file with every block, judged by the tools that users have: tshark, tcpdump, capinfos,
 * and by tlspcap-check. A tool that is not installed is named and skipped.
 */
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
#include <tlspcap/output.h>
#include <tlspcap/pcapng.h>

#define COMMENT "pid=123;comm=curl;"

static char directory[] = "/tmp/tlspcap-tools-XXXXXX";
static char path[64];

/* --- the file --- */

struct capture {
	struct output *output;
	struct frame_stream *stream;
	uint64_t time_ns;
	uint64_t packets;
};

static void add(struct capture *capture, enum frame_kind kind, enum tlspcap_direction direction,
		const char *text, size_t zeros)
{
	struct frame_piece pieces[] = {{(const uint8_t *)text, text ? strlen(text) : 0},
				       {NULL, zeros}};
	size_t room = PCAPNG_PACKET_ROOM(FRAME_MAX, strlen(COMMENT)), length;
	uint8_t *out = output_reserve(capture->output, room);
	struct pcapng_packet packet = {
		.time_ns = capture->time_ns += 1001,
		.direction = direction,
		.comment = COMMENT,
		.comment_length = strlen(COMMENT),
		.dropped = kind == FRAME_RST,
	};
	ssize_t size;

	assert_non_null(out);
	length = frame_build(capture->stream, kind, direction, pieces, kind == FRAME_DATA ? 2 : 0,
			     out + PCAPNG_PACKET_HEADER, FRAME_MAX);
	assert_true(length > 0);
	size = pcapng_finish_packet(out, room, &packet, length);
	assert_true(size > 0);
	output_commit(capture->output, (size_t)size);
	capture->packets++;
}

static void add_handshake(struct capture *capture)
{
	add(capture, FRAME_SYN, TLSPCAP_SENT, NULL, 0);
	add(capture, FRAME_SYN_ACK, TLSPCAP_RECEIVED, NULL, 0);
	add(capture, FRAME_ACK, TLSPCAP_SENT, NULL, 0);
}

/* 3 MB in one direction, an answer in between, both FINs. */
static void add_conversation(struct capture *capture)
{
	size_t max = frame_payload_max(capture->stream);

	add_handshake(capture);
	add(capture, FRAME_DATA, TLSPCAP_SENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	add(capture, FRAME_ACK, TLSPCAP_RECEIVED, NULL, 0);
	for (int i = 0; i < 48; i++) {
		add(capture, FRAME_DATA, TLSPCAP_RECEIVED, "odd", max - 3 - (size_t)i % 2);
		if (i % 8 == 7)
			add(capture, FRAME_ACK, TLSPCAP_SENT, NULL, 0);
	}
	add(capture, FRAME_DATA, TLSPCAP_SENT, "x", 0);
	add(capture, FRAME_FIN, TLSPCAP_SENT, NULL, 0);
	add(capture, FRAME_ACK, TLSPCAP_RECEIVED, NULL, 0);
	add(capture, FRAME_FIN, TLSPCAP_RECEIVED, NULL, 0);
	add(capture, FRAME_ACK, TLSPCAP_SENT, NULL, 0);
}

/* No SYN, no FIN; and an end by RST. */
static void add_middle(struct capture *capture)
{
	add(capture, FRAME_DATA, TLSPCAP_RECEIVED, "in the middle", 0);
	add(capture, FRAME_DATA, TLSPCAP_SENT, "answer", 0);
	add(capture, FRAME_ACK, TLSPCAP_RECEIVED, NULL, 0);
	add(capture, FRAME_RST, TLSPCAP_SENT, NULL, 0);
}

#define PUT(capture, function, ...)                                                                \
	do {                                                                                       \
		uint8_t *put_at = output_reserve((capture)->output, 4096);                         \
		ssize_t put_size;                                                                  \
                                                                                                   \
		assert_non_null(put_at);                                                           \
		put_size = function(put_at, 4096, __VA_ARGS__);                                    \
		assert_true(put_size > 0);                                                         \
		output_commit((capture)->output, (size_t)put_size);                                \
	} while (0)

static void add_head(struct capture *capture)
{
	struct pcapng_section section = {"x86_64", "Linux", "tlspcap test", "a comment"};
	struct pcapng_interface interface = {"web", "container web", "tcp", "Linux"};
	struct tlspcap_secret secret = {.label = "CLIENT_RANDOM", .secret_length = 48};
	char line[PCAPNG_SECRET_LINE_MAX];
	ssize_t length = pcapng_secret_line(line, sizeof(line), &secret);

	PUT(capture, pcapng_put_section, &section);
	PUT(capture, pcapng_put_interface, &interface);
	PUT(capture, pcapng_put_process, 123, "curl");
	assert_true(length > 0);
	PUT(capture, pcapng_put_secrets, line, (size_t)length);
}

static void add_streams(struct capture *capture)
{
	struct frame_flow flow = {
		.local = {0xfd, 0, 0, 1, 5},
		.remote = {0xfd, 0, 0, 2, 6},
		.remote_port = 5555,
		.netns = 0xf0000001,
	};
	void (*const lives[])(struct capture *) = {add_conversation, add_middle};

	for (size_t i = 0; i < 8; i++) {
		flow.seed = i;
		flow.family = i & 1 ? 6 : 4;
		flow.local_port = (uint16_t)(40000 + i);
		flow.local_is_server = false;
		capture->stream = frame_stream_new(&flow);
		assert_non_null(capture->stream);
		lives[i / 2 % 2](capture);
		frame_stream_free(capture->stream);
	}
}

static int make_file(void **state)
{
	struct capture capture = {.time_ns = UINT64_C(1700000000123456789)};
	struct pcapng_statistics stats = {0};
	char *why;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/out.pcapng", directory);
	if (output_open(path, NULL, &capture.output, &why))
		return -1;
	add_head(&capture);
	stats.start_ns = capture.time_ns;
	add_streams(&capture);
	stats.time_ns = stats.end_ns = capture.time_ns;
	stats.received = capture.packets;
	PUT(&capture, pcapng_put_statistics, &stats);
	return output_close(capture.output);
}

static int remove_file(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

/* --- the tools --- */

/* Runs `tool` with these arguments and the file; its exit status, and what it printed. */
static int run(const char *tool, const char *arguments, char *printed, size_t size)
{
	char command[512];
	size_t length;
	FILE *pipe;
	int status;

	snprintf(command, sizeof(command), "command -v %s >/dev/null", tool);
	if (system(command)) {
		print_message("%s is not installed here\n", tool);
		skip();
	}
	snprintf(command, sizeof(command), "%s %s %s 2>%s/stderr", tool, arguments, path,
		 directory);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	length = fread(printed, 1, size - 1, pipe);
	printed[length] = '\0';
	while (fgetc(pipe) != EOF)
		;
	status = pclose(pipe);
	snprintf(command, sizeof(command), "%s/stderr", directory);
	unlink(command);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define TSHARK_CHECKS "-o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE "

/* Frames that the filter selects: none. */
static void assert_no_frame(const char *filter)
{
	char arguments[256], printed[4096];

	snprintf(arguments, sizeof(arguments), TSHARK_CHECKS "-Y '%s' -r", filter);
	assert_int_equal(run("tshark", arguments, printed, sizeof(printed)), 0);
	assert_string_equal(printed, "");
}

static void test_tshark_finds_nothing_wrong(void **state)
{
	(void)state;
	assert_no_frame("tcp.analysis.flags");
	assert_no_frame("_ws.malformed");
	assert_no_frame("tcp.checksum.status != 1");
	assert_no_frame("ip && ip.checksum.status != 1");
	assert_no_frame("_ws.expert.severity >= 6291456 && !(tcp.flags.reset == 1)");
	assert_no_frame("!(frame.comment == \"" COMMENT "\")");
	assert_no_frame("!(frame.interface_name == \"web\")");
	assert_no_frame("frame.drop_count && !(tcp.flags.reset == 1)");
	assert_no_frame("frame.packet_flags_direction == 2 && tcp.dstport != 5555");
	assert_no_frame("frame.packet_flags_direction == 1 && tcp.srcport != 5555");
}

static void test_tshark_takes_the_structure_for_good(void **state)
{
	char printed[4096];

	(void)state;
	assert_int_equal(run("tshark", "-X 'read_format:MIME Files Format' -q -z expert -r",
			     printed, sizeof(printed)),
			 0);
	assert_string_equal(printed, "");
}

static void test_tshark_keeps_nanoseconds(void **state)
{
	char printed[4096];

	(void)state;
	assert_int_equal(
		run("tshark", "-T fields -e frame.time_epoch -c 2 -r", printed, sizeof(printed)),
		0);
	assert_string_equal(printed, "1700000000.123457790\n1700000000.123458791\n");
}

static void test_tcpdump_reads_it(void **state)
{
	static char printed[1 << 20];

	(void)state;
	assert_int_equal(run("tcpdump", "-nn -vv -r", printed, sizeof(printed)), 0);
	assert_non_null(strstr(printed, "(correct)"));
	assert_null(strstr(printed, "incorrect"));
	assert_null(strstr(printed, "bad cksum"));
}

static void test_capinfos_reads_it(void **state)
{
	char printed[8192];

	(void)state;
	assert_int_equal(run("capinfos", "", printed, sizeof(printed)), 0);
	assert_non_null(strstr(printed, "Strict time order:   True"));
	assert_non_null(strstr(printed, "Capture application: tlspcap test"));
	assert_non_null(strstr(printed, "Name = web"));
	assert_non_null(strstr(printed, "Time precision = nanoseconds (9)"));
	assert_non_null(strstr(printed, "Number of stat entries = 1"));
	assert_non_null(strstr(printed, "Number of decryption secrets in file: 1"));
}

/* Beside the tests' own folder in the build; TLSPCAP_CHECK names another. */
static const char *checker(void)
{
	static char tool[512];
	const char *named = getenv("TLSPCAP_CHECK");
	ssize_t length = readlink("/proc/self/exe", tool, sizeof(tool) - 64);
	char *slash;

	if (named)
		return named;
	assert_true(length > 0);
	tool[length] = '\0';
	slash = strrchr(tool, '/');
	strcpy(slash, "/../tools/tlspcap-check");
	return tool;
}

static void test_checker_finds_nothing(void **state)
{
	char printed[4096];

	(void)state;
	assert_int_equal(run(checker(), "", printed, sizeof(printed)), 0);
	assert_non_null(strstr(printed, " 0 findings"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tshark_finds_nothing_wrong),
		cmocka_unit_test(test_tshark_takes_the_structure_for_good),
		cmocka_unit_test(test_tshark_keeps_nanoseconds),
		cmocka_unit_test(test_tcpdump_reads_it),
		cmocka_unit_test(test_capinfos_reads_it),
		cmocka_unit_test(test_checker_finds_nothing),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
