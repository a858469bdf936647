// SPDX-License-Identifier: GPL-2.0-only
/* The device node: who may call, and what calls what. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "hvisor.h"
#include "hypercall.h"

static int get_version(struct hvisor_version __user *answer)
{
	struct hvisor_version version = {
		.size = sizeof(version),
		.abi = HVISOR_ABI_VERSION,
		.features = HVISOR_FEATURE_ZONE_START_SIZED | HVISOR_FEATURE_ZERO |
			    HVISOR_FEATURE_MMAP_OFFSETS | HVISOR_FEATURE_SELF_ANSWERING,
	};
	int error = hvisor_config_magic(&version.config_magic);

	if (error && error != -EOPNOTSUPP)
		return error;
	return copy_to_user(answer, &version, sizeof(version)) ? -EFAULT : 0;
}

static int config_check(u64 __user *answer)
{
	u64 magic;
	int error = hvisor_config_magic(&magic);

	return error ? error : put_user(magic, answer);
}

static int get_ecam_base(u64 __user *answer)
{
	/* A hypervisor without this call leaves it 0. */
	u64 *base = kzalloc(sizeof(*base), GFP_KERNEL);
	int error;

	if (!base)
		return -ENOMEM;
	error = hypercall_error(hypercall(HYPERCALL_GET_ECAM_BASE, virt_to_phys(base), 0));
	if (!error)
		error = put_user(READ_ONCE(*base), answer);
	kfree(base);
	return error;
}

/* The calls that loongarch64 alone has, with its level-triggered lines. */
static int lower_interrupts(unsigned int command, const void __user *argument)
{
	struct hvisor_irq_line line;

	if (!IS_ENABLED(CONFIG_LOONGARCH))
		return -ENOTTY;
	if (command == HVISOR_CLEAR_INJECT_IRQ)
		return hypercall_error(hypercall(HYPERCALL_CLEAR_INJECT_IRQ, 0, 0));
	if (copy_from_user(&line, argument, sizeof(line)))
		return -EFAULT;
	return hypercall_error(hypercall(HYPERCALL_DEASSERT_IRQ, line.zone_id, line.irq_id));
}

static long hvisor_ioctl(struct file *file, unsigned int command, unsigned long value)
{
	void __user *argument = (void __user *)value;
	union {
		struct hvisor_zone_list list;
		struct hvisor_load_image image;
		struct hvisor_zone_boot_mode boot_mode;
		struct hvisor_zone_start start;
		struct hvisor_range range;
	} copy;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;

	switch (command) {
	case HVISOR_INIT_VIRTIO:
		return hvisor_bridge_attach(file);
	case HVISOR_FINISH_REQ:
		return hvisor_bridge_finish_req(file);
	case HVISOR_SET_EVENTFD:
		return hvisor_bridge_set_eventfd(file, value);
	case HVISOR_ZONE_START:
		return hvisor_zone_start(argument);
	case HVISOR_ZONE_SHUTDOWN:
		return hvisor_zone_shutdown(value);
	case HVISOR_ZONE_LIST:
		if (copy_from_user(&copy.list, argument, sizeof(copy.list)))
			return -EFAULT;
		return hvisor_zone_list(&copy.list);
	case HVISOR_CONFIG_CHECK:
		return config_check(argument);
	case HVISOR_LOAD_IMAGE:
		if (copy_from_user(&copy.image, argument, sizeof(copy.image)))
			return -EFAULT;
		return hvisor_load_image(&copy.image);
	case HVISOR_SET_BOOT_MODE:
		if (copy_from_user(&copy.boot_mode, argument, sizeof(copy.boot_mode)))
			return -EFAULT;
		return hvisor_zone_set_boot_mode(&copy.boot_mode);
	case HVISOR_GET_ECAM_BASE:
		return get_ecam_base(argument);
	case HVISOR_DEASSERT_IRQ:
	case HVISOR_CLEAR_INJECT_IRQ:
		return lower_interrupts(command, argument);
	case HVISOR_GET_VERSION:
		return get_version(argument);
	case HVISOR_ZONE_START_SIZED:
		if (copy_from_user(&copy.start, argument, sizeof(copy.start)))
			return -EFAULT;
		return hvisor_zone_start_sized(&copy.start);
	case HVISOR_ZERO:
		if (copy_from_user(&copy.range, argument, sizeof(copy.range)))
			return -EFAULT;
		return hvisor_zero(&copy.range);
	default:
		return -ENOTTY;
	}
}

static int hvisor_mmap(struct file *file, struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	/* A private mapping would be a copy that the other side never sees. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	vm_flags_clear(vma, VM_MAYEXEC);

	if (offset == 0 || offset == HVISOR_MMAP_BRIDGE)
		return hvisor_bridge_mmap(file, vma);
	return hvisor_ram_mmap(vma, offset & ~HVISOR_MMAP_PHYSICAL);
}

static int hvisor_open(struct inode *inode, struct file *file)
{
	return nonseekable_open(inode, file);
}

static int hvisor_release(struct inode *inode, struct file *file)
{
	hvisor_bridge_detach(file);
	return 0;
}

/* No compat_ioctl: numbers and structures are those of 64-bit programs. */
static const struct file_operations hvisor_fops = {
	.owner = THIS_MODULE,
	.open = hvisor_open,
	.release = hvisor_release,
	.unlocked_ioctl = hvisor_ioctl,
	.mmap = hvisor_mmap,
};

static struct miscdevice hvisor_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = HVISOR_DEVICE_NAME,
	.mode = 0600,
	.fops = &hvisor_fops,
};

static int __init hvisor_init(void)
{
	int error;

	error = hvisor_find();
	if (error)
		return error;
	error = hvisor_ram_init();
	if (error)
		return error;
	error = hvisor_zones_init();
	if (error)
		return error;
	error = hvisor_bridge_init();
	if (error)
		goto exit_zones;
	/* Whoever sees the node finds everything behind it ready. */
	error = misc_register(&hvisor_device);
	if (error) {
		pr_err("/dev/%s cannot be registered (error %d)\n", HVISOR_DEVICE_NAME, error);
		goto exit_bridge;
	}
	/* Zones may exist that were started before the module was loaded. */
	hvisor_zones_watch();
	return 0;

exit_bridge:
	hvisor_bridge_exit();
exit_zones:
	hvisor_zones_exit();
	return error;
}

static void __exit hvisor_exit(void)
{
	misc_deregister(&hvisor_device);
	hvisor_zones_exit();
	hvisor_bridge_exit();
}

module_init(hvisor_init);
module_exit(hvisor_exit);

/* Not bound to; lets udev load the module where the node is. */
static const struct of_device_id hvisor_of_ids[] __maybe_unused = {
	{ .compatible = "hvisor" },
	{ }
};
MODULE_DEVICE_TABLE(of, hvisor_of_ids);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("hvisord developers");
MODULE_DESCRIPTION("Interface to the hvisor hypervisor for its root zone");
MODULE_VERSION("0.1.0");
