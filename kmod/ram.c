// SPDX-License-Identifier: GPL-2.0-only
/* Which memory may be given to zones, and mapping it. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "hvisor.h"

struct ram_range {
	u64 start;
	u64 size;
	bool hypervisor;	/* its own memory, never a zone's */
};

#define MAX_RANGES 64

/* Written while the module loads, only read afterwards. */
static struct ram_range ranges[MAX_RANGES];
static unsigned int num_ranges;

static char *zone_ram;
module_param(zone_ram, charp, 0444);
MODULE_PARM_DESC(zone_ram,
		 "More memory for zones, next to no-map nodes of /reserved-memory: start+size or start-last, comma separated");

static bool ram_range_contains(const struct ram_range *range, u64 start, u64 size)
{
	return start >= range->start && size <= range->size &&
	       start - range->start <= range->size - size;
}

static bool ram_range_meets(const struct ram_range *range, u64 start, u64 last)
{
	return start <= range->start + (range->size - 1) && range->start <= last;
}

static bool is_system_ram(u64 start, u64 size)
{
	return region_intersects(start, size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	       REGION_DISJOINT;
}

static bool meets_hypervisor(u64 start, u64 last)
{
	for (unsigned int i = 0; i < num_ranges; i++)
		if (ranges[i].hypervisor && ram_range_meets(&ranges[i], start, last))
			return true;
	return false;
}

bool hvisor_is_zone_ram(u64 start, u64 size)
{
	u64 last;

	if (!size || check_add_overflow(start, size - 1, &last) || meets_hypervisor(start, last))
		return false;
	for (unsigned int i = 0; i < num_ranges; i++)
		if (!ranges[i].hypervisor && ram_range_contains(&ranges[i], start, size))
			/* The kernel may have failed to reserve what the node says. */
			return !is_system_ram(start, size);
	return false;
}

const char *hvisor_io_conflict(u64 start, u64 size)
{
	if (is_system_ram(start, size))
		return "System RAM of the root zone";
	if (meets_hypervisor(start, start + (size - 1)))
		return "memory of the hypervisor";
	return NULL;
}

static int add_ram_range(u64 start, u64 size, bool hypervisor)
{
	u64 last;

	if (!size || check_add_overflow(start, size - 1, &last))
		return -EINVAL;
	if (num_ranges == MAX_RANGES)
		return -ENOSPC;
	ranges[num_ranges++] = (struct ram_range){ start, size, hypervisor };
	return 0;
}

static void add_reserved_node(struct device_node *node)
{
	bool hypervisor = of_node_name_eq(node, "hvisor") || of_node_name_eq(node, "hypervisor");
	u64 start, size;
	int error;

	for (int i = 0; of_property_read_reg(node, i, &start, &size) == 0; i++) {
		error = add_ram_range(start, size, hypervisor);
		if (error)
			pr_warn("%pOF: range %d (%#llx, size %#llx) is not used (error %d)\n",
				node, i, start, size, error);
		else
			pr_debug("%pOF: %#llx, size %#llx, is memory of %s\n", node, start, size,
				 hypervisor ? "the hypervisor" : "zones");
	}
}

static void add_reserved_memory(void)
{
	struct device_node *parent = of_find_node_by_path("/reserved-memory");
	struct device_node *child;

	if (!parent)
		return;
	for_each_available_child_of_node(parent, child)
		if (of_property_read_bool(child, "no-map"))
			add_reserved_node(child);
	of_node_put(parent);
}

/* One range of zone_ram=; the last address is written as in /proc/iomem. */
static int add_parameter(char *text)
{
	char *rest;
	u64 start, size;

	start = memparse(text, &rest);
	if (rest == text || (*rest != '+' && *rest != '-'))
		return -EINVAL;
	text = rest + 1;
	size = memparse(text, &text);
	if (*text)
		return -EINVAL;
	if (*rest == '-')
		size -= start - 1;
	if (start % PAGE_SIZE || size % PAGE_SIZE || !size)
		return -EINVAL;
	if (is_system_ram(start, size))
		return -EBUSY;
	return add_ram_range(start, size, false);
}

static int add_parameters(void)
{
	char *copy, *rest, *text;
	int error = 0;

	if (!zone_ram || !*zone_ram)
		return 0;
	copy = kstrdup(zone_ram, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while (!error && (text = strsep(&rest, ","))) {
		error = add_parameter(text);
		if (error == -EBUSY)
			pr_err("zone_ram=%s: the range at character %zu is System RAM of this kernel\n",
			       zone_ram, (size_t)(text - copy));
		else if (error)
			pr_err("zone_ram=%s: expected start+size or start-last of whole pages, comma separated\n",
			       zone_ram);
	}
	kfree(copy);
	return error;
}

int hvisor_ram_init(void)
{
	int error;

	add_reserved_memory();
	error = add_parameters();
	if (error)
		return error;
	for (unsigned int i = 0; i < num_ranges; i++)
		if (!ranges[i].hypervisor)
			return 0;
	pr_warn("no memory for zones: no no-map node in /reserved-memory and no zone_ram= parameter\n");
	return 0;
}

int hvisor_ram_mmap(struct vm_area_struct *vma, u64 address)
{
	u64 size = vma->vm_end - vma->vm_start;

	if (!hvisor_is_zone_ram(address, size)) {
		pr_warn_ratelimited("mapping %#llx, size %#llx, refused: not inside one no-map reserved-memory node or zone_ram= range\n",
				    address, size);
		return -EACCES;
	}
	return remap_pfn_range(vma, vma->vm_start, address >> PAGE_SHIFT, size,
			       vma->vm_page_prot);
}
