/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * locate: from the bytes of an ELF file to the places where probes belong.
 *
 * A pure stage: it reads the image it is given and makes no system call. The image is
 * hostile input; every read is bounded, and so is the work done for one file.
 *
 * Each library family (openssl, …) has one file src/locate/<family>.c with one function, and
 * one row in src/locate/families.def.
 */
#ifndef TLSPCAP_LOCATE_H
#define TLSPCAP_LOCATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tlspcap/event.h>

#define LOCATE_PROBES_MAX 64
#define LOCATE_TEXT_LEN	  160

/* Which of the family's two kernel programs, <family>_enter and <family>_leave, go there. */
enum locate_when {
	LOCATE_ENTER = 1,
	LOCATE_LEAVE = 2, /* at the return (uretprobe) */
	/* <family>_leave at this very instruction, one that returns: for stacks that move, where
	 * an exchanged return address is deadly. */
	LOCATE_LEAVE_AT = 4,
};

/* What a probe is there for: what is not wanted is not attached. */
enum locate_purpose {
	LOCATE_FOR_SECRETS = 1,
	LOCATE_FOR_PLAINTEXT = 2,
};

struct locate_probe {
	uint64_t offset;  /* in the file, bytes */
	uint8_t function; /* the family's own number, see bpf/<family>.h */
	uint8_t when;	  /* enum locate_when, or-ed */
	uint8_t purpose;  /* enum locate_purpose, or-ed */
	char name[45];	  /* symbol, or the name it would have */
};

struct locate_result {
	const char *family; /* static string, the name in bpf/, src/ and tests/ */
	uint16_t machine;   /* EM_… of elf.h: probes belong only where this code runs */
	char version[32];   /* "3.0", where the file tells; else empty */
	struct tlspcap_layout layout;
	size_t n_probes;
	struct locate_probe probes[LOCATE_PROBES_MAX];
	bool plaintext; /* the read and write calls were found */
	bool secrets;	/* the place where secrets pass was found, and the client random */
	bool half; /* the other half of the library is another file: what is missing is there */
	char plaintext_how[LOCATE_TEXT_LEN]; /* by which method, or why not: plain words */
	char secrets_how[LOCATE_TEXT_LEN];
};

/*
 * Looks for every family in the ELF file `image` of `size` bytes. `image` must stay
 * readable and unchanged during the call and is not kept.
 *
 * Returns the number of results written to `results` (at most `max`); 0 when the file is a
 * sound ELF file without TLS functions; -ENOEXEC when it is not an ELF file of this
 * machine's class and byte order, -ENOTSUP when it is not and seems to hold a TLS library,
 * -EBADMSG when it is damaged, -ENOMEM.
 */
int locate_image(const void *image, size_t size, struct locate_result *results, size_t max);

/*
 * A cheap look at a file's name: whether it could be a TLS library, so that it is worth
 * reading although no process has mapped it. `name` is without folders.
 */
bool locate_name_is_library(const char *name);

/*
 * The fixed beginning of the n-th (0 …) pattern behind it, cut to `size` bytes with its NUL:
 * for the kernel side, which knows no patterns. False: there is no n-th one.
 */
bool locate_name_prefix(size_t n, char *prefix, size_t size);

#endif
