/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef TLSPCAP_SCOPE_H
#define TLSPCAP_SCOPE_H

#include <tlspcap/target.h>

/* Whether the process passes --mntns and --pid. A uid is compared by the kernel side only. */
bool scope_has(const struct target_scope *scope, pid_t pid);

#endif
