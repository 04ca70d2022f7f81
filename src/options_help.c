/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The text of --help: made from the same tables as the parser. */
#include "options_internal.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 28

static void show_row(const struct options_row *row)
{
	char left[64];
	const char *line = row->help, *end;
	int n = 0;

	if (row->letter)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "-%c%s", row->letter,
			      row->name ? ", " : "");
	else
		n += snprintf(left + n, sizeof(left) - (size_t)n, "    ");
	if (row->name)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", row->name);
	if (options_is_optional(row))
		snprintf(left + n, sizeof(left) - (size_t)n, "[=%s", row->argument + 1);
	else if (row->argument)
		snprintf(left + n, sizeof(left) - (size_t)n, "%s%s", row->name ? "=" : " ",
			 row->argument);
	printf("  %-*s", HELP_COLUMN - 2, left);
	if (strlen(left) > HELP_COLUMN - 3)
		printf("\n%*s", HELP_COLUMN, "");
	while ((end = strchr(line, '\n'))) {
		printf("%.*s\n%*s", (int)(end - line), line, HELP_COLUMN, "");
		line = end + 1;
	}
	puts(line);
}

enum options_result options_help(struct options *options, const char *value)
{
	(void)options;
	(void)value;
	puts("tlspcap captures TLS conversations, decrypted, into a file that Wireshark opens.\n"
	     "\n"
	     "usage: tlspcap [OPTION...] -w FILE [FILTER]\n"
	     "       tlspcap [OPTION...] -w FILE [FILTER] -- COMMAND [ARGUMENT...]\n"
	     "       tlspcap [OPTION...] --list\n"
	     "\n"
	     "  tlspcap -w out.pcapng --mntns=4026532573      a container (lsns -t mnt)\n"
	     "  tlspcap -w out.pcapng --mntns=/proc/PID/ns/mnt\n"
	     "  tlspcap -w out.pcapng -- curl https://...     one command and its children\n"
	     "  tlspcap -w - 'port 443' | tshark -r -         as it happens\n"
	     "\n"
	     "FILTER is a pcap-filter(7) expression on the frames to be written.\n"
	     "Ctrl-C, SIGTERM, -a, -c or COMMAND's end ends the capture; SIGUSR1 prints totals.");
	for (size_t i = 0; i < OPTIONS_GROUPS; i++) {
		printf("\n%s:\n", options_groups[i]->title);
		for (size_t j = 0; j < OPTIONS_GROUP_ROWS && options_groups[i]->rows[j].set; j++)
			show_row(&options_groups[i]->rows[j]);
	}
	puts("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 see --fail-on-loss; with COMMAND "
	     "its own.\n"
	     "A capture holds secrets: whoever can read the file can read the conversations.");
	return OPTIONS_SHOWN;
}
