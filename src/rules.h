/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The options about files that follow one another, as tcpdump and dumpcap have them:
 * -C, -G, -W, -b, -a, --split, --max-disk. tlspcap and tlspcap-replay share them.
 */
#ifndef TLSPCAP_RULES_H
#define TLSPCAP_RULES_H

#include <tlspcap/files.h>

struct rules {
	struct files_rules files;
	uint64_t size;	  /* -C, bytes; 0: not given */
	uint64_t seconds; /* -G */
	uint64_t count;	  /* -W */
	uint64_t stop_duration_ns, stop_packets;
	uint64_t stop_files, stop_bytes;
	const char *printname; /* -b printname: the caller's text */
};

/* Each takes its option's value. NULL, or what is wrong with it: "not a …". */
const char *rules_size(struct rules *rules, const char *value);	   /* -C */
const char *rules_seconds(struct rules *rules, const char *value); /* -G */
const char *rules_count(struct rules *rules, const char *value);   /* -W */
const char *rules_follow(struct rules *rules, const char *value);  /* -b */
const char *rules_stop(struct rules *rules, const char *value);	   /* -a */
const char *rules_split(struct rules *rules, const char *value);
const char *rules_max_disk(struct rules *rules, const char *value);

/* After the last option: whether they go together, with this path. As above. */
const char *rules_finish(struct rules *rules, const char *path);

#endif
