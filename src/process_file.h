/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Files that a process has mapped. */
#ifndef TLSPCAP_PROCESS_FILE_H
#define TLSPCAP_PROCESS_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The name that a descriptor's file has for the process; without our own root before it. */
void process_file_name(int fd, pid_t pid, char *name, size_t size);

/* Opens the file of the mapping that was made there, of which an end may be left only. A
 * descriptor, or negative errno. */
int process_open_mapping(pid_t pid, uint64_t start, uint64_t end);

#endif
