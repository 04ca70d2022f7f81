/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TLSPCAP_OUTPUT_OPEN_H
#define TLSPCAP_OUTPUT_OPEN_H

/* A descriptor to write to, or negative errno with *why, as output_open() has it. */
int output_open_fd(const char *path, char **why);

/* A new private file in a folder, or negative errno. */
int output_create_fd(int folder, const char *name);

#endif
