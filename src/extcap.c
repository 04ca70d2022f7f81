/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "extcap.h"

#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlspcap/target.h>

#define MACHINE "tlspcap"
#define MNTNS	"tlspcap-mntns-" /* and the namespace's number */

/* What Wireshark said; NULL or false: it did not. */
struct question {
	bool interfaces, dlts, config, capture;
	const char *interface, *fifo, *filter, *reload;
	const char **rest; /* our own options, as its dialog set them; `n_rest` of them */
	int n_rest;
};

/*
 * The dialog of an interface (Wireshark's "Capture Options", the wheel). Each control is an
 * option of tlspcap itself, so that what it gives goes to the usual parser.
 */
static const struct {
	const char *call, *display, *type, *more, *tooltip;
	const char *values[5]; /* "value}{display" */
} controls[] = {
	{"--view",
	 "What the frames hold",
	 "selector",
	 "",
	 "auto is what Wireshark dissects; the others are for other programs",
	 {"auto}{display=Chosen for each conversation",
	  "tls}{display=Genuine TLS records and their secrets",
	  "null-tls}{display=Plaintext, in a TLS session without encryption",
	  "plain}{display=Plaintext as TCP payload"}},
	{"--source",
	 "Where the bytes come from",
	 "selector",
	 "",
	 "probes slow the captured programs down",
	 {"auto}{display=Sockets; library calls where that cannot be read",
	  "records}{display=Sockets only", "probes}{display=Library calls only"}},
	{"--pid",
	 "Only this process",
	 "string",
	 "{placeholder=number of a process}",
	 "empty: every process of the interface",
	 {NULL}},
	{"--lib",
	 "This library, too",
	 "fileselect",
	 "{mustexist=true}",
	 "a TLS library, or a program with one inside, that the search does not find",
	 {NULL}},
	{"--buffer-size",
	 "Buffer between kernel and tlspcap",
	 "string",
	 "{default=64M}",
	 "a size from 256K to 1G",
	 {NULL}},
};

#define N_CONTROLS (sizeof(controls) / sizeof(controls[0]))

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

bool extcap_is_asked(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (starts(argv[i], "--extcap-") || !strcmp(argv[i], "--capture"))
			return true;
	return false;
}

/* The value of `name` as "--name=value" or "--name value"; NULL: another argument. */
static const char *value_of(const char *name, int argc, char **argv, int *at)
{
	size_t length = strlen(name);

	if (strncmp(argv[*at], name, length))
		return NULL;
	if (argv[*at][length] == '=')
		return argv[*at] + length + 1;
	if (argv[*at][length])
		return NULL;
	return *at + 1 < argc ? argv[++*at] : "";
}

static void read_question(struct question *question, int argc, char **argv)
{
	const char *version;
	struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{"--extcap-interfaces", &question->interfaces},
		{"--extcap-dlts", &question->dlts},
		{"--extcap-config", &question->config},
		{"--capture", &question->capture},
	};
	struct {
		const char *name;
		const char **value;
	} values[] = {
		{"--extcap-interface", &question->interface},
		{"--fifo", &question->fifo},
		{"--extcap-capture-filter", &question->filter},
		{"--extcap-reload-option", &question->reload},
		{"--extcap-version", &version},
	};

	for (int i = 1; i < argc; i++) {
		bool taken = false;

		for (size_t j = 0; j < sizeof(flags) / sizeof(flags[0]) && !taken; j++) {
			taken = !strcmp(argv[i], flags[j].name);
			if (taken)
				*flags[j].flag = true;
		}
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]) && !taken; j++) {
			const char *value = value_of(values[j].name, argc, argv, &i);

			taken = value != NULL;
			if (taken)
				*values[j].value = value;
		}
		if (!taken)
			question->rest[question->n_rest++] = argv[i];
	}
}

/* A text between braces: it must have none itself. */
static void print_plain(const char *text)
{
	for (; *text; text++)
		putchar(*text == '{' || *text == '}' || (unsigned char)*text < ' ' ? '?' : *text);
}

static int print_mntns(void *ctx, uint32_t mntns)
{
	char name[128], description[512];

	(void)ctx;
	target_describe_mntns(mntns, name, sizeof(name), description, sizeof(description));
	printf("interface {value=" MNTNS "%" PRIu32 "}{display=TLS, decrypted: ", mntns);
	print_plain(name);
	printf(" (mount namespace %" PRIu32 ")}\n", mntns);
	return 0;
}

