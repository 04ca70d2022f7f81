/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The options that say where to write it. */
#include "options_internal.h"

#include <stddef.h>

static enum options_result set_path(struct options *options, const char *value)
{
	options->path = value;
	return OPTIONS_RUN;
}

static enum options_result set_keylog(struct options *options, const char *value)
{
	options->keylog = value;
	return OPTIONS_RUN;
}

static enum options_result set_record(struct options *options, const char *value)
{
	options->record = value;
	return OPTIONS_RUN;
}

static enum options_result set_unbuffered(struct options *options, const char *value)
{
	(void)value;
	options->unbuffered = true;
	return OPTIONS_RUN;
}

const struct options_group options_where = {
	"Where to",
	{
		{"write", 'w', "FILE", set_path,
		 "a new pcapng file, readable by its owner only; - is\n"
		 "standard output, for a pipe (COMMAND's output goes to\n"
		 "standard error then)"},
		{"keylog", 0, "FILE", set_keylog,
		 "the TLS secrets also as an NSS key log (SSLKEYLOGFILE)"},
		{"record", 0, "FILE", set_record,
		 "the kernel's events, for tlspcap-replay and bug reports;\n"
		 "it holds secrets and plaintext as the capture does"},
		{"packet-buffered", 'U', NULL, set_unbuffered, "write each packet out at once"},
	},
};
