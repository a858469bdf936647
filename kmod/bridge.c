// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bridge page. One open file at a time has the daemon's role and answers
 * the requests in it; while none has, the module does. The hypervisor never
 * forgets the page, so it is never freed, not even by unloading.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#include "bridge_ring.h"
#include "hvisor.h"
#include "hypercall.h"

/*
 * One turn of answering. More than the ring holds, so what is left came in
 * meanwhile and has raised another interrupt.
 */
#define ANSWERS_PER_TURN (2 * HVISOR_MAX_REQUESTS)

/* loongarch64: the root zone's wake-up line, which stays up until lowered */
#define LOONGARCH_ROOT_ZONE 0
#define LOONGARCH_WAKEUP_LINE 4

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
} bridge = {
	.lock = __SPIN_LOCK_UNLOCKED(bridge.lock),
};

/* With the lock held and no owner. */
static void answer_requests(void)
{
	unsigned int taken = ring_answer_requests(bridge.page, ANSWERS_PER_TURN);

	if (taken && !bridge.answering_reported) {
		bridge.answering_reported = true;
		pr_notice_ratelimited("a zone uses virtio devices but no daemon runs: they read as 0 until one does\n");
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
void hvisor_bridge_release(u32 zone)
{
	unsigned int released = 0;

	spin_lock_irq(&bridge.lock);
	if (bridge.owner)
		released = ring_release_zone(bridge.page, zone);
	spin_unlock_irq(&bridge.lock);
	if (released)
		pr_warn_ratelimited("zone %u is shut down without %u answers that the daemon owes\n",
				    zone, released);
}

bool hvisor_bridge_has_requests(u32 zone)
{
	return ring_has_requests_of(bridge.page, zone);
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

	/* Interrupts it wrote down and did not send: no ring is left to fill. */
	hvisor_send_results();
	if (eventfd)
		eventfd_ctx_put(eventfd);
	if (answered)
		pr_notice_ratelimited("the daemon left %u virtio accesses unanswered; they read as 0\n",
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

int hvisor_bridge_finish_req(struct file *file)
{
	int error = check_role(file);

	if (error)
		return error;
	/* Whatever else is wrong in the ring, the hypervisor gets over it. */
	if (!ring_results_valid(bridge.page))
		return -EINVAL;
	return hvisor_send_results();
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