static enum extcap_result show_interfaces(void)
{
	puts("extcap {version=" TLSPCAP_VERSION "}{display=TLS conversations, decrypted}");
	puts("interface {value=" MACHINE "}{display=TLS, decrypted: the whole machine}");
	/* Those that this user may not look at are not offered: they could not be captured. */
	target_each_mntns(print_mntns, NULL);
	return EXTCAP_SHOWN;
}

static enum extcap_result show_dlts(void)
{
	puts("dlt {number=1}{name=EN10MB}{display=Ethernet}");
	return EXTCAP_SHOWN;
}

static enum extcap_result show_config(void)
{
	for (size_t i = 0; i < N_CONTROLS; i++)
		printf("arg {number=%zu}{call=%s}{display=%s}{type=%s}{tooltip=%s}%s\n", i,
		       controls[i].call, controls[i].display, controls[i].type, controls[i].tooltip,
		       controls[i].more);
	for (size_t i = 0; i < N_CONTROLS; i++)
		for (size_t j = 0; controls[i].values[j]; j++)
			printf("value {arg=%zu}{value=%s}{default=%s}\n", i, controls[i].values[j],
			       j ? "false" : "true");
	return EXTCAP_SHOWN;
}

/* A filter without a capture: Wireshark asks whether it is sound. Silence is yes. */
static enum extcap_result check_filter(const char *filter)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 262144);
	struct bpf_program program;

	if (!pcap)
		return EXTCAP_WRONG;
	if (pcap_compile(pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN))
		puts(pcap_geterr(pcap));
	else
		pcap_freecode(&program);
	pcap_close(pcap);
	return EXTCAP_SHOWN;
}

/* The arguments of tlspcap that capture what the interface stands for. */
static enum extcap_result make_arguments(const struct question *question, char *program, int *n,
					 char **arguments)
{
	static char write[] = "-w", prompt[] = "-U", quiet[] = "-q", mntns[] = "--mntns";
	int count = 0;

	arguments[count++] = program;
	arguments[count++] = quiet;
	arguments[count++] = prompt;
	arguments[count++] = write;
	arguments[count++] = (char *)question->fifo;
	if (starts(question->interface, MNTNS)) {
		arguments[count++] = mntns;
		arguments[count++] = (char *)question->interface + sizeof(MNTNS) - 1;
	} else if (strcmp(question->interface, MACHINE)) {
		fprintf(stderr, "tlspcap: --extcap-interface=%s: not one of --extcap-interfaces\n",
			question->interface);
		return EXTCAP_WRONG;
	}
	for (int i = 0; i < question->n_rest; i++)
		arguments[count++] = (char *)question->rest[i];
	if (question->filter && question->filter[0])
		arguments[count++] = (char *)question->filter;
	arguments[count] = NULL;
	*n = count;
	return EXTCAP_CAPTURE;
}

static enum extcap_result answer(const struct question *question, char *program, int *n,
				 char **arguments)
{
	if (question->interfaces)
		return show_interfaces();
	if (!question->interface) {
		fputs("tlspcap: --extcap-interface=NAME is missing; Wireshark starts tlspcap like "
		      "this, see extcap in tlspcap(8)\n",
		      stderr);
		return EXTCAP_WRONG;
	}
	if (question->dlts)
		return show_dlts();
	if (question->config)
		return question->reload ? EXTCAP_SHOWN : show_config();
	if (question->capture && question->fifo)
		return make_arguments(question, program, n, arguments);
	if (question->filter)
		return check_filter(question->filter);
	fputs("tlspcap: --capture wants --fifo=FILE\n", stderr);
	return EXTCAP_WRONG;
}

#define OWN_ARGUMENTS 9 /* what make_arguments() adds */

enum extcap_result extcap_answer(int argc, char **argv, int *n, char ***arguments)
{
	struct question question = {0};
	enum extcap_result result;

	*arguments = calloc((size_t)argc + OWN_ARGUMENTS, sizeof(**arguments));
	question.rest = calloc((size_t)argc, sizeof(*question.rest));
	if (!*arguments || !question.rest) {
		fputs("tlspcap: out of memory\n", stderr);
		free(question.rest);
		return EXTCAP_WRONG;
	}
	read_question(&question, argc, argv);
	result = answer(&question, argv[0], n, *arguments);
	free(question.rest);
	return result;
}
