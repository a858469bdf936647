/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The interface of hvisor.ko, /dev/hvisor, to user space.
 *
 * The module is the only software in the root zone that can call the hvisor
 * hypervisor. It offers zone management, access to the memory of other zones
 * and the bridge page, through which the hypervisor hands virtio register
 * accesses of other zones to a daemon.
 *
 * The calls up to number 34 are those of the module in syswonder/hvisor-tool,
 * with the same numbers and meanings; calls from 0x40 on are new. A program
 * tells the two modules apart with HVISOR_GET_VERSION, which the other one
 * refuses.
 *
 * Rules that hold for every call:
 *  - All calls and mmap() need CAP_SYS_RAWIO; without it: EPERM.
 *  - Errors are -1 with errno, never a positive result. An unknown call, and
 *    a known one that has no meaning on this architecture, fails with ENOTTY.
 *  - Addresses are physical addresses as the root zone sees them, sizes are
 *    bytes. "Zone memory" is memory that may be given to zones: any range
 *    that lies inside one no-map child of /reserved-memory, apart from the
 *    hypervisor's own (named hvisor or hypervisor), or inside one range of
 *    the module's parameter zone_ram=. Everything else is refused: EACCES.
 *  - EPERM, EINVAL, EBUSY and others may also come from the hypervisor.
 */
#ifndef _UAPI_LINUX_HVISOR_H
#define _UAPI_LINUX_HVISOR_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define HVISOR_DEVICE_NAME	"hvisor"

/* Zone 0 is the root zone. */
#define HVISOR_MAX_ZONES	32
#define HVISOR_ZONE_NAME_SIZE	32

/* ---- The bridge page ---------------------------------------------------- */

#define HVISOR_BRIDGE_SIZE	4096
#define HVISOR_MAX_REQUESTS	32
#define HVISOR_MAX_DEVICES	8
#define HVISOR_MAX_CPUS		32

/*
 * One access of a zone's CPU to a virtio register. The CPU waits for an
 * answer, unless need_interrupt is 1.
 */
struct hvisor_device_req {
	__u64 src_cpu;		/* < HVISOR_MAX_CPUS */
	__u64 address;		/* guest physical */
	__u64 size;		/* 1, 2, 4 or 8 */
	__u64 value;		/* written value, to be cut to size bytes */
	__u32 src_zone;
	__u8 is_write;
	__u8 need_interrupt;
	__u8 padding[2];
};

/* One interrupt for a zone. */
struct hvisor_device_res {
	__u32 target_zone;
	__u32 irq_id;
};

/*
 * Both rings keep their indices in 0..31 and hold 31 entries at most. An
 * answer is: store cfg_values[cpu], release barrier, cfg_flags[cpu] += 1.
 */
struct hvisor_bridge {
	__u32 req_front;	/* daemon: next request to take */
	__u32 req_rear;		/* hypervisor: next free slot */
	__u32 res_front;	/* hypervisor: next result to take */
	__u32 res_rear;		/* daemon: next free slot */
	struct hvisor_device_req req_list[HVISOR_MAX_REQUESTS];
	struct hvisor_device_res res_list[HVISOR_MAX_REQUESTS];
	__u64 cfg_flags[HVISOR_MAX_CPUS];
	__u64 cfg_values[HVISOR_MAX_CPUS];
	__u64 mmio_addrs[HVISOR_MAX_DEVICES];	/* not read by anybody */
	__u8 mmio_avail;			/* not read by anybody */
	__u8 need_wakeup;	/* daemon: 1 = interrupt me for a new request */
	__u8 padding[6];
};

/* ---- Offsets for mmap(), MAP_SHARED only, PROT_EXEC refused -------------- */

/*
 * The bridge page; at most one page long. Only for the file that holds the
 * daemon's role, see HVISOR_INIT_VIRTIO. Offset 0 means the same.
 * EBUSY: another file holds the role. EPERM: nobody holds it.
 * EINVAL: too long, private. EACCES: executable.
 */
#define HVISOR_MMAP_BRIDGE	0x2000000000000000ULL

/*
 * HVISOR_MMAP_PHYSICAL | address: zone memory from that address on, which
 * may be 0. A plain non-zero offset is taken as the address too.
 * EACCES: not zone memory, executable. EINVAL: private, range overflows.
 */
#define HVISOR_MMAP_PHYSICAL	0x1000000000000000ULL

/* ---- Calls of the first module -------------------------------------------- */

/*
 * Take the daemon's role for this open file: from now on this file alone gets
 * the virtio accesses of all zones, and must answer them. Until then and from
 * the file's last close on (mappings count) the module answers them itself:
 * reads are 0, writes are ignored. The page is not cleared: requests may be
 * waiting in the ring, take them before the first sleep. need_wakeup is 0.
 * Taking it again on the same file does nothing. EBUSY: another file has it.
 */
#define HVISOR_INIT_VIRTIO	_IO(1, 0)

/*
 * Deliver the interrupts in the result ring; while a zone is being shut down,
 * as soon as that is over. Role holder only: EBUSY, EPERM as for the mapping.
 * EINVAL: res_rear is not in 0..31.
 */
#define HVISOR_FINISH_REQ	_IO(1, 2)

/*
 * Start a zone. The argument points to the zone_config of the hypervisor,
 * whose size the module takes from the hypervisor's configuration magic and
 * the parameter zone_config_layout=. Prefer HVISOR_ZONE_START_SIZED, whose
 * errors it shares. EPROTO: magic of no known layout.
 */
#define HVISOR_ZONE_START	_IOW(1, 3, void *)

