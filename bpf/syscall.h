/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* System calls: their numbers, and their arguments in the registers that they were made with. */
#ifndef TLSPCAP_BPF_SYSCALL_H
#define TLSPCAP_BPF_SYSCALL_H

#include "legacy.h"

/* The call of a task that is in one, or at its end, and its arguments; its registers are `regs`. */
#if defined(__TARGET_ARCH_x86)
#define CALL_NUMBER(regs)   LOAD(regs, orig_ax)
#define CALL_FIRST(regs)    LOAD(regs, di)
#define CALL_SECOND(regs)   LOAD(regs, si)
#define CALL_THIRD(regs)    LOAD(regs, dx)
#define CALL_FOURTH(regs)   LOAD(regs, r10)
#define CALL_FIFTH(regs)    LOAD(regs, r8)
#define CALL_IS_32BIT(regs) (LOAD(regs, cs) == 0x23)
#define CALL_READ	    0
#define CALL_WRITE	    1
#define CALL_READV	    19
#define CALL_WRITEV	    20
#define CALL_SENDTO	    44
#define CALL_RECVFROM	    45
#define CALL_SENDMSG	    46
#define CALL_RECVMSG	    47
#define CALL_RECVMMSG	    299
#define CALL_SENDMMSG	    307
#define CALL_PREADV2	    327
#define CALL_PWRITEV2	    328
#elif defined(__TARGET_ARCH_arm64)
#define CALL_NUMBER(regs)   LOAD(regs, syscallno)
#define CALL_FIRST(regs)    LOAD(regs, orig_x0)
#define CALL_SECOND(regs)   LOAD(regs, regs[1])
#define CALL_THIRD(regs)    LOAD(regs, regs[2])
#define CALL_FOURTH(regs)   LOAD(regs, regs[3])
#define CALL_FIFTH(regs)    LOAD(regs, regs[4])
#define CALL_IS_32BIT(regs) (LOAD(regs, pstate) & 0x10)
#define CALL_READ	    63
#define CALL_WRITE	    64
#define CALL_READV	    65
#define CALL_WRITEV	    66
#define CALL_SENDTO	    206
#define CALL_RECVFROM	    207
#define CALL_SENDMSG	    211
#define CALL_RECVMSG	    212
#define CALL_RECVMMSG	    243
#define CALL_SENDMMSG	    269
#define CALL_PREADV2	    286
#define CALL_PWRITEV2	    287
#else
#error "the system calls of this machine are not known"
#endif

#endif
