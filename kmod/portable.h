/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bridge_ring.h and zone_check.h need, in the kernel and in user space:
 * the two are plain logic and have unit tests that run without a kernel.
 */
#ifndef HVISOR_PORTABLE_H
#define HVISOR_PORTABLE_H

#ifdef __KERNEL__

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/barrier.h>

#else

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, value) __atomic_store_n((p), (value), __ATOMIC_RELEASE)
#define check_add_overflow(a, b, sum) __builtin_add_overflow((a), (b), (sum))

#endif
#endif /* HVISOR_PORTABLE_H */
