/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HVISOR_ARCH_ARM64_H
#define HVISOR_ARCH_ARM64_H

#include <linux/bitfield.h>
#include <asm/barrier.h>
#include <asm/cacheflush.h>
#include <asm/sysreg.h>
#include <asm/virt.h>

#define ZONE_ARCH ZONE_ARM64

/*
 * Clobbers what a callee may by the SMC calling convention, though today's
 * hypervisor changes x0 only.
 */
static inline long hypercall(u64 code, u64 arg0, u64 arg1)
{
	register u64 x0 asm("x0") = code;
	register u64 x1 asm("x1") = arg0;
	register u64 x2 asm("x2") = arg1;

	asm volatile("hvc #0x4856"
		     : "+r"(x0), "+r"(x1), "+r"(x2)
		     :
		     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
		       "x14", "x15", "x16", "x17", "memory");
	return x0;
}

/*
 * A kernel in EL2 has nothing above it, and hvc would be a call to itself.
 * One in EL1 cannot tell: the device tree says that the hypervisor is there.
 */
static inline bool hypercall_possible(void)
{
	return !is_kernel_in_hyp_mode();
}

/* Make what was written visible to CPUs with caches off. */
static inline void publish_data(void *address, size_t size)
{
	unsigned long start = (unsigned long)address;
	unsigned long end = start + size;
	unsigned long line =
		4UL << FIELD_GET(CTR_EL0_DminLine_MASK, read_sysreg(ctr_el0));

	for (unsigned long at = round_down(start, line); at < end; at += line)
		asm volatile("dc civac, %0" : : "r"(at) : "memory");
	dsb(sy);
}

/* And to instruction fetches. */
static inline void publish_code(void *address, size_t size)
{
	publish_data(address, size);
	caches_clean_inval_pou((unsigned long)address, (unsigned long)address + size);
}

#endif /* HVISOR_ARCH_ARM64_H */
