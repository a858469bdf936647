/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rooms of the module. Every function that can fail returns 0 (or what it
 * says) or a negative errno.
 */
#ifndef HVISOR_H
#define HVISOR_H

#include <linux/interrupt.h>
#include <linux/types.h>

#include <linux/hvisor.h>

struct file;
struct vm_area_struct;

/* platform: is the hypervisor there, and which interrupt wakes us? */
int hvisor_find(void);
int hvisor_wakeup_irq(void);
int hvisor_config_magic(u64 *magic);

/*
 * ram: which memory may be given to zones. All sizes are at least 1, ranges
 * that wrap are in no memory.
 */
int hvisor_ram_init(void);
bool hvisor_is_zone_ram(u64 start, u64 size);
const char *hvisor_io_conflict(u64 start, u64 size);
int hvisor_ram_mmap(struct vm_area_struct *vma, u64 address);

/* image: writing zone memory */
int hvisor_load_image(const struct hvisor_load_image *args);
int hvisor_zero(const struct hvisor_range *range);

/* bridge: the bridge page, the daemon's role, and playing the daemon */
int hvisor_bridge_init(void);
void hvisor_bridge_exit(void);
int hvisor_bridge_attach(struct file *file);
void hvisor_bridge_detach(struct file *file);
int hvisor_bridge_set_eventfd(struct file *file, int fd);
int hvisor_bridge_finish_req(struct file *file);
int hvisor_bridge_mmap(struct file *file, struct vm_area_struct *vma);
/* Look after requests whose wake-up was lost. */
void hvisor_bridge_poll(void);
/* Has the owner requests of the zone to take? */
bool hvisor_bridge_has_requests(u32 zone);
/* Answer CPUs of a zone in the owner's place, while it is being shut down. */
void hvisor_bridge_release(u32 zone);

/*
 * gate: closed while a zone is shut down. Hypercalls that would wait until it
 * is over go between try_enter(), which is false meanwhile, and leave().
 */
void hvisor_gate_close(void);
void hvisor_gate_open(void);
bool hvisor_try_enter(void);
void hvisor_leave(void);
/* Have the interrupts in the result ring delivered, now or when the gate opens. */
int hvisor_send_results(void);

/* shutdown: one at a time */
int hvisor_shut_down(u32 zone);
/* Wait until no requests of the zone's last run are left; EBUSY. */
int hvisor_wait_clean(u32 zone);

/* zone: starting, stopping and watching zones */
int hvisor_zones_init(void);
void hvisor_zones_watch(void);
void hvisor_zones_exit(void);
int hvisor_zone_list(const struct hvisor_zone_list *args);
int hvisor_zone_start(const void __user *config);
int hvisor_zone_start_sized(const struct hvisor_zone_start *args);
int hvisor_zone_shutdown(u64 zone_id);
int hvisor_zone_set_boot_mode(const struct hvisor_zone_boot_mode *mode);

#endif /* HVISOR_H */
