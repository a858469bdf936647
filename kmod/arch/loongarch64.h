/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HVISOR_ARCH_LOONGARCH64_H
#define HVISOR_ARCH_LOONGARCH64_H

#include <asm/cacheflush.h>

#define ZONE_ARCH ZONE_LOONGARCH64

/* hvcl 0, as a word for assemblers that do not know it */
static inline long hypercall(u64 code, u64 arg0, u64 arg1)
{
	register u64 a0 asm("a0") = code;
	register u64 a1 asm("a1") = arg0;
	register u64 a2 asm("a2") = arg1;

	asm volatile(".word 0x002b8000" : "+r"(a0) : "r"(a1), "r"(a2) : "memory");
	return a0;
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

#endif /* HVISOR_ARCH_LOONGARCH64_H */
