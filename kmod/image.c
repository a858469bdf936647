// SPDX-License-Identifier: GPL-2.0-only
/* Writing zone memory: images, and zeros. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "hvisor.h"
#include "hypercall.h"

/* How much is mapped at a time: bounds kernel memory and latency. */
#define WINDOW SZ_2M

/* A null source stands for zeros. */
static int write_window(u64 address, const void __user *source, size_t size)
{
	void *window = memremap(address, size, MEMREMAP_WB);
	int error = 0;

	if (!window)
		return -ENOMEM;
	if (!source) {
		memset(window, 0, size);
		publish_data(window, size);
	} else {
		if (copy_from_user(window, source, size))
			error = -EFAULT;
		publish_code(window, size);
	}
	memunmap(window);
	return error;
}

static int write_memory(u64 address, const void __user *source, u64 size)
{
	u64 last;
	int error;

	if (!size || check_add_overflow(address, size - 1, &last))
		return -EINVAL;
	if (!hvisor_is_zone_ram(address, size)) {
		pr_warn_ratelimited("writing %#llx, size %#llx, refused: not inside one no-map reserved-memory node or zone_ram= range\n",
				    address, size);
		return -EACCES;
	}
	while (size) {
		size_t part = min_t(u64, size, WINDOW - address % WINDOW);

		error = write_window(address, source, part);
		if (error)
			return error;
		address += part;
		if (source)
			source += part;
		size -= part;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

int hvisor_load_image(const struct hvisor_load_image *args)
{
	const void __user *source = u64_to_user_ptr(args->user_buffer);

	if (!source)
		return -EINVAL;
	if (args->size && !access_ok(source, args->size))
		return -EFAULT;
	return write_memory(args->load_paddr, source, args->size);
}

int hvisor_zero(const struct hvisor_range *range)
{
	return write_memory(range->address, NULL, range->size);
}
