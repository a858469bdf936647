// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shutting a zone down. The hypervisor returns when the zone's CPUs are off,
 * which may need answers to what they accessed last. Meanwhile the CPU that
 * makes the call takes no interrupt, and calls of other CPUs wait as well.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/workqueue.h>

#include "hvisor.h"
#include "hypercall.h"

/* How long the daemon may take for an answer while a zone is shut down. */
#define PATIENCE_MS 200

static struct {
	u32 zone;
	bool running;
} shutdown;

/* Runs on another CPU than the one that shuts a zone down. */
static void attend(struct work_struct *work)
{
	ktime_t patience = ktime_add_ms(ktime_get(), PATIENCE_MS);

	while (READ_ONCE(shutdown.running)) {
		hvisor_bridge_poll();
		if (ktime_after(ktime_get(), patience)) {
			hvisor_bridge_release(shutdown.zone);
			patience = ktime_add_ms(ktime_get(), PATIENCE_MS);
		}
		usleep_range(50, 200);
	}
}

static DECLARE_WORK(attend_work, attend);

/* With one CPU nobody can answer during the call: see to it before. */
static void let_daemon_answer(void)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		hvisor_bridge_poll();
		if (!hvisor_bridge_has_requests(shutdown.zone))
			return;
		usleep_range(500, 1000);
	}
	hvisor_bridge_release(shutdown.zone);
}

int hvisor_shut_down(u32 zone)
{
	unsigned int other;
	int error;

	shutdown.zone = zone;
	if (num_online_cpus() == 1)
		let_daemon_answer();
	hvisor_gate_close();
	migrate_disable();
	other = cpumask_any_but(cpu_online_mask, smp_processor_id());
	WRITE_ONCE(shutdown.running, true);
	if (other < nr_cpu_ids)
		queue_work_on(other, system_highpri_wq, &attend_work);
	hvisor_bridge_poll();
	error = hypercall_error(hypercall(HYPERCALL_ZONE_SHUTDOWN, zone, 0));
	WRITE_ONCE(shutdown.running, false);
	migrate_enable();
	hvisor_gate_open();
	flush_work(&attend_work);
	return error;
}

/*
 * Requests of the zone's last run that the owner has not taken: were they
 * answered now, that would release accesses of the new run.
 */
int hvisor_wait_clean(u32 zone)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (!hvisor_bridge_has_requests(zone))
			return 0;
		hvisor_bridge_poll();
		usleep_range(500, 1000);
	}
	return -EBUSY;
}
