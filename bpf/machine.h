/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Registers of the captured program for which libbpf has no name. */
#ifndef TLSPCAP_BPF_MACHINE_H
#define TLSPCAP_BPF_MACHINE_H

#include "legacy.h"

/*
 *	REGISTER_SIXTH(ctx)	the sixth argument of a C function
 *	STACK_ARGUMENT		bytes from the stack pointer to the first argument there
 *	GO_WORDS(ctx, word)	the first eight words of a Go function's arguments
 *	GO_RETURNED(ctx)	the first word of its results
 *	GO_CURRENT(ctx)		the goroutine's descriptor g
 */
#if defined(__TARGET_ARCH_x86)
#define REGISTER_SIXTH(ctx) ((ctx)->r9)
#define STACK_ARGUMENT	    8
#define GO_RETURNED(ctx)    ((ctx)->rax)
#define GO_CURRENT(ctx)	    ((ctx)->r14)
#define GO_WORDS(ctx, word)                                                                        \
	do {                                                                                       \
		(word)[0] = (ctx)->rax;                                                            \
		(word)[1] = (ctx)->rbx;                                                            \
		(word)[2] = (ctx)->rcx;                                                            \
		(word)[3] = (ctx)->rdi;                                                            \
		(word)[4] = (ctx)->rsi;                                                            \
		(word)[5] = (ctx)->r8;                                                             \
		(word)[6] = (ctx)->r9;                                                             \
		(word)[7] = (ctx)->r10;                                                            \
	} while (0)
#elif defined(__TARGET_ARCH_arm64)
#define REGISTER(ctx, n)    (((const struct user_pt_regs *)(ctx))->regs[n])
#define REGISTER_SIXTH(ctx) REGISTER(ctx, 5)
#define STACK_ARGUMENT	    0
#define GO_RETURNED(ctx)    REGISTER(ctx, 0)
#define GO_CURRENT(ctx)	    REGISTER(ctx, 28)
#define GO_WORDS(ctx, word)                                                                        \
	do {                                                                                       \
		(word)[0] = REGISTER(ctx, 0);                                                      \
		(word)[1] = REGISTER(ctx, 1);                                                      \
		(word)[2] = REGISTER(ctx, 2);                                                      \
		(word)[3] = REGISTER(ctx, 3);                                                      \
		(word)[4] = REGISTER(ctx, 4);                                                      \
		(word)[5] = REGISTER(ctx, 5);                                                      \
		(word)[6] = REGISTER(ctx, 6);                                                      \
		(word)[7] = REGISTER(ctx, 7);                                                      \
	} while (0)
#else
#error "the registers of this machine are not known"
#endif

#endif
