/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What this process may still do once everything is set up. */
#ifndef TLSPCAP_PRIVILEGES_H
#define TLSPCAP_PRIVILEGES_H

/*
 * Gives up every capability but those that reading counters (CAP_BPF), attaching
 * further probes (CAP_PERFMON), opening the files that processes map
 * (CAP_CHECKPOINT_RESTORE) and naming namespaces (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH) need,
 * for good. 0 or negative errno.
 */
int privileges_drop(void);

#endif
