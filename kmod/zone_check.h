/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypervisor's zone_config: where things are in its layouts, and the
 * checks without which a zone_config could stop the hypervisor, which trusts
 * it, or give away memory. Plain logic, also built for unit tests.
 */
#ifndef HVISOR_ZONE_CHECK_H
#define HVISOR_ZONE_CHECK_H

#include "portable.h"
#include <linux/hvisor.h>

#define ZONE_MAX_REGIONS	64
#define ZONE_MAX_IVC		2
#define ZONE_MAX_PCI_BUSES	4
#define ZONE_MAX_PCI_DEVICES	32
#define ZONE_PAGE		4096ULL

enum zone_arch { ZONE_ARM64, ZONE_RISCV64, ZONE_LOONGARCH64, ZONE_X86_64 };

enum zone_region_type { ZONE_RAM, ZONE_IO, ZONE_VIRTIO };

struct zone_region {
	__u32 type;
	__u32 padding;
	__u64 physical_start;
	__u64 virtual_start;	/* guest physical; unused for ZONE_VIRTIO */
	__u64 size;
};

struct zone_ivc {
	__u32 ivc_id;
	__u32 peer_id;
	__u64 control_table_ipa;
	__u64 shared_mem_ipa;
	__u32 rw_sec_size;
	__u32 out_sec_size;
	__u32 interrupt_num;
	__u32 max_peers;
};

/* The part that all layouts and architectures share. */
struct zone_config {
	__u32 zone_id;
	__u32 padding0;
	__u64 cpus;
	__u32 num_memory_regions;
	__u32 padding1;
	struct zone_region memory_regions[ZONE_MAX_REGIONS];
	__u32 interrupts_bitmap[32];
	__u32 num_ivc_configs;
	__u32 padding2;
	struct zone_ivc ivc_configs[ZONE_MAX_IVC];
	__u64 entry_point;
	__u64 kernel_load_paddr;
	__u64 kernel_size;
	__u64 dtb_load_paddr;
	__u64 dtb_size;
	__u8 name[HVISOR_ZONE_NAME_SIZE];
};

static_assert(offsetof(struct zone_config, num_ivc_configs) == 2200, "zone_config");
static_assert(offsetof(struct zone_config, entry_point) == 2288, "zone_config");
static_assert(sizeof(struct zone_config) == 2360, "zone_config");

/*
 * Behind it come arch_config, num_pci_bus and pci_config[4], num_pci_devs and
 * alloc_pci_devs[32].
 */
struct zone_layout {
	enum zone_arch arch;
	const char *name;
	__u32 arch_size;
	__u32 pci_device_size;
};

static const struct zone_layout zone_layouts[] = {
	{ ZONE_ARM64, "v6", 120, 12 },
	{ ZONE_ARM64, "v5b", 88, 12 },
	{ ZONE_ARM64, "v5a", 88, 8 },
	{ ZONE_RISCV64, "v6", 32, 12 },
	{ ZONE_RISCV64, "v5b", 32, 12 },
	{ ZONE_RISCV64, "v5a", 32, 8 },
	{ ZONE_LOONGARCH64, "v6", 8, 12 },
	{ ZONE_LOONGARCH64, "v5b", 8, 12 },
	{ ZONE_LOONGARCH64, "v5a", 8, 8 },
	{ ZONE_X86_64, "v6", 88, 12 },
	{ ZONE_X86_64, "v5b", 88, 12 },
	{ ZONE_X86_64, "v5a", 88, 8 },
	{ ZONE_X86_64, "v5a-2025", 80, 8 },	/* no uefi_memory_region_id */
};

#define ZONE_LAYOUTS (sizeof(zone_layouts) / sizeof(zone_layouts[0]))

static inline __u32 zone_num_pci_bus_offset(const struct zone_layout *layout)
{
	return sizeof(struct zone_config) + layout->arch_size;
}

static inline __u32 zone_num_pci_devs_offset(const struct zone_layout *layout)
{
	return zone_num_pci_bus_offset(layout) + 8 + ZONE_MAX_PCI_BUSES * 104;
}

static inline __u32 zone_layout_size(const struct zone_layout *layout)
{
	return zone_num_pci_devs_offset(layout) + 8 +
	       ZONE_MAX_PCI_DEVICES * layout->pci_device_size;
}

