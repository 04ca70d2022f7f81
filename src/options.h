/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The command line of tlspcap. */
#ifndef TLSPCAP_OPTIONS_H
#define TLSPCAP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tlspcap/capture.h>
#include <tlspcap/view.h>
#include "rules.h"

#define OPTIONS_LIST_MAX 256

/* Where the conversations' bytes are taken from. */
enum options_source {
	SOURCE_AUTO = 0, /* the socket's records; the library's calls where these cannot be read */
	SOURCE_RECORDS,	 /* the socket's records only */
	SOURCE_PROBES,	 /* the library's calls only */
};

struct options {
	const char *path;
	const char *keylog;
	const char *record;
	const char *after; /* -z; NULL: nothing */
	struct rules rules;
	bool no_secrets;
	uint32_t mntns[OPTIONS_LIST_MAX];
	size_t n_mntns;
	pid_t pid[OPTIONS_LIST_MAX];
	size_t n_pid;
	uid_t uid[OPTIONS_LIST_MAX];
	size_t n_uid;
	uint32_t netns[OPTIONS_LIST_MAX];
	size_t n_netns;
	const char *comm[OPTIONS_LIST_MAX];
	size_t n_comm;
	const char *cgroup[OPTIONS_LIST_MAX];
	size_t n_cgroup;
	const char *container[OPTIONS_LIST_MAX];
	size_t n_container;
	const char *pod[OPTIONS_LIST_MAX];
	size_t n_pod;
	const char *pod_namespace[OPTIONS_LIST_MAX];
	size_t n_pod_namespace;
	const char *lib[OPTIONS_LIST_MAX];
	size_t n_lib;
	bool hold;
	enum options_source source;
	enum view_kind view;
	uint64_t packets;     /* 0: no limit */
	uint64_t duration_ns; /* 0: no limit */
	size_t ring_bytes;
	bool list;
	bool list_json; /* in place of a table */
	bool doctor;
	enum capture_tier tier;
	bool one_by_one; /* probes in files, without uprobe_multi */
	bool unbuffered;
	bool fail_on_loss;
	const char *user; /* -Z; NULL: stay who we are */
	uid_t user_id;	  /* of user */
	gid_t user_group; /* likewise */
	bool quiet;
	int verbosity;
	char *filter;	/* owned; NULL: none */
	char **command; /* into argv, NULL-terminated; NULL: none */
};

enum options_result {
	OPTIONS_RUN = 0,
	OPTIONS_SHOWN,	/* --help or --version was printed */
	OPTIONS_WRONG,	/* a message was printed; exit status 2 */
	OPTIONS_FAILED, /* the value is sound and what it names is not there; exit status 1 */
};

enum options_result options_parse(int argc, char **argv, struct options *options);
void options_free(struct options *options);

#endif
