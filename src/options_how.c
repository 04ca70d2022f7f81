/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The options that say how to capture. */
#include "options_internal.h"

#include <ctype.h>
#include <pcap/pcap.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <tlspcap/capture.h>

#define RING_MIN ((size_t)256 << 10)
#define RING_MAX ((size_t)1 << 30)

/* tcpdump's -B counts KiB; a suffix says otherwise. */
static enum options_result set_ring(struct options *options, const char *value)
{
	static const char suffixes[] = "KMG";
	size_t length = strlen(value), size = RING_MIN, shift = 10;
	const char *suffix = NULL;
	char number[24];
	uint64_t amount;

	if (length && length < sizeof(number)) {
		memcpy(number, value, length + 1);
		suffix = strchr(suffixes, toupper((unsigned char)number[length - 1]));
		if (suffix) {
			shift = 10 * (size_t)(suffix - suffixes + 1);
			number[length - 1] = '\0';
		}
	}
	if (!length || length >= sizeof(number) ||
	    !options_parse_number(number, 1, RING_MAX, &amount) || amount > (RING_MAX >> shift) ||
	    (amount << shift) < RING_MIN) {
		options_say("-B %s: a size from 256K to 1G (KiB without a suffix)", value);
		return OPTIONS_WRONG;
	}
	/* The kernel takes powers of two only: what was asked for, or the next one. */
	while (size < (amount << shift))
		size <<= 1;
	options->ring_bytes = size;
	return OPTIONS_RUN;
}

static enum options_result set_hold(struct options *options, const char *value)
{
	(void)value;
	options->hold = true;
	return OPTIONS_RUN;
}

static enum options_result set_list(struct options *options, const char *value)
{
	options->list = true;
	options->list_json = value && !strcmp(value, "json");
	if (!value || options->list_json || !strcmp(value, "table"))
		return OPTIONS_RUN;
	options_say("--list=%s: not known; one of table, json", value);
	return OPTIONS_WRONG;
}

static enum options_result set_doctor(struct options *options, const char *value)
{
	(void)value;
	options->doctor = true;
	return OPTIONS_RUN;
}

/* One of the tiers, or how probes in files are attached. */
static enum options_result set_tier(struct options *options, const char *value)
{
	int tier = capture_tier_of(value);

	if (!strcmp(value, "perf")) {
		options->one_by_one = true;
		return OPTIONS_RUN;
	}
	if (tier < 0) {
		options_say("--tier=%s: not one of raw, tracepoint, fentry, kprobe, btf, syscall, "
			    "perf",
			    value);
		return OPTIONS_WRONG;
	}
	options->tier = (enum capture_tier)tier;
	return OPTIONS_RUN;
}

/* tcpdump's -Z. Whom the files will belong to must be a user that there is. */
static enum options_result set_user(struct options *options, const char *value)
{
	const struct passwd *user;
	uint64_t number;

	if (options_parse_number(value, 0, UINT32_MAX - 1, &number))
		user = getpwuid((uid_t)number);
	else
		user = getpwnam(value);
	if (!user) {
		options_say("-Z %s: no user of this machine", value);
		return OPTIONS_WRONG;
	}
	options->user = value;
	options->user_id = user->pw_uid;
	options->user_group = user->pw_gid;
	return OPTIONS_RUN;
}

static enum options_result set_fail_on_loss(struct options *options, const char *value)
{
	(void)value;
	options->fail_on_loss = true;
	return OPTIONS_RUN;
}

static enum options_result set_quiet(struct options *options, const char *value)
{
	(void)value;
	options->quiet = true;
	return OPTIONS_RUN;
}

static enum options_result add_verbosity(struct options *options, const char *value)
{
	(void)value;
	options->verbosity++;
	return OPTIONS_RUN;
}

static enum options_result show_version(struct options *options, const char *value)
{
	(void)options;
	(void)value;
	printf("tlspcap %s\n%s, libbpf %s\n", TLSPCAP_VERSION, pcap_lib_version(),
	       capture_libbpf_version());
	return OPTIONS_SHOWN;
}

const struct options_group options_how = {
	"How",
	{
		{"buffer-size", 'B', "SIZE", set_ring,
		 "of the ring buffer between kernel and tlspcap, in KiB or\n"
		 "with K, M, G; default 64M"},
		{"hold", 0, NULL, set_hold,
		 "stop a process that maps a TLS library nobody has mapped\n"
		 "before, for the milliseconds until it is probed; who waits\n"
		 "for it may see that"},
		{"list", 'D', "[json]", set_list,
		 "show who uses which TLS library in scope and what can be\n"
		 "had of each, as a table or as JSON, and end; -v: by which\n"
		 "method"},
		{"doctor", 0, NULL, set_doctor,
		 "say what this kernel and these privileges allow, what is\n"
		 "missing and what would be gained, and end"},
		{"tier", 0, "NAME", set_tier,
		 "hooks in the kernel: raw, tracepoint, fentry, kprobe, btf\n"
		 "or syscall; perf: probes in files one by one. Default:\n"
		 "the best that can be had; may be given again"},
		{"relinquish-privileges", 'Z', "USER", set_user,
		 "become USER when the probes are in place: its are the\n"
		 "files, and COMMAND and -z's run as it"},
		{"fail-on-loss", 0, NULL, set_fail_on_loss,
		 "exit status 3 when something was lost"},
		{"quiet", 'q', NULL, set_quiet, "only errors and losses on stderr"},
		{"verbose", 'v', NULL, add_verbosity,
		 "say what is probed and how; -v -v: the kernel's words too"},
		{"completion", 0, "SHELL", options_completion,
		 "print the completions for bash, zsh or fish"},
		{"help", 'h', NULL, options_help, "this text"},
		{"version", 'V', NULL, show_version, "versions of tlspcap and its libraries"},
	},
};
