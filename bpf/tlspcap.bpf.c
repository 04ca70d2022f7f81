/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The one BPF object. Each TLS library family is one line here: bpf/<family>.bpf.h with the
 * programs <family>_enter and <family>_leave.
 */
#include "kernel.h"
#include <bpf/bpf_endian.h>
#include "maps.h"
#include "filter.h"
#include "emit.h"
#include "object.h"
#include "socket.h"
#include "stream.h"
#include "goroutine.h"
#include "moved.h"
#include "process.h"
#include "mapped.bpf.h"
#include "hooks.h"

#include "openssl.bpf.h"
#include "gnutls.bpf.h"
#include "mbedtls.bpf.h"
#include "wolfssl.bpf.h"
#include "go.bpf.h"
#include "nspr.bpf.h"
#include "rustls.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
