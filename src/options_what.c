/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The options that say what to write. */
#include "options_internal.h"

#include <string.h>

/* Of -s: what holds the largest frame; tcpdump's usual words for all of it. */
#define SNAPSHOT_ALL 65535

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
	const char *wrong = rules_stop(&options->rules, value);

	if (!wrong)
		return OPTIONS_RUN;
	options_say("-a %s: %s", value, wrong);
	return OPTIONS_WRONG;
}

static enum options_result set_no_secrets(struct options *options, const char *value)
{
	(void)value;
	options->no_secrets = true;
	return OPTIONS_RUN;
}

/* tcpdump's habit. A record that is cut cannot be decrypted: all of a frame is written. */
static enum options_result set_snapshot(struct options *options, const char *value)
{
	uint64_t length;

	(void)options;
	if (options_parse_number(value, 0, UINT32_MAX, &length) &&
	    (!length || length >= SNAPSHOT_ALL))
		return OPTIONS_RUN;
	options_say("-s %s: frames are written whole, since a TLS record that is cut cannot be "
		    "decrypted; leave it out, or say -s 0",
		    value);
	return OPTIONS_WRONG;
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
		{"no-secrets", 0, NULL, set_no_secrets,
		 "no TLS secrets in the capture (--keylog still has them);\n"
		 "with --view=tls nothing in it can be read without them"},
		{"snapshot-length", 's', "0", set_snapshot,
		 "as tcpdump's -s 0: frames are written whole, always"},
		{NULL, 'c', "COUNT", set_packets, "end after COUNT packets"},
		{"autostop", 'a', "KEY:VALUE", set_autostop,
		 "end after duration:S seconds, filesize:KB (of 1000\n"
		 "bytes), files:N or packets:N"},
	},
};
