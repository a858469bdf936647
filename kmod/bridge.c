// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bridge page. One open file at a time has the daemon's role and answers
 * the requests in it; while none has, the module does. The hypervisor never
 * forgets the page, so it is never freed, not even by unloading.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "bridge_ring.h"
#include "hvisor.h"
#include "hypercall.h"

/*
 * One turn of answering. More than the ring holds, so what is left came in
 * meanwhile and has raised another interrupt.
 */
#define ANSWERS_PER_TURN (2 * HVISOR_MAX_REQUESTS)

/* How long an owner may take for an answer while a zone is shut down. */
#define OWNER_PATIENCE_MS 200

/* loongarch64: the root zone's wake-up line, which stays up until lowered */
#define LOONGARCH_ROOT_ZONE 0
#define LOONGARCH_WAKEUP_LINE 4

static void attend(struct work_struct *work);

static struct {
	struct hvisor_bridge *page;
	int irq;
	/*
	 * Protects what follows, and the daemon's fields of the page while
	 * there is no owner. Taken by the interrupt handler.
	 */
	spinlock_t lock;
	struct file *owner;		/* the file with the daemon's role */
	struct eventfd_ctx *eventfd;	/* the owner's */
	bool answering_reported;

	/*
	 * For writing: a call that keeps the hypervisor from serving others
	 * for long. Only ever tried for reading, so nobody spins for it.
	 */
	rwlock_t calls;
	atomic_t finish_postponed;
	struct work_struct attend_work;
	bool attending;
	u32 leaving_zone;
} bridge = {
	.lock = __SPIN_LOCK_UNLOCKED(bridge.lock),
	.calls = __RW_LOCK_UNLOCKED(bridge.calls),
	.attend_work = __WORK_INITIALIZER(bridge.attend_work, attend),
};

/* With the lock held and no owner. */
static void answer_requests(void)
{
	unsigned int taken = ring_answer_requests(bridge.page, ANSWERS_PER_TURN);

	if (taken && !bridge.answering_reported) {
		bridge.answering_reported = true;
		pr_notice("a zone uses virtio devices but no daemon runs: they read as 0 until one does\n");
	}
}

static void wake_owner(void)
{
	if (bridge.eventfd)
		eventfd_signal(bridge.eventfd);
}

static irqreturn_t wakeup_interrupt(int irq, void *data)
{
	unsigned long flags;

	spin_lock_irqsave(&bridge.lock, flags);
	if (bridge.owner)
		wake_owner();
	else
		answer_requests();
	spin_unlock_irqrestore(&bridge.lock, flags);

	if (IS_ENABLED(CONFIG_LOONGARCH))
		hypercall(HYPERCALL_DEASSERT_IRQ, LOONGARCH_ROOT_ZONE, LOONGARCH_WAKEUP_LINE);

	/*
	 * The line is the hypervisor's alone. Were an interrupt that finds
	 * nothing to do not ours, the kernel would disable it in the end.
	 */
	return IRQ_HANDLED;
}

void hvisor_bridge_poll(void)
{
	unsigned long flags;

	spin_lock_irqsave(&bridge.lock, flags);
	if (!bridge.owner)
		answer_requests();
	else if (READ_ONCE(bridge.page->need_wakeup) && ring_has_requests(bridge.page))
		wake_owner();
	spin_unlock_irqrestore(&bridge.lock, flags);
}

/*
 * The zone is being shut down and its CPUs wait for an owner that does not
 * answer: it hangs, or its thread sits on the CPU that is in the hypervisor.
 * Left alone they would hold up the shutdown until the hypervisor gives up.
 * What they read does not matter any more. The requests stay in the ring, and
 * the owner's own answers will find nobody waiting.
 */
static void release_leaving_zone(void)
{
	unsigned int released = 0;

	spin_lock_irq(&bridge.lock);
	if (bridge.owner)
		released = ring_release_zone(bridge.page, bridge.leaving_zone);
	spin_unlock_irq(&bridge.lock);
	if (released)
		pr_warn_ratelimited("zone %u is shut down without %u answers that the daemon owes\n",
				    bridge.leaving_zone, released);
}

/* Runs on another CPU than the one that shuts a zone down. */
static void attend(struct work_struct *work)
{
	ktime_t patience = ktime_add_ms(ktime_get(), OWNER_PATIENCE_MS);

	while (READ_ONCE(bridge.attending)) {
		hvisor_bridge_poll();
		if (ktime_after(ktime_get(), patience)) {
			release_leaving_zone();
			patience = ktime_add_ms(ktime_get(), OWNER_PATIENCE_MS);
		}
		usleep_range(50, 200);
	}
}

/* With one CPU nobody can answer during the call: see to it before. */
static void let_owner_answer(void)
{
	for (int i = 0; i < OWNER_PATIENCE_MS; i++) {
		hvisor_bridge_poll();
		if (!ring_has_requests(bridge.page))
			return;
		usleep_range(500, 1000);
	}
	release_leaving_zone();
}

/*
 * The call waits in the hypervisor until the CPUs of the zone are off. These
 * may themselves be waiting for an answer, and the CPU that makes the call
 * takes no interrupt meanwhile: another CPU looks after them.
 */
int hvisor_bridge_shut_down(u32 zone)
{
	unsigned int other;
	int error;

	bridge.leaving_zone = zone;
	if (num_online_cpus() == 1)
		let_owner_answer();
	migrate_disable();
	write_lock(&bridge.calls);
	other = cpumask_any_but(cpu_online_mask, smp_processor_id());
	WRITE_ONCE(bridge.attending, true);
	if (other < nr_cpu_ids)
		queue_work_on(other, system_highpri_wq, &bridge.attend_work);
	hvisor_bridge_poll();
	error = hypercall_error(hypercall(HYPERCALL_ZONE_SHUTDOWN, zone, 0));
	WRITE_ONCE(bridge.attending, false);
	write_unlock(&bridge.calls);
	migrate_enable();

	flush_work(&bridge.attend_work);
	if (atomic_xchg(&bridge.finish_postponed, 0))
		hypercall(HYPERCALL_FINISH_REQ, 0, 0);
	return error;
}

