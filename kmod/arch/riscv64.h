/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HVISOR_ARCH_RISCV64_H
#define HVISOR_ARCH_RISCV64_H

#include <linux/errno.h>
#include <asm/cacheflush.h>

#define ZONE_ARCH ZONE_RISCV64

#define HVISOR_SBI_EXTENSION		0x114514
#define HVISOR_SBI_NOT_SUPPORTED	(-2)

/* The value is in a1, a negative errno included; a0 is SBI's own error. */
static inline long hypercall(u64 code, u64 arg0, u64 arg1)
{
	register u64 a0 asm("a0") = code;
	register u64 a1 asm("a1") = arg0;
	register u64 a2 asm("a2") = arg1;
	register u64 a6 asm("a6") = 0;
	register u64 a7 asm("a7") = HVISOR_SBI_EXTENSION;

	asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	if ((long)a0 == HVISOR_SBI_NOT_SUPPORTED)
		return -ENODEV;
	return a1;
}

static inline bool hypercall_possible(void)
{
	return true;
}

/* Zones' caches are coherent; only instruction fetches need to be told. */
static inline void publish_data(void *address, size_t size)
{
}

static inline void publish_code(void *address, size_t size)
{
	flush_icache_range((unsigned long)address, (unsigned long)address + size);
}

#endif /* HVISOR_ARCH_RISCV64_H */
