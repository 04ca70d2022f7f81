/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The options that say what to write. */
#include "options_internal.h"

#include <stdlib.h>
#include <string.h>

static enum options_result set_view(struct options *options, const char *value)
{
	int view = view_parse(value);

	if (view < 0) {
		options_say("--view=%s: not known; one of auto, tls, null-tls, plain", value);
		return OPTIONS_WRONG;
	}
	options->view = (enum view_kind)view;
	return OPTIONS_RUN;
}

static enum options_result set_source(struct options *options, const char *value)
{
	static const char *const names[] = {
		[SOURCE_AUTO] = "auto",
		[SOURCE_RECORDS] = "records",
		[SOURCE_PROBES] = "probes",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], value))
			continue;
		options->source = (enum options_source)i;
		return OPTIONS_RUN;
	}
	options_say("--source=%s: not known; one of auto, records, probes", value);
	return OPTIONS_WRONG;
}

static enum options_result set_packets(struct options *options, const char *value)
{
	if (options_parse_number(value, 1, UINT64_MAX, &options->packets))
		return OPTIONS_RUN;
	options_say("-c %s: not a number of packets", value);
	return OPTIONS_WRONG;
}

static enum options_result set_autostop(struct options *options, const char *value)
{
	static const char prefix[] = "duration:";
	const double limit = 10.0 * 365 * 86400;
	char *end;
	double seconds;

	if (strncmp(value, prefix, sizeof(prefix) - 1)) {
		options_say("-a %s: not known; -a duration:SECONDS is", value);
		return OPTIONS_WRONG;
	}
	value += sizeof(prefix) - 1;
	seconds = strtod(value, &end);
	if (end == value || *end || !(seconds > 0) || seconds > limit) {
		options_say("-a duration:%s: not a number of seconds above 0", value);
		return OPTIONS_WRONG;
	}
	options->duration_ns = (uint64_t)(seconds * 1e9);
	return OPTIONS_RUN;
}

const struct options_group options_what = {
	"What to write",
	{
		{"view", 0, "VIEW", set_view,
		 "auto: what stock Wireshark dissects (default);\n"
		 "tls: the genuine TLS records, with their secrets;\n"
		 "null-tls: plaintext in a TLS session without\n"
		 "encryption; plain: plaintext as TCP payload"},
		{"source", 0, "SOURCE", set_source,
		 "records: what passed the sockets, decrypted with the\n"
		 "secrets; probes: what the library's calls moved, which\n"
		 "slows them down; auto: records, and probes only where\n"
		 "records cannot be read (default)"},
		{NULL, 'c', "COUNT", set_packets, "end after COUNT packets"},
		{"autostop", 'a', "duration:S", set_autostop, "end after S seconds"},
	},
};
