// SPDX-License-Identifier: GPL-2.0-only
/* Starting, stopping and watching zones. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "hvisor.h"
#include "hypercall.h"
#include "zone_check.h"

/*
 * While there are zones: how often to look for requests whose wake-up was
 * lost, which delays a CPU of a zone, and for zones that ended themselves.
 */
#define POLL_INTERVAL	(HZ / 10)
#define POLLS_PER_LIST	10

static char *zone_config_layout = "auto";
module_param(zone_config_layout, charp, 0444);
MODULE_PARM_DESC(zone_config_layout,
		 "Layout of zone_config for the ioctl without a size, where the hypervisor's magic leaves it open: v6, v5b, v5a (x86_64 also v5a-2025); default auto: v5a for magic 5");

static unsigned int board_cpus;
module_param(board_cpus, uint, 0444);
MODULE_PARM_DESC(board_cpus,
		 "CPUs of the board, to refuse zones with CPUs that do not exist, which would stop the hypervisor; default 0: not known");

static const struct zone_layout *chosen_layout;

/* One start or shutdown at a time, and none while the zones are counted. */
static DEFINE_MUTEX(zone_mutex);

static void watch_zones(struct work_struct *work);

static struct {
	struct mutex lock;	/* zones and count */
	struct hvisor_zone_info *zones;	/* as last listed */
	int count;
	bool others;	/* zones other than root exist; holds a module reference */
	unsigned int polls;	/* since the zones were listed; the work's own */
	struct delayed_work work;
} watch = {
	.lock = __MUTEX_INITIALIZER(watch.lock),
	.work = __DELAYED_WORK_INITIALIZER(watch.work, watch_zones, 0),
};

/* Returns the number of zones stored, at most HVISOR_MAX_ZONES. */
static int list_zones(struct hvisor_zone_info *zones, unsigned int capacity)
{
	long result = hypercall(HYPERCALL_ZONE_LIST, virt_to_phys(zones), capacity);

	if (result < 0)
		return hypercall_error(result);
	return min_t(unsigned long, result, capacity);
}

static struct hvisor_zone_info *alloc_zones(void)
{
	return kcalloc(HVISOR_MAX_ZONES, sizeof(struct hvisor_zone_info), GFP_KERNEL);
}

/*
 * Unloading would leave zones that use virtio waiting for ever, so the module
 * holds itself while there are any. With zone_mutex held.
 */
static void note_zones(void)
{
	bool others = false;

	mutex_lock(&watch.lock);
	watch.count = list_zones(watch.zones, HVISOR_MAX_ZONES);
	for (int i = 0; i < watch.count; i++)
		others |= watch.zones[i].zone_id != 0;
	if (watch.count > 0 && others != watch.others) {
		watch.others = others;
		if (others)
			__module_get(THIS_MODULE);
		else
			module_put(THIS_MODULE);
	}
	mutex_unlock(&watch.lock);
	if (watch.others)
		queue_delayed_work(system_unbound_wq, &watch.work, POLL_INTERVAL);
}

static void watch_zones(struct work_struct *work)
{
	hvisor_bridge_poll();
	if (++watch.polls >= POLLS_PER_LIST && mutex_trylock(&zone_mutex)) {
		watch.polls = 0;
		note_zones();
		mutex_unlock(&zone_mutex);
	} else {
		queue_delayed_work(system_unbound_wq, &watch.work, POLL_INTERVAL);
	}
}

void hvisor_zones_watch(void)
{
	mutex_lock(&zone_mutex);
	note_zones();
	mutex_unlock(&zone_mutex);
}

int hvisor_zones_init(void)
{
	if (strcmp(zone_config_layout, "auto") != 0) {
		chosen_layout = zone_layout_by_name(ZONE_ARCH, zone_config_layout);
		if (!chosen_layout) {
			pr_err("zone_config_layout=%s is not known; expected auto, v6, v5b or v5a\n",
			       zone_config_layout);
			return -EINVAL;
		}
	}
	watch.zones = alloc_zones();
	return watch.zones ? 0 : -ENOMEM;
}

void hvisor_zones_exit(void)
{
	cancel_delayed_work_sync(&watch.work);
	kfree(watch.zones);
}

int hvisor_zone_list(const struct hvisor_zone_list *args)
{
	unsigned int capacity = min_t(u64, args->cnt, HVISOR_MAX_ZONES);
	struct hvisor_zone_info *zones;
	int count;

	if (!capacity)
		return -EINVAL;
	zones = alloc_zones();
	if (!zones)
		return -ENOMEM;
	if (hvisor_try_enter()) {
		count = list_zones(zones, capacity);
		hvisor_leave();
	} else {
		/* A zone on its way out is one still, so the last list is right. */
		mutex_lock(&watch.lock);
		count = min_t(int, watch.count, capacity);
		memcpy(zones, watch.zones, max(count, 0) * sizeof(*zones));
		mutex_unlock(&watch.lock);
	}
	if (count > 0 && copy_to_user(u64_to_user_ptr(args->zones), zones, count * sizeof(*zones)))
		count = -EFAULT;
	kfree(zones);
	return count;
}

struct start_call {
	phys_addr_t config;
	u32 size;
};

