/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Connections whose records are no use: older than the capture, so that their handshake and
 * with it the secrets are gone, or moved past the hooks. The processes that have them get
 * plaintext probes, for as long as such a connection lives.
 */
#ifndef TLSPCAP_OLDER_H
#define TLSPCAP_OLDER_H

#include "libraries.h"

struct older;

/*
 * Looks for established TCP connections of processes in scope that map one of the libraries,
 * and attaches. Messages go to stderr; a process that cannot be served is not an error.
 * Returns 0, or -ENOMEM.
 */
int older_attach(struct capture *capture, const struct options *options,
		 const struct target_scope *scope, struct libraries *libraries,
		 struct older **older);

/*
 * A process moves bytes past the hooks on its sockets (kernel TLS, io_uring): its calls are
 * the way to its plaintext, for as long as it has the connections that it has now.
 */
void older_add(struct older *older, pid_t pid);

/* Detaches from processes whose old connections are gone. Call it about once in a second. */
void older_check(struct older *older);

void older_free(struct older *older);

#endif
