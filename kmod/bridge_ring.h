/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's side of the request ring, as the module plays it while no
 * daemon is there: every access is answered with 0, so that no CPU of a zone
 * waits in the hypervisor for ever. The caller is the ring's only consumer
 * (struct bridge's lock). Plain logic, also built for unit tests.
 */
#ifndef HVISOR_BRIDGE_RING_H
#define HVISOR_BRIDGE_RING_H

#include "portable.h"
#include <linux/hvisor.h>

#define RING_MASK (HVISOR_MAX_REQUESTS - 1)

static_assert(sizeof(struct hvisor_device_req) == 40, "request of the bridge page");
static_assert(offsetof(struct hvisor_bridge, req_list) == 0x010, "bridge page");
static_assert(offsetof(struct hvisor_bridge, res_list) == 0x510, "bridge page");
static_assert(offsetof(struct hvisor_bridge, cfg_flags) == 0x610, "bridge page");
static_assert(offsetof(struct hvisor_bridge, cfg_values) == 0x710, "bridge page");
static_assert(offsetof(struct hvisor_bridge, mmio_addrs) == 0x810, "bridge page");
static_assert(offsetof(struct hvisor_bridge, need_wakeup) == 0x851, "bridge page");
static_assert(sizeof(struct hvisor_bridge) == 0x858, "bridge page");

static inline bool ring_has_requests(const struct hvisor_bridge *page)
{
	return READ_ONCE(page->req_front) != READ_ONCE(page->req_rear);
}

/*
 * The CPU that waits for the answer to this request, HVISOR_MAX_CPUS if none
 * does. Beyond the arrays of the page there is no place for an answer.
 */
static inline __u32 ring_waiting_cpu(const struct hvisor_device_req *req)
{
	__u64 cpu = READ_ONCE(req->src_cpu);

	if (READ_ONCE(req->need_interrupt) || cpu >= HVISOR_MAX_CPUS)
		return HVISOR_MAX_CPUS;
	return (__u32)cpu;
}

/*
 * Only for a CPU that waits: counting a request that nobody waits for would
 * release the CPU's next access before it is answered.
 */
static inline void ring_answer(struct hvisor_bridge *page, __u32 cpu)
{
	WRITE_ONCE(page->cfg_values[cpu], 0);
	/* The CPU reads the value as soon as it sees the flag change. */
	smp_store_release(&page->cfg_flags[cpu], READ_ONCE(page->cfg_flags[cpu]) + 1);
}

/* Answer up to limit requests, oldest first; returns how many were taken. */
static inline unsigned int ring_answer_requests(struct hvisor_bridge *page, unsigned int limit)
{
	__u32 front = READ_ONCE(page->req_front) & RING_MASK;
	unsigned int taken;
	__u32 cpu;

	for (taken = 0; taken < limit; taken++) {
		/* Pairs with the hypervisor's release of a filled slot. */
		if (front == (smp_load_acquire(&page->req_rear) & RING_MASK))
			break;
		cpu = ring_waiting_cpu(&page->req_list[front]);
		if (cpu < HVISOR_MAX_CPUS)
			ring_answer(page, cpu);
		front = (front + 1) & RING_MASK;
		/* Not before the slot was read: the hypervisor may fill it again. */
		smp_store_release(&page->req_front, front);
	}
	return taken;
}

#define RING_ANY_ZONE (~0U)

/*
 * Answer the CPUs of a zone that wait for requests in [front, rear), which
 * stay there. Some may have been answered without being taken off: but a CPU
 * that waits makes no other access, so of all requests of a CPU only the last
 * waiting one can be unanswered. Answering the others as well would release
 * later accesses of that CPU. Returns how many CPUs were answered.
 */
static inline unsigned int ring_answer_last(struct hvisor_bridge *page, __u32 front, __u32 rear,
					    __u32 zone)
{
	unsigned int answered = 0;
	__u32 seen = 0;
	__u32 cpu;

	while (rear != front) {
		const struct hvisor_device_req *req;

		rear = (rear - 1) & RING_MASK;
		req = &page->req_list[rear];
		cpu = ring_waiting_cpu(req);
		if (cpu >= HVISOR_MAX_CPUS || seen & (1U << cpu))
			continue;
		seen |= 1U << cpu;
		if (zone != RING_ANY_ZONE && READ_ONCE(req->src_zone) != zone)
			continue;
		ring_answer(page, cpu);
		answered++;
	}
	return answered;
}

static inline bool ring_results_valid(const struct hvisor_bridge *page)
{
	return READ_ONCE(page->res_rear) <= RING_MASK;
}

/*
 * Take the ring over from a daemon that is gone, perhaps in the middle of a
 * request. An index out of range says nothing; then every slot is taken as
 * possibly waiting.
 */
static inline unsigned int ring_take_over(struct hvisor_bridge *page)
{
	__u32 front = READ_ONCE(page->req_front);
	unsigned int answered;
	__u32 rear;

	/* Pairs with the hypervisor's release of a filled slot. */
	rear = smp_load_acquire(&page->req_rear) & RING_MASK;
	if (front > RING_MASK)
		front = (rear + 1) & RING_MASK;
	answered = ring_answer_last(page, front, rear, RING_ANY_ZONE);
	/* Not before the slots were read. */
	smp_store_release(&page->req_front, rear);

	/* The hypervisor would never come to the end of such a ring. */
	if (!ring_results_valid(page))
		WRITE_ONCE(page->res_rear, READ_ONCE(page->res_front));
	return answered;
}

/* Release CPUs of a zone that is being shut down from a daemon that hangs. */
static inline unsigned int ring_release_zone(struct hvisor_bridge *page, __u32 zone)
{
	__u32 front = READ_ONCE(page->req_front) & RING_MASK;

	/* Pairs with the hypervisor's release of a filled slot. */
	return ring_answer_last(page, front, smp_load_acquire(&page->req_rear) & RING_MASK, zone);
}

static inline bool ring_has_requests_of(const struct hvisor_bridge *page, __u32 zone)
{
	__u32 front = READ_ONCE(page->req_front) & RING_MASK;
	__u32 rear;

	/* Pairs with the hypervisor's release of a filled slot. */
	rear = smp_load_acquire(&page->req_rear) & RING_MASK;
	for (; front != rear; front = (front + 1) & RING_MASK)
		if (READ_ONCE(page->req_list[front].src_zone) == zone)
			return true;
	return false;
}

#endif /* HVISOR_BRIDGE_RING_H */
