/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TLSPCAP_OUTPUT_OPEN_H
#define TLSPCAP_OUTPUT_OPEN_H

#include <sys/types.h>
#include <tlspcap/output.h>

/* A descriptor to write to, or negative errno with *why, as output_open() has it. */
int output_open_fd(const char *path, char **why);

/* A new private file in a folder, or negative errno. */
int output_create_fd(int folder, const char *name);

/* As statx(2) takes them. 0 or negative errno. `type`: S_IFREG, … */
int output_identify(int folder, const char *name, int flags, struct output_identity *identity,
		    mode_t *type);

#endif
