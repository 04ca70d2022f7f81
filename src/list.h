/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * --list: who uses which TLS library, and what can be had of each. One row for each program in
 * each mount namespace and each library that it has mapped, and for libraries without users.
 */
#ifndef TLSPCAP_LIST_H
#define TLSPCAP_LIST_H

#include "libraries.h"
#include "namespaces.h"

/* Prints the table, or JSON, on stdout. 0 or negative errno after a message. */
int list_print(const struct options *options, struct capture *capture,
	       const struct target_scope *scope, struct libraries *libraries,
	       struct namespaces *namespaces);

#endif
