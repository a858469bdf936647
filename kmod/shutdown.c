// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shutting a zone down. The hypervisor returns when the zone's CPUs are off,
 * which may need answers to what they accessed last. Meanwhile the CPU that
 * makes the call takes no interrupt, and calls of other CPUs wait as well.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/rwsem.h>
#include <linux/workqueue.h>

#include "hvisor.h"
#include "hypercall.h"

/* How long the daemon may take for an answer while a zone is shut down. */
#define PATIENCE_MS 200

static struct {
	u32 zone;
	bool running;
	atomic_t results_postponed;
} shutdown;

/*
 * Held for writing by the CPU that shuts a zone down: a call of another CPU
 * would wait in the hypervisor meanwhile. For reading it is only ever tried,
 * so nobody waits for it.
 */
static DECLARE_RWSEM(away);

bool hvisor_try_enter(void)
{
	return down_read_trylock(&away);
}

void hvisor_leave(void)
{
	up_read(&away);
}

/*
 * While a zone is shut down the call would wait in the hypervisor, and with
 * it perhaps the last CPU that could answer the zone: it is postponed.
 */
int hvisor_send_results(void)
{
	int error;

	if (!hvisor_try_enter()) {
		atomic_set(&shutdown.results_postponed, 1);
		/*
		 * Before the second try: if that fails too, the shutdown has
		 * yet to leave, and finds this afterwards.
		 */
		smp_mb__after_atomic();
		if (!hvisor_try_enter())
			return 0;
	}
	error = hypercall_error(hypercall(HYPERCALL_FINISH_REQ, 0, 0));
	hvisor_leave();
	return error;
}

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
	down_write(&away);
	migrate_disable();
	other = cpumask_any_but(cpu_online_mask, smp_processor_id());
	WRITE_ONCE(shutdown.running, true);
	if (other < nr_cpu_ids)
		queue_work_on(other, system_highpri_wq, &attend_work);
	hvisor_bridge_poll();
	error = hypercall_error(hypercall(HYPERCALL_ZONE_SHUTDOWN, zone, 0));
	WRITE_ONCE(shutdown.running, false);
	migrate_enable();
	up_write(&away);

	flush_work(&attend_work);
	if (atomic_xchg(&shutdown.results_postponed, 0))
		hvisor_send_results();
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
