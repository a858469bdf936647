/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HVISOR_ARCH_X86_64_H
#define HVISOR_ARCH_X86_64_H

#include <linux/errno.h>
#include <asm/asm.h>
#include <asm/cacheflush.h>

#define ZONE_ARCH ZONE_X86_64

/*
 * Without a hypervisor vmcall is an undefined instruction; the exception
 * table turns that into -ENODEV.
 */
static inline long hypercall(u64 code, u64 arg0, u64 arg1)
{
	long result = code;

	asm volatile("1: vmcall\n"
		     "2:\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_IMM_REG | EX_DATA_IMM(-ENODEV), %%rax)
		     : "+a"(result)
		     : "D"(arg0), "S"(arg1)
		     : "memory");
	return result;
}

static inline bool hypercall_possible(void)
{
	return true;
}

/* Caches are coherent, instruction fetches included. */
static inline void publish_data(void *address, size_t size)
{
}

static inline void publish_code(void *address, size_t size)
{
}

#endif /* HVISOR_ARCH_X86_64_H */
