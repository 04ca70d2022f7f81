/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions of Go's crypto/tls that are probed: the numbers that src/locate/go.c puts into
 * a probe's cookie and bpf/go.bpf.h takes out of it.
 */
#ifndef TLSPCAP_BPF_GO_H
#define TLSPCAP_BPF_GO_H

enum go_function {
	GO_READ = 1,	   /* (*Conn).Read(b []byte) (int, error) */
	GO_WRITE = 2,	   /* (*Conn).Write(b []byte) (int, error) */
	GO_CLOSE = 3,	   /* (*Conn).Close() error, entry only */
	GO_LOG_SECRET = 4, /* (*Config).writeKeyLog(label string, random, secret []byte), entry */
	GO_MASTER = 5,	   /* keysFromMasterSecret(uint16, *suite, master, random, …), entry */
};

/* layout.flags: arguments are on the stack (up to Go 1.16), and g is in thread-local storage. */
#define GO_ON_STACK 1

#endif
