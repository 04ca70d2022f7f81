/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Finds the TLS libraries in scope and probes them: target, locate and capture joined. */
#ifndef TLSPCAP_LIBRARIES_H
#define TLSPCAP_LIBRARIES_H

#include <tlspcap/capture.h>
#include "options.h"

struct libraries {
	size_t probed;	   /* files */
	size_t without;	   /* looked at, no TLS functions inside */
	size_t failed;	   /* could not be read or probed: named on stderr */
	size_t no_secrets; /* probed for plaintext only */
	struct target_counts scan;
};

/*
 * Probes every TLS library in scope, every --lib, and the program of COMMAND. Messages go to
 * stderr. Returns 0, or negative errno after it said why.
 */
int libraries_probe(struct capture *capture, const struct options *options,
		    const struct target_scope *scope, struct libraries *libraries);

#endif
