// SPDX-License-Identifier: GPL-2.0-only
/*
 * While one CPU shuts a zone down, hypercalls of the others wait in the
 * hypervisor: they stay out until it is over.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/rwsem.h>

#include "hvisor.h"
#include "hypercall.h"

/*
 * Held for writing while a zone is shut down. For reading it is only ever
 * tried, so nobody waits for it.
 */
static DECLARE_RWSEM(gate);
static atomic_t results_postponed;

void hvisor_gate_close(void)
{
	down_write(&gate);
}

void hvisor_gate_open(void)
{
	up_write(&gate);
	if (atomic_xchg(&results_postponed, 0))
		hvisor_send_results();
}

bool hvisor_try_enter(void)
{
	return down_read_trylock(&gate);
}

void hvisor_leave(void)
{
	up_read(&gate);
}

/*
 * While a zone is shut down the call would wait in the hypervisor, and with
 * it perhaps the last CPU that could answer the zone: it is postponed.
 */
int hvisor_send_results(void)
{
	int error;

	if (!hvisor_try_enter()) {
		atomic_set(&results_postponed, 1);
		/*
		 * Before the second try: if that fails too, the gate has yet
		 * to open, and whoever opens it finds this afterwards.
		 */
		smp_mb__after_atomic();
		if (!hvisor_try_enter())
			return 0;
	}
	error = hypercall_error(hypercall(HYPERCALL_FINISH_REQ, 0, 0));
	hvisor_leave();
	return error;
}
