/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#include "rules.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS   1000000000ull
#define SECONDS_MAX (10ull * 365 * 86400)
#define MILLION	    1000000ull
#define BYTES_MAX   ((uint64_t)1 << 50)

static bool parse(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value >= low && *value <= high;
}

/* tcpdump's: millions of bytes, or with a suffix KiB, MiB, GiB. */
static bool parse_size(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "kmg";
	size_t length = strlen(text);
	const char *suffix;
	char number[24];
	uint64_t unit = MILLION;

	if (!length || length >= sizeof(number))
		return false;
	memcpy(number, text, length + 1);
	suffix = strchr(suffixes, tolower((unsigned char)text[length - 1]));
	if (suffix) {
		unit = (uint64_t)1 << (10 * (suffix - suffixes + 1));
		number[length - 1] = '\0';
	}
	if (!parse(number, 1, BYTES_MAX / unit, bytes))
		return false;
	*bytes *= unit;
	return true;
}

/* Seconds, also with a fraction, as dumpcap takes them. */
static bool parse_duration(const char *text, uint64_t *ns)
{
	char *end;
	double seconds;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return false;
	seconds = strtod(text, &end);
	if (*end || !(seconds > 0) || seconds > (double)SECONDS_MAX)
		return false;
	*ns = (uint64_t)(seconds * 1e9);
	return *ns > 0;
}

const char *rules_size(struct rules *rules, const char *value)
{
	if (parse_size(value, &rules->size))
		return NULL;
	return "not a size: millions of bytes, or with the suffix k, m or g KiB, MiB or GiB";
}

const char *rules_seconds(struct rules *rules, const char *value)
{
	if (parse(value, 1, SECONDS_MAX, &rules->seconds))
		return NULL;
	return "not a whole number of seconds";
}

const char *rules_count(struct rules *rules, const char *value)
{
	return parse(value, 1, 1000000, &rules->count) ? NULL : "not a number of files";
}

const char *rules_split(struct rules *rules, const char *value)
{
	if (!strcmp(value, "mntns"))
		rules->files.split = FILES_BY_MNTNS;
	else if (!strcmp(value, "netns"))
		rules->files.split = FILES_BY_NETNS;
	else
		return "not known; one of mntns, netns";
	return NULL;
}

const char *rules_max_disk(struct rules *rules, const char *value)
{
	if (parse_size(value, &rules->files.max_disk) && rules->files.max_disk >= MILLION)
		return NULL;
	return "not a size from a million bytes on: millions of bytes, or with the suffix k, m "
	       "or g KiB, MiB or GiB";
}

/* "key:value" */
enum kind {
	KILOBYTES, /* dumpcap's: 1000 bytes */
	DURATION,
	NUMBER,
	NUMBER32,
	ORDER,
	TEXT,
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct rules */
};

#define OFFSET(member) offsetof(struct rules, member)

static const struct key follow_keys[] = {
	{"filesize", KILOBYTES, OFFSET(files.bytes)},
	{"duration", DURATION, OFFSET(files.duration_ns)},
	{"interval", DURATION, OFFSET(files.interval_ns)},
	{"packets", NUMBER, OFFSET(files.packets)},
	{"files", NUMBER32, OFFSET(files.keep)},
	{"nametimenum", ORDER, OFFSET(files.time_first)},
	{"printname", TEXT, OFFSET(printname)},
	{NULL, 0, 0},
};

static const struct key stop_keys[] = {
	{"duration", DURATION, OFFSET(stop_duration_ns)},
	{"filesize", KILOBYTES, OFFSET(stop_bytes)},
	{"files", NUMBER, OFFSET(stop_files)},
	{"packets", NUMBER, OFFSET(stop_packets)},
	{NULL, 0, 0},
};

static bool set(struct rules *rules, const struct key *key, const char *value)
{
	void *member = (char *)rules + key->offset;
	uint64_t number;

	switch (key->kind) {
	case KILOBYTES:
		if (!parse(value, 1, BYTES_MAX / 1000, &number))
			return false;
		*(uint64_t *)member = number * 1000;
		return true;
	case DURATION:
		return parse_duration(value, member);
	case NUMBER:
		return parse(value, 1, UINT32_MAX, member);
	case NUMBER32:
		if (!parse(value, 1, 1000000, &number))
			return false;
		*(uint32_t *)member = (uint32_t)number;
		return true;
	case ORDER:
		if (!parse(value, 1, 2, &number))
			return false;
		*(bool *)member = number == 2;
		return true;
	case TEXT:
		*(const char **)member = value;
		return *value != '\0';
	}
	return false;
}

static bool set_pair(struct rules *rules, const struct key *keys, const char *value)
{
	const char *colon = strchr(value, ':');

	for (; colon && keys->name; keys++) {
		size_t length = strlen(keys->name);

		if (length == (size_t)(colon - value) && !strncmp(value, keys->name, length))
			return set(rules, keys, colon + 1);
	}
	return false;
}

const char *rules_follow(struct rules *rules, const char *value)
{
	if (set_pair(rules, follow_keys, value))
		return NULL;
	return "not known, or not with this value; one of filesize:KB, duration:S, interval:S, "
	       "packets:N, files:N, printname:FILE, nametimenum:1 or 2";
}

const char *rules_stop(struct rules *rules, const char *value)
{
	if (set_pair(rules, stop_keys, value))
		return NULL;
	return "not known, or not with this value; one of duration:S, filesize:KB, files:N, "
	       "packets:N";
}

static const char *finish_tcpdump(struct rules *rules, const char *path)
{
	struct files_rules *files = &rules->files;
	const char *name = strrchr(path, '/');

	name = name ? name : path;
	if (rules->size)
		files->bytes = rules->size;
	if (rules->seconds) {
		files->duration_ns = rules->seconds * SECOND_NS;
		for (const char *at = name; (at = strchr(at, '%')) && !files->times_in_path; at++)
			files->times_in_path = at[1] != '{';
	}
	if (!rules->count)
		return NULL;
	if (rules->size)
		files->keep = (uint32_t)rules->count;
	else if (rules->seconds)
		files->stop_files = (uint32_t)rules->count;
	else
		return "-W wants -C or -G with it";
	return NULL;
}

const char *rules_finish(struct rules *rules, const char *path)
{
	struct files_rules *files = &rules->files;
	const char *wrong = finish_tcpdump(rules, path);
	bool follow;

	if (wrong)
		return wrong;
	follow = files->bytes || files->duration_ns || files->interval_ns || files->packets ||
		 files->max_disk;
	if (rules->stop_files)
		files->stop_files = (uint32_t)rules->stop_files;
	/* dumpcap: with files that follow it is one more reason for the next one. */
	if (rules->stop_bytes && follow)
		files->bytes = files->bytes && files->bytes < rules->stop_bytes ? files->bytes
										: rules->stop_bytes;
	else
		files->stop_bytes = rules->stop_bytes;
	if (!follow && (files->keep || files->stop_files))
		return "a number of files wants a rule for when the next one begins, such as "
		       "-b filesize:KB or -b duration:S";
	return NULL;
}