static inline const struct zone_layout *zone_layout_by_size(enum zone_arch arch, __u64 size)
{
	for (size_t i = 0; i < ZONE_LAYOUTS; i++)
		if (zone_layouts[i].arch == arch && zone_layout_size(&zone_layouts[i]) == size)
			return &zone_layouts[i];
	return NULL;
}

static inline const struct zone_layout *zone_layout_by_name(enum zone_arch arch, const char *name)
{
	for (size_t i = 0; i < ZONE_LAYOUTS; i++)
		if (zone_layouts[i].arch == arch && strcmp(zone_layouts[i].name, name) == 0)
			return &zone_layouts[i];
	return NULL;
}

/*
 * The layout of a hypervisor with this magic. Magic 5 was not changed when
 * the layout was: chosen (may be NULL) decides, and v5a, the one of the
 * release v0.4, otherwise. It also decides for a magic we do not know.
 */
static inline const struct zone_layout *
zone_layout_by_magic(enum zone_arch arch, __u64 magic, const struct zone_layout *chosen)
{
	if (magic == 6)
		return zone_layout_by_name(arch, "v6");
	if (chosen)
		return chosen;
	return magic == 5 ? zone_layout_by_name(arch, "v5a") : NULL;
}

/* What a zone_config is checked against, and the reason why it was refused. */
struct zone_check {
	enum zone_arch arch;
	struct hvisor_zone_info *zones;		/* that exist, the root zone first */
	unsigned int num_zones;
	unsigned int board_cpus;		/* 0: not known */
	/* May the range be a zone's RAM? */
	bool (*is_zone_ram)(__u64 start, __u64 size);
	/* What must not be given to a zone and is in the range; NULL: nothing. */
	const char *(*io_conflict)(__u64 start, __u64 size);
	char reason[160];
};

#define zone_refuse(check, error, ...) \
	(snprintf((check)->reason, sizeof((check)->reason), __VA_ARGS__), -(error))

static inline __u64 zone_field(const void *config, __u32 offset)
{
	__u64 value;

	memcpy(&value, (const char *)config + offset, sizeof(value));
	return value;
}

static inline const char *zone_region_name(__u32 type)
{
	return type == ZONE_RAM ? "RAM" : type == ZONE_IO ? "I/O" : "virtio";
}

