/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The one BPF object. Each TLS library family has bpf/<family>.bpf.h with the programs
 * <family>_enter and <family>_leave. One that learns from sockets which object uses them has
 * bpf/<family>.socket.h with <family>_used().
 */
#include "kernel.h"
#include <bpf/bpf_endian.h>
#include "maps.h"
#include "filter.h"
#include "emit.h"
#include "object.h"
#include "socket.h"
#include "stream.h"
#include "moved.h"
#include "process.h"
#include "mapped.bpf.h"
#include "hooks.h"

#include "families.bpf.h" /* made by CMakeLists.txt of src/locate/families.def */

char LICENSE[] SEC("license") = "Dual BSD/GPL";