/*
 * Requests of the zone's last run that the owner has not taken: were they
 * answered now, that would release accesses of the new run.
 */
int hvisor_bridge_wait_clean(u32 zone)
{
	for (int i = 0; i < OWNER_PATIENCE_MS; i++) {
		if (!ring_has_requests_of(bridge.page, zone))
			return 0;
		hvisor_bridge_poll();
		usleep_range(500, 1000);
	}
	return -EBUSY;
}

/* Does this file have the role? Only its own calls can change that. */
static int check_role(struct file *file)
{
	struct file *owner = READ_ONCE(bridge.owner);

	if (owner == file)
		return 0;
	return owner ? -EBUSY : -EPERM;
}

int hvisor_bridge_attach(struct file *file)
{
	int error = 0;

	spin_lock_irq(&bridge.lock);
	if (!bridge.owner) {
		WRITE_ONCE(bridge.owner, file);
		bridge.answering_reported = false;
		/* The daemon is awake, and sets this itself before it sleeps. */
		WRITE_ONCE(bridge.page->need_wakeup, 0);
	} else if (bridge.owner != file) {
		error = -EBUSY;
	}
	spin_unlock_irq(&bridge.lock);
	return error;
}

/*
 * The last reference to the file is gone, so no call of it runs and it has no
 * mapping left: nobody but the hypervisor can touch the page now.
 */
void hvisor_bridge_detach(struct file *file)
{
	struct eventfd_ctx *eventfd;
	unsigned int answered;

	if (check_role(file))
		return;

	spin_lock_irq(&bridge.lock);
	WRITE_ONCE(bridge.owner, NULL);
	eventfd = bridge.eventfd;
	bridge.eventfd = NULL;
	WRITE_ONCE(bridge.page->need_wakeup, 1);
	/*
	 * Of two orders one must hold: we see the request here, or the
	 * hypervisor, which stores req_rear first, sees need_wakeup.
	 */
	smp_mb();
	answered = ring_take_over(bridge.page);
	answer_requests();
	spin_unlock_irq(&bridge.lock);

	if (eventfd)
		eventfd_ctx_put(eventfd);
	if (answered)
		pr_notice("the daemon left %u virtio accesses unanswered; they read as 0\n",
			  answered);
}

int hvisor_bridge_set_eventfd(struct file *file, int fd)
{
	struct eventfd_ctx *eventfd;
	int error = check_role(file);

	if (error)
		return error;
	eventfd = eventfd_ctx_fdget(fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);

	/* The interrupt handler uses it under the lock only. */
	spin_lock_irq(&bridge.lock);
	swap(bridge.eventfd, eventfd);
	if (ring_has_requests(bridge.page))
		wake_owner();
	spin_unlock_irq(&bridge.lock);

	if (eventfd)
		eventfd_ctx_put(eventfd);
	return 0;
}

/*
 * While a zone is shut down the call would wait in the hypervisor, and with
 * it perhaps the last CPU that could answer the zone: it is postponed.
 */
int hvisor_bridge_finish_req(struct file *file)
{
	int error = check_role(file);

	if (error)
		return error;
	if (!read_trylock(&bridge.calls)) {
		atomic_set(&bridge.finish_postponed, 1);
		/*
		 * Before the second try: if that fails too, the shutdown has
		 * yet to unlock, and finds this afterwards.
		 */
		smp_mb__after_atomic();
		if (!read_trylock(&bridge.calls))
			return 0;
	}
	error = hypercall_error(hypercall(HYPERCALL_FINISH_REQ, 0, 0));
	read_unlock(&bridge.calls);
	return error;
}

int hvisor_bridge_mmap(struct file *file, struct vm_area_struct *vma)
{
	int error = check_role(file);

	if (error)
		return error;
	if (vma->vm_end - vma->vm_start > PAGE_SIZE)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return vm_insert_page(vma, vma->vm_start, virt_to_page(bridge.page));
}

int hvisor_bridge_init(void)
{
	int error;

	bridge.irq = hvisor_wakeup_irq();
	if (bridge.irq < 0)
		return bridge.irq;

	bridge.page = (struct hvisor_bridge *)get_zeroed_page(GFP_KERNEL);
	if (!bridge.page)
		return -ENOMEM;
	bridge.page->need_wakeup = 1;

	/* The trigger is the device tree's. */
	error = request_irq(bridge.irq, wakeup_interrupt, IRQF_SHARED, "hvisor_virtio_device",
			    &bridge);
	if (error) {
		pr_err("wake-up interrupt %d cannot be requested (error %d)\n", bridge.irq, error);
		goto free_page;
	}
	error = hypercall_error(hypercall(HYPERCALL_INIT_VIRTIO, virt_to_phys(bridge.page), 0));
	if (error) {
		pr_err("the hypervisor refused the bridge page (error %d)%s\n", error,
		       error == -EPERM ? ": this is not the root zone" : "");
		goto free_irq;
	}
	return 0;

free_irq:
	free_irq(bridge.irq, &bridge);
free_page:
	free_page((unsigned long)bridge.page);
	return error;
}

/* Without zones nobody pushes requests. The page stays the hypervisor's. */
void hvisor_bridge_exit(void)
{
	WRITE_ONCE(bridge.page->need_wakeup, 0);
	free_irq(bridge.irq, &bridge);
}