/*
 * Shut down the zone whose id is the argument (by value). Returns when all
 * its CPUs are off; they may wait for answers of the daemon until then. A
 * daemon that does not answer for 200 ms is done without: its requests stay in
 * the ring, and it may answer them at any time later.
 * EINVAL: the root zone, no such zone.
 */
#define HVISOR_ZONE_SHUTDOWN	_IOW(1, 4, __u64)

/*
 * List the zones, the root zone first. Returns the number of elements stored,
 * at most cnt (larger than HVISOR_MAX_ZONES is taken as that). Never waits
 * for a shutdown: the zone counts as existing until that is over.
 * EINVAL: cnt is 0. EFAULT.
 */
struct hvisor_zone_list {
	__u64 cnt;
	__u64 zones;		/* pointer to struct hvisor_zone_info[cnt] */
};

struct hvisor_zone_info {
	__u32 zone_id;
	__u32 padding0;
	__u64 cpus;		/* bit n: hypervisor's CPU n */
	__u8 name[HVISOR_ZONE_NAME_SIZE];	/* 32 bytes long ones have no NUL */
	__u8 is_err;		/* the zone made an access nobody handles */
	__u8 padding1[7];
};

#define HVISOR_ZONE_LIST	_IOR(1, 5, void *)

/*
 * Store the hypervisor's configuration magic in the __u64 pointed to.
 * EOPNOTSUPP: the hypervisor does not tell.
 */
#define HVISOR_CONFIG_CHECK	_IOR(1, 6, void *)

/*
 * Signal the eventfd with this descriptor (by value) for every wake-up
 * interrupt, and at once when requests wait already. It replaces an earlier
 * one. Role holder only: EBUSY, EPERM. EBADF, EINVAL: not an eventfd.
 */
#define HVISOR_SET_EVENTFD	_IOW(1, 7, int)

/*
 * Copy a buffer to zone memory and make it visible to a zone that starts
 * with its caches off. May be called for parts of an image one by one.
 * EINVAL: null buffer, size 0, overflow. EACCES: not zone memory. EFAULT,
 * ENOMEM, EINTR: only a part was copied.
 */
struct hvisor_load_image {
	__u64 user_buffer;
	__u64 size;
	__u64 load_paddr;
};

#define HVISOR_LOAD_IMAGE	_IOW(1, 8, struct hvisor_load_image)

/*
 * Tell how the zone is going to boot, before it is started. The hypervisor
 * has this since 2026-08 for x86_64, and ignores it otherwise.
 */
struct hvisor_zone_boot_mode {
	__u32 zone_id;
	__u32 multiboot_enabled;
	__u64 multiboot_info_paddr;
};

#define HVISOR_SET_BOOT_MODE	_IOW(1, 9, void *)

/* Store the PCI ECAM base in the __u64 pointed to; 0 when not known. */
#define HVISOR_GET_ECAM_BASE	_IOR(1, 10, void *)

/* Lower a zone's virtual level interrupt; loongarch64 only. */
struct hvisor_irq_line {
	__u32 zone_id;
	__u32 irq_id;
};

#define HVISOR_DEASSERT_IRQ	_IOW(1, 11, struct hvisor_irq_line)

/*
 * Lower all virtual interrupts of all zones; loongarch64 only, for
 * hypervisors before 2026-08.
 */
#define HVISOR_CLEAR_INJECT_IRQ	_IO(1, 6)

/* ---- New calls ------------------------------------------------------------ */

#define HVISOR_ABI_VERSION	1

/* Bits of hvisor_version.features. */
#define HVISOR_FEATURE_ZONE_START_SIZED	(1ULL << 0)
#define HVISOR_FEATURE_ZERO		(1ULL << 1)
#define HVISOR_FEATURE_MMAP_OFFSETS	(1ULL << 2)
/* The module answers virtio accesses while no daemon has the role. */
#define HVISOR_FEATURE_SELF_ANSWERING	(1ULL << 3)

/*
 * What this module is. size is that of the structure as the module knows it,
 * config_magic as by HVISOR_CONFIG_CHECK, 0 when the hypervisor does not tell.
 */
struct hvisor_version {
	__u32 size;
	__u32 abi;
	__u64 features;
	__u64 config_magic;
};

#define HVISOR_GET_VERSION	_IOR(1, 0x40, struct hvisor_version)

/*
 * Start a zone from a zone_config of the given size. The module refuses what
 * would stop the hypervisor or give away memory, and logs the reason:
 * EINVAL: zone id not in 1..31, no CPU, counts or region types out of range,
 *	regions empty, not page aligned, overflowing or overlapping in the zone,
 *	kernel or device tree outside the zone's RAM, size of no known layout,
 *	or not the size that the hypervisor expects.
 * EACCES: RAM that is not zone memory, I/O that touches memory of the root
 *	zone or of the hypervisor.
 * EBUSY: a CPU belongs to the root zone or to another zone; or the daemon has
 *	not taken requests of the zone's last run off the ring for 200 ms.
 */
struct hvisor_zone_start {
	__u64 config;		/* pointer to zone_config */
	__u64 size;
};

#define HVISOR_ZONE_START_SIZED	_IOW(1, 0x41, struct hvisor_zone_start)

/*
 * Fill zone memory with zeros and make that visible to a zone that starts
 * with its caches off. EINVAL: size 0, overflow. EACCES: not zone memory.
 * ENOMEM, EINTR: only a part was filled.
 */
struct hvisor_range {
	__u64 address;
	__u64 size;
};

#define HVISOR_ZERO		_IOW(1, 0x42, struct hvisor_range)

#endif /* _UAPI_LINUX_HVISOR_H */
