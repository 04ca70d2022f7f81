/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Registers of the captured program for which libbpf has no name. */
#ifndef TLSPCAP_BPF_MACHINE_H
#define TLSPCAP_BPF_MACHINE_H

#include "legacy.h"

/*
 *	REGISTER_SIXTH(ctx)	the sixth argument of a C function
 *	ARGUMENT_REGISTERS	how many arguments of a C function are in registers
 *	STACK_ARGUMENT		bytes from the stack pointer to the first argument there
 *	RESULT_PLACE(ctx)	where a function is to put a result that is a structure
 */
#if defined(__TARGET_ARCH_x86)
#define REGISTER_SIXTH(ctx) ((ctx)->r9)
#define RESULT_PLACE(ctx)   ((ctx)->rdi)
#define ARGUMENT_REGISTERS  6
#define STACK_ARGUMENT	    8
#elif defined(__TARGET_ARCH_arm64)
#define REGISTER(ctx, n)    (((const struct user_pt_regs *)(ctx))->regs[n])
#define REGISTER_SIXTH(ctx) REGISTER(ctx, 5)
#define RESULT_PLACE(ctx)   REGISTER(ctx, 8)
#define ARGUMENT_REGISTERS  8
#define STACK_ARGUMENT	    0
#else
#error "the registers of this machine are not known"
#endif

#endif