static int call_zone_start(void *data)
{
	struct start_call *call = data;

	return hypercall_error(hypercall(HYPERCALL_ZONE_START, call->config, call->size));
}

static bool zone_exists(const struct zone_check *check, u32 id)
{
	for (unsigned int i = 0; i < check->num_zones; i++)
		if (check->zones[i].zone_id == id)
			return true;
	return false;
}

/* EINVAL has two meanings, and the hypervisor tells neither. */
static void report_refusal(const struct zone_check *check, const struct zone_layout *layout,
			   u32 id, int error)
{
	u64 magic = 0;

	if (error != -EINVAL) {
		pr_err_ratelimited("the hypervisor refused zone %u (error %d)\n", id, error);
	} else if (zone_exists(check, id)) {
		pr_err_ratelimited("the hypervisor refused zone %u: it exists already\n", id);
	} else {
		hvisor_config_magic(&magic);
		pr_err_ratelimited("the hypervisor (configuration magic %#llx) refused zone %u: it takes no zone_config of %u bytes, layout %s\n",
				   magic, id, zone_layout_size(layout), layout->name);
	}
}

static int check_and_start(void *bytes, const struct zone_layout *layout, struct zone_check *check)
{
	struct start_call call = { virt_to_phys(bytes), zone_layout_size(layout) };
	u32 id = ((struct zone_config *)bytes)->zone_id;
	int error;

	error = list_zones(check->zones, HVISOR_MAX_ZONES);
	if (error < 0)
		return error;
	check->num_zones = error;
	error = zone_check_config(check, bytes, layout);
	if (error) {
		pr_err_ratelimited("zone %u is refused: %s\n", id, check->reason);
		return error;
	}
	error = zone_exists(check, id) ? 0 : hvisor_wait_clean(id);
	if (error) {
		pr_err_ratelimited("zone %u is refused: the daemon has not taken requests of its last run\n",
				   id);
		return error;
	}
	/* On loongarch64 the hypervisor wants the call from CPU 0. */
	if (IS_ENABLED(CONFIG_LOONGARCH))
		error = smp_call_on_cpu(0, call_zone_start, &call, false);
	else
		error = call_zone_start(&call);
	if (error)
		report_refusal(check, layout, id, error);
	return error;
}

static int start_zone(const void __user *config, const struct zone_layout *layout)
{
	struct zone_check check = {
		.arch = ZONE_ARCH,
		.board_cpus = board_cpus,
		.is_zone_ram = hvisor_is_zone_ram,
		.io_conflict = hvisor_io_conflict,
	};
	void *bytes;
	int error;

	check.zones = alloc_zones();
	if (!check.zones)
		return -ENOMEM;
	/* Physically contiguous, within one page, and nobody else's to change. */
	bytes = memdup_user(config, zone_layout_size(layout));
	if (IS_ERR(bytes)) {
		error = PTR_ERR(bytes);
		goto free_zones;
	}
	error = mutex_lock_killable(&zone_mutex);
	if (!error) {
		error = check_and_start(bytes, layout, &check);
		note_zones();
		mutex_unlock(&zone_mutex);
	}
	kfree(bytes);
free_zones:
	kfree(check.zones);
	return error;
}

int hvisor_zone_start(const void __user *config)
{
	const struct zone_layout *layout;
	u64 magic;
	int error = hvisor_config_magic(&magic);

	if (error)
		return error;
	layout = zone_layout_by_magic(ZONE_ARCH, magic, chosen_layout);
	if (!layout) {
		pr_err_ratelimited("the layout of zone_config for configuration magic %#llx is not known; expected 5 or 6, or parameter zone_config_layout=\n",
				   magic);
		return -EPROTO;
	}
	return start_zone(config, layout);
}

int hvisor_zone_start_sized(const struct hvisor_zone_start *args)
{
	const struct zone_layout *layout = zone_layout_by_size(ZONE_ARCH, args->size);

	if (!layout) {
		pr_err_ratelimited("a zone_config of %llu bytes is refused: no known layout has this size\n",
				   args->size);
		return -EINVAL;
	}
	return start_zone(u64_to_user_ptr(args->config), layout);
}

int hvisor_zone_shutdown(u64 zone_id)
{
	int error;

	if (zone_id < 1 || zone_id >= HVISOR_MAX_ZONES)
		return -EINVAL;
	error = mutex_lock_killable(&zone_mutex);
	if (error)
		return error;
	error = hvisor_shut_down(zone_id);
	note_zones();
	mutex_unlock(&zone_mutex);
	return error;
}

int hvisor_zone_set_boot_mode(const struct hvisor_zone_boot_mode *args)
{
	struct hvisor_zone_boot_mode *mode;
	int error;

	if (args->zone_id < 1 || args->zone_id >= HVISOR_MAX_ZONES || args->multiboot_enabled > 1)
		return -EINVAL;
	mode = kmemdup(args, sizeof(*args), GFP_KERNEL);
	if (!mode)
		return -ENOMEM;
	error = hypercall_error(hypercall(HYPERCALL_SET_BOOT_MODE, virt_to_phys(mode),
					  sizeof(*mode)));
	kfree(mode);
	return error;
}
