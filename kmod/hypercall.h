/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls to the hypervisor. Each architecture has hypercall() in arch/. */
#ifndef HVISOR_HYPERCALL_H
#define HVISOR_HYPERCALL_H

#include <linux/err.h>
#include <linux/types.h>

/*
 * Addresses are physical. The hypervisor translates only the first page of a
 * buffer on some architectures, so a buffer must not cross a page boundary:
 * one from kmalloc() of at most a page does not.
 *
 * A code that the hypervisor does not know does nothing and returns 0.
 */
enum hvisor_hypercall {
	HYPERCALL_INIT_VIRTIO = 0,	/* page */
	HYPERCALL_FINISH_REQ = 1,
	HYPERCALL_ZONE_START = 2,	/* zone_config, its size */
	HYPERCALL_ZONE_SHUTDOWN = 3,	/* zone id */
	HYPERCALL_ZONE_LIST = 4,	/* zone_info[], elements; returns zones */
	HYPERCALL_CONFIG_CHECK = 6,	/* u64 */
	HYPERCALL_SET_BOOT_MODE = 8,	/* boot mode, its size */
	HYPERCALL_GET_ECAM_BASE = 9,	/* u64 */
	HYPERCALL_DEASSERT_IRQ = 11,	/* zone id, irq; loongarch64 */
	HYPERCALL_CLEAR_INJECT_IRQ = 20,	/* loongarch64 until 2026-08 */
	HYPERCALL_GET_VIRTIO_IRQ = 86,	/* u32; x86_64 */
};

#if defined(CONFIG_ARM64)
#include "arch/arm64.h"
#elif defined(CONFIG_RISCV)
#include "arch/riscv64.h"
#elif defined(CONFIG_LOONGARCH)
#include "arch/loongarch64.h"
#elif defined(CONFIG_X86_64)
#include "arch/x86_64.h"
#else
#error "hvisor runs on arm64, riscv64, loongarch64 and x86_64"
#endif

/* A negative result is minus an errno, unless something else answered. */
static inline int hypercall_error(long result)
{
	if (result >= 0)
		return 0;
	return result < -MAX_ERRNO ? -EIO : result;
}

#endif /* HVISOR_HYPERCALL_H */
