/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Wireshark's extcap protocol (its extcap(4)): Wireshark runs each program of its extcap folder,
 * asks which interfaces it has and which options they take, and starts a capture into a FIFO.
 */
#ifndef TLSPCAP_EXTCAP_H
#define TLSPCAP_EXTCAP_H

#include <stdbool.h>

enum extcap_result {
	EXTCAP_SHOWN = 0, /* the question is answered */
	EXTCAP_CAPTURE,	  /* `arguments` are those of a capture */
	EXTCAP_WRONG,	  /* a message was printed; exit status 2 */
};

/* Whether the arguments are Wireshark's. */
bool extcap_is_asked(int argc, char **argv);

/*
 * Answers, or turns the arguments into those of a usual capture. *arguments is NULL-terminated
 * and to be freed, what it points to is argv's or static; *n is their number.
 */
enum extcap_result extcap_answer(int argc, char **argv, int *n, char ***arguments);

#endif
