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

/* Options about files that follow one another, which tlspcap-replay has as well. */
static enum options_result set_rule(struct options *options, const char *option, const char *value,
				    const char *(*set)(struct rules *rules, const char *value))
{
	const char *wrong = set(&options->rules, value);

	if (!wrong)
		return OPTIONS_RUN;
	options_say("%s%s: %s", option, value, wrong);
	return OPTIONS_WRONG;
}

static enum options_result set_size(struct options *options, const char *value)
{
	return set_rule(options, "-C ", value, rules_size);
}

static enum options_result set_seconds(struct options *options, const char *value)
{
	return set_rule(options, "-G ", value, rules_seconds);
}

static enum options_result set_count(struct options *options, const char *value)
{
	return set_rule(options, "-W ", value, rules_count);
}

static enum options_result set_follow(struct options *options, const char *value)
{
	return set_rule(options, "-b ", value, rules_follow);
}

static enum options_result set_split(struct options *options, const char *value)
{
	return set_rule(options, "--split=", value, rules_split);
}

static enum options_result set_max_disk(struct options *options, const char *value)
{
	return set_rule(options, "--max-disk=", value, rules_max_disk);
}

static enum options_result set_after(struct options *options, const char *value)
{
	options->after = value;
	return OPTIONS_RUN;
}

const struct options_group options_where = {
	"Where to",
	{
		{"write", 'w', "FILE", set_path,
		 "a new pcapng file, readable by its owner only; with the\n"
		 "suffix .gz compressed; - is standard output, for a pipe\n"
		 "(COMMAND's output goes to standard error then)"},
		{"keylog", 0, "FILE", set_keylog,
		 "the TLS secrets also as an NSS key log (SSLKEYLOGFILE)"},
		{"record", 0, "FILE", set_record,
		 "the kernel's events, for tlspcap-replay and bug reports;\n"
		 "it holds secrets and plaintext as the capture does"},
		{NULL, 'C', "SIZE", set_size,
		 "begin another file after SIZE million bytes, or with the\n"
		 "suffix k, m, g KiB, MiB, GiB; each opens alone"},
		{NULL, 'G', "SECONDS", set_seconds,
		 "… after SECONDS; FILE is then strftime(3)'s format, if\n"
		 "it has a %"},
		{NULL, 'W', "COUNT", set_count,
		 "with -C: keep the last COUNT files; with -G alone: end\n"
		 "after COUNT files"},
		{"ring-buffer", 'b', "KEY:VALUE", set_follow,
		 "as dumpcap: another file after filesize:KB (of 1000\n"
		 "bytes), duration:S, packets:N, or at each interval:S;\n"
		 "files:N keeps the last N; printname:FILE prints names\n"
		 "of complete files; nametimenum:1|2"},
		{"split", 0, "mntns|netns", set_split,
		 "files of its own for each namespace; so do %{mntns},\n"
		 "%{netns} and %{container} in FILE"},
		{"max-disk", 0, "SIZE", set_max_disk,
		 "all files together, as -C; who writes most loses its\n"
		 "oldest files first"},
		{NULL, 'z', "COMMAND", set_after,
		 "run COMMAND FILE for each complete file, without a shell"},
		{"packet-buffered", 'U', NULL, set_unbuffered, "write each packet out at once"},
	},
};
