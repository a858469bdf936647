// SPDX-License-Identifier: GPL-2.0-only
/* Is the hypervisor there, and which interrupt does it wake us with? */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/of.h>
#include <linux/of_irq.h>
#include <linux/slab.h>

#include "hvisor.h"
#include "hypercall.h"

/* The name, and the one that device trees before 2024-11 have. */
static struct device_node *find_node(void)
{
	struct device_node *node = of_find_node_by_path("/hvisor_virtio_device");

	if (!node)
		node = of_find_node_by_path("/hvisor_device");
	if (node && !of_device_is_available(node)) {
		of_node_put(node);
		node = NULL;
	}
	return node;
}

int hvisor_config_magic(u64 *magic)
{
	u64 *answer = kzalloc(sizeof(*answer), GFP_KERNEL);
	long result;

	if (!answer)
		return -ENOMEM;
	/* A call that the hypervisor does not know leaves the word alone. */
	result = hypercall(HYPERCALL_CONFIG_CHECK, virt_to_phys(answer), 0);
	*magic = READ_ONCE(*answer);
	kfree(answer);
	if (result < 0)
		return hypercall_error(result);
	return *magic ? 0 : -EOPNOTSUPP;
}

/*
 * On a machine without the hypervisor a hypercall can be an undefined
 * instruction, or mean something else to whoever gets it. So the device tree
 * decides first where there is one. CONFIG_CHECK is then the first call: the
 * one that does no harm to a KVM or a boot stub in EL2, and old hypervisors
 * that do not know it have another bridge page than ours.
 */
int hvisor_find(void)
{
	struct device_node *node;
	u64 magic;
	int error;

	if (!hypercall_possible()) {
		pr_err("this kernel runs at the hypervisor's privilege level, so there is no hvisor below it\n");
		return -ENODEV;
	}
	if (!IS_ENABLED(CONFIG_X86_64)) {
		node = find_node();
		if (!node) {
			pr_err("no enabled node /hvisor_virtio_device (or /hvisor_device) in the device tree: not hvisor's root zone, or its device tree lacks the wake-up interrupt\n");
			return -ENODEV;
		}
		of_node_put(node);
	}
	error = hvisor_config_magic(&magic);
	if (error) {
		pr_err("no hypervisor answers with its configuration magic (error %d); hvisor v0.1.2 or newer is needed\n",
		       error);
		return -ENODEV;
	}
	pr_info("hypervisor with configuration magic %#llx\n", magic);
	return 0;
}

static int wakeup_irq_of_hypervisor(void)
{
	u32 *answer = kzalloc(sizeof(*answer), GFP_KERNEL);
	long result;
	int irq;

	if (!answer)
		return -ENOMEM;
	result = hypercall(HYPERCALL_GET_VIRTIO_IRQ, virt_to_phys(answer), 0);
	irq = READ_ONCE(*answer);
	kfree(answer);
	if (result < 0)
		return hypercall_error(result);
	if (irq <= 0) {
		pr_err("the hypervisor names no wake-up interrupt\n");
		return -ENODEV;
	}
	return irq;
}

int hvisor_wakeup_irq(void)
{
	struct device_node *node;
	int irq;

	if (IS_ENABLED(CONFIG_X86_64))
		return wakeup_irq_of_hypervisor();

	node = find_node();
	if (!node)
		return -ENODEV;
	irq = of_irq_get(node, 0);
	if (irq <= 0)
		pr_err("%pOF: no usable interrupt (error %d)\n", node, irq);
	of_node_put(node);
	return irq == 0 ? -ENXIO : irq;
}
