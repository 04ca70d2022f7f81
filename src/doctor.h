/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* --doctor: what this kernel and these privileges allow, and what would be gained by what. */
#ifndef TLSPCAP_DOCTOR_H
#define TLSPCAP_DOCTOR_H

#include "options.h"

/* Prints the report. Whether a capture of containers would work. */
bool doctor_report(const struct options *options);

#endif