/* Do [a, a + a_size) and [b, b + b_size), none of them wrapping, meet? */
static inline bool zone_ranges_meet(__u64 a, __u64 a_size, __u64 b, __u64 b_size)
{
	return a_size && b_size && a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

/*
 * The guest physical ranges a zone_config fills: its memory regions, then for
 * every IVC channel the control table and the shared memory.
 */
static inline unsigned int zone_num_guest_ranges(const struct zone_config *config)
{
	return config->num_memory_regions + 2 * config->num_ivc_configs;
}

static inline void zone_guest_range(const struct zone_config *config, unsigned int index,
				    __u64 *start, __u64 *size)
{
	const struct zone_ivc *ivc;

	if (index < config->num_memory_regions) {
		const struct zone_region *region = &config->memory_regions[index];

		/* Not mapped but trapped, at the address called physical. */
		*start = region->type == ZONE_VIRTIO ? region->physical_start :
						       region->virtual_start;
		*size = region->size;
		return;
	}
	index -= config->num_memory_regions;
	ivc = &config->ivc_configs[index / 2];
	if (index % 2 == 0) {
		*start = ivc->control_table_ipa;
		*size = ZONE_PAGE;
	} else {
		*start = ivc->shared_mem_ipa;
		*size = ivc->rw_sec_size + (__u64)ivc->out_sec_size * ivc->max_peers;
	}
}

static inline int zone_check_region(struct zone_check *check, const struct zone_config *config,
				    unsigned int index)
{
	const struct zone_region *region = &config->memory_regions[index];
	const char *name = zone_region_name(region->type);
	__u64 all = region->physical_start | region->virtual_start | region->size;
	const char *conflict;
	__u64 end;

	if (region->type > ZONE_VIRTIO)
		return zone_refuse(check, EINVAL,
				   "memory region %u has type %u; expected 0 (RAM), 1 (I/O) or 2 (virtio)",
				   index, region->type);
	if (!region->size ||
	    check_add_overflow(region->physical_start, region->size - 1, &end) ||
	    check_add_overflow(region->virtual_start, region->size - 1, &end))
		return zone_refuse(check, EINVAL,
				   "memory region %u (%s) has size 0x%llx: empty or beyond the last address",
				   index, name, region->size);
	/*
	 * A virtio region is a guest address only: none of the root zone's
	 * memory is behind it, whatever the number says.
	 */
	if (region->type == ZONE_VIRTIO)
		return 0;
	if (all % ZONE_PAGE)
		return zone_refuse(check, EINVAL,
				   "memory region %u (%s 0x%llx at 0x%llx, size 0x%llx) is not made of whole 4 KiB pages",
				   index, name, region->physical_start, region->virtual_start,
				   region->size);
	if (region->type == ZONE_RAM && !check->is_zone_ram(region->physical_start, region->size))
		return zone_refuse(check, EACCES,
				   "memory region %u (RAM 0x%llx, size 0x%llx) is not inside one no-map reserved-memory node or zone_ram= range",
				   index, region->physical_start, region->size);
	if (region->type == ZONE_IO) {
		conflict = check->io_conflict(region->physical_start, region->size);
		if (conflict)
			return zone_refuse(check, EACCES,
					   "memory region %u (I/O 0x%llx, size 0x%llx) touches %s",
					   index, region->physical_start, region->size, conflict);
	}
	return 0;
}

/* The hypervisor stops when two ranges of a zone overlap. */
static inline int zone_check_overlaps(struct zone_check *check, const struct zone_config *config)
{
	unsigned int count = zone_num_guest_ranges(config);
	__u64 start, size, other_start, other_size, end;

	for (unsigned int i = 0; i < count; i++) {
		zone_guest_range(config, i, &start, &size);
		if (size && check_add_overflow(start, size - 1, &end))
			return zone_refuse(check, EINVAL,
					   "IVC memory at 0x%llx, size 0x%llx, ends beyond the last address",
					   start, size);
		for (unsigned int j = 0; j < i; j++) {
			zone_guest_range(config, j, &other_start, &other_size);
			if (zone_ranges_meet(start, size, other_start, other_size))
				return zone_refuse(check, EINVAL,
						   "guest ranges 0x%llx, size 0x%llx, and 0x%llx, size 0x%llx, overlap",
						   other_start, other_size, start, size);
		}
	}
	return 0;
}

static inline int zone_check_image(struct zone_check *check, const struct zone_config *config,
				   const char *what, __u64 start, __u64 size)
{
	if (!size)
		return 0;
	for (unsigned int i = 0; i < config->num_memory_regions; i++) {
		const struct zone_region *region = &config->memory_regions[i];

		if (region->type == ZONE_RAM && start >= region->physical_start &&
		    size <= region->size && start - region->physical_start <= region->size - size)
			return 0;
	}
	return zone_refuse(check, EINVAL,
			   "%s (0x%llx, size 0x%llx) is not inside one RAM region of the zone",
			   what, start, size);
}

static inline int zone_check_memory(struct zone_check *check, const struct zone_config *config)
{
	int error;

	for (unsigned int i = 0; i < config->num_memory_regions; i++) {
		error = zone_check_region(check, config, i);
		if (error)
			return error;
	}
	error = zone_check_overlaps(check, config);
	if (!error)
		error = zone_check_image(check, config, "kernel", config->kernel_load_paddr,
					 config->kernel_size);
	/* An x86_64 zone has no device tree; the fields mean nothing there. */
	if (!error && check->arch != ZONE_X86_64)
		error = zone_check_image(check, config, "device tree", config->dtb_load_paddr,
					 config->dtb_size);
	return error;
}

static inline int zone_check_cpus(struct zone_check *check, const struct zone_config *config)
{
	bool has_virtio = false;

	if (!config->cpus)
		return zone_refuse(check, EINVAL, "no CPU");
	if (check->board_cpus && check->board_cpus < 64 && config->cpus >> check->board_cpus)
		return zone_refuse(check, EINVAL, "CPU mask 0x%llx; this board has CPUs 0 to %u",
				   config->cpus, check->board_cpus - 1);
	for (unsigned int i = 0; i < config->num_memory_regions; i++)
		has_virtio |= config->memory_regions[i].type == ZONE_VIRTIO;
	if (has_virtio && config->cpus >> HVISOR_MAX_CPUS)
		return zone_refuse(check, EINVAL,
				   "CPU mask 0x%llx; only CPUs below %u can access virtio devices",
				   config->cpus, HVISOR_MAX_CPUS);
	for (unsigned int i = 0; i < check->num_zones; i++) {
		const struct hvisor_zone_info *zone = &check->zones[i];

		if (zone->zone_id != config->zone_id && zone->cpus & config->cpus)
			return zone_refuse(check, EBUSY,
					   "CPU mask 0x%llx; CPUs 0x%llx belong to zone %u",
					   config->cpus, zone->cpus, zone->zone_id);
	}
	return 0;
}

static inline int zone_check_counts(struct zone_check *check, const void *bytes,
				    const struct zone_layout *layout)
{
	const struct zone_config *config = (const struct zone_config *)bytes;
	__u64 buses = zone_field(bytes, zone_num_pci_bus_offset(layout));
	__u64 devices = zone_field(bytes, zone_num_pci_devs_offset(layout));

	if (config->num_memory_regions > ZONE_MAX_REGIONS)
		return zone_refuse(check, EINVAL, "%u memory regions; at most %u are possible",
				   config->num_memory_regions, ZONE_MAX_REGIONS);
	if (config->num_ivc_configs > ZONE_MAX_IVC)
		return zone_refuse(check, EINVAL, "%u IVC channels; at most %u are possible",
				   config->num_ivc_configs, ZONE_MAX_IVC);
	if (buses > ZONE_MAX_PCI_BUSES)
		return zone_refuse(check, EINVAL, "%llu PCI buses; at most %u are possible",
				   buses, ZONE_MAX_PCI_BUSES);
	if (devices > ZONE_MAX_PCI_DEVICES)
		return zone_refuse(check, EINVAL, "%llu PCI devices; at most %u are possible",
				   devices, ZONE_MAX_PCI_DEVICES);
	return 0;
}

/* Tags of Rust enums in the hypervisor: another value is undefined there. */
static inline int zone_check_arch(struct zone_check *check, const void *bytes,
				  const struct zone_layout *layout)
{
	const char *arch_config = (const char *)bytes + sizeof(struct zone_config);
	__u64 gic, uefi;

	if (layout->arch != ZONE_ARM64)
		return 0;
	if ((unsigned char)arch_config[0] > 1)
		return zone_refuse(check, EINVAL, "is_aarch32 is %u; expected 0 or 1",
				   (unsigned char)arch_config[0]);
	gic = zone_field(arch_config, 8);
	if (gic > 1)
		return zone_refuse(check, EINVAL,
				   "GIC tag is %llu; expected 0 (GICv2) or 1 (GICv3)", gic);
	uefi = layout->arch_size > 88 ? zone_field(arch_config, 88) : 0;
	if (uefi > 1)
		return zone_refuse(check, EINVAL,
				   "UEFI tag is %llu; expected 0 (UEFI) or 1 (none)", uefi);
	return 0;
}

/*
 * Returns 0 or a negative errno with check->reason set. bytes is a copy of
 * zone_layout_size(layout) bytes that nobody else can change.
 */
static inline int zone_check_config(struct zone_check *check, const void *bytes,
				    const struct zone_layout *layout)
{
	const struct zone_config *config = (const struct zone_config *)bytes;
	int error;

	if (config->zone_id < 1 || config->zone_id >= HVISOR_MAX_ZONES)
		return zone_refuse(check, EINVAL, "zone id %u; expected 1 to %u", config->zone_id,
				   HVISOR_MAX_ZONES - 1);
	error = zone_check_counts(check, bytes, layout);
	if (!error)
		error = zone_check_cpus(check, config);
	if (!error)
		error = zone_check_memory(check, config);
	if (!error)
		error = zone_check_arch(check, bytes, layout);
	return error;
}

#endif /* HVISOR_ZONE_CHECK_H */
