// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/bridge.hpp"

#include <atomic>
#include <new>
#include <thread>
#include <utility>

namespace hvisor::hypervisor {
namespace {

constexpr std::uint32_t next(std::uint32_t index) {
    return (index + 1) % bridge_ring_size;
}

/// Each try drains the ring, so a second one is needed only against other threads.
constexpr int push_tries = 1000;

/// The access sizes that exist (hvisor interface, 3.1); 0 for another.
std::uint8_t checked_size(std::uint64_t size) {
    return size == 1 || size == 2 || size == 4 || size == 8 ? static_cast<std::uint8_t>(size)
                                                            : std::uint8_t{0};
}

} // namespace

std::uint64_t mask_to_size(std::uint64_t value, std::uint8_t size) {
    return size >= 8 ? value : value & ((std::uint64_t{1} << (8 * size)) - 1);
}

Bridge::Bridge(Hypervisor& hypervisor, std::shared_ptr<const StateMemory> state)
    : hypervisor_(hypervisor),
      state_(state ? std::move(state) : StateMemory::of_process()),
      record_(*std::launder(reinterpret_cast<BridgeRecord*>(state_->bytes().data()))),
      page_(&hypervisor.bridge_page()) {}

void Bridge::attach() {
    page_ = &hypervisor_.bridge_page();
    end_sleep();
    is_held_ = true;
}

void Bridge::resume() {
    is_held_ = false;
    finish_front();
    for (std::uint32_t cpu = 0; cpu < bridge_cpus; ++cpu) {
        if (is_owed(cpu)) {
            answer(cpu, 0);
        }
        record_.owed.at(cpu).set(0);
    }
    // Of interrupts that were put into the ring the hypervisor may not have been told.
    hypervisor_.finish_requests();
}

bool Bridge::is_owed(std::uint32_t cpu) const {
    return record_.owed.at(cpu).get() == load_relaxed(page_->answer_counts[cpu]) + 1;
}

/// A request that was answered and is still in the ring must not be answered
/// again: the CPU would take that for the answer to its next one. The other way round, one that
/// is handled anew is answered then: a CPU has one request at a time.
void Bridge::finish_front() {
    const auto request = front();
    if (request && request->needs_answer) {
        if (is_owed(request->cpu)) {
            record_.owed.at(request->cpu).set(0);
        } else if (record_.front.get() == load_relaxed(page_->request_front) % bridge_ring_size + 1) {
            pop();
        }
    }
    record_.front.set(0);
}

void Bridge::begin(const TrapRequest& request) {
    if (request.needs_answer) {
        record_.owed.at(request.cpu).set(load_relaxed(page_->answer_counts[request.cpu]) + 1);
    }
    record_.front.commit(load_relaxed(page_->request_front) % bridge_ring_size + 1);
}

bool Bridge::is_idle() const {
    return is_held_ || load_acquire(page_->request_rear) % bridge_ring_size ==
                           load_relaxed(page_->request_front) % bridge_ring_size;
}

std::optional<TrapRequest> Bridge::front() const {
    if (is_idle()) {
        return std::nullopt;
    }
    // Who asked last asks again, most likely; its answer's lines come while the
    // request's does.
    const auto last = last_answered_.load(std::memory_order_relaxed);
    prefetch_for_write(&page_->answer_values[last]);
    prefetch_for_write(&page_->answer_counts[last]);
    const auto& slot = page_->requests[load_relaxed(page_->request_front) % bridge_ring_size];
    const auto size = checked_size(load_relaxed(slot.size));
    const auto cpu = load_relaxed(slot.src_cpu);
    return TrapRequest{
        .address = load_relaxed(slot.address),
        // The raw source register comes, whatever the width of the store (hvisor interface, 3.5).
        .value = mask_to_size(load_relaxed(slot.value), size),
        .zone = load_relaxed(slot.src_zone),
        .cpu = static_cast<std::uint32_t>(cpu),
        .size = size,
        .is_write = load_relaxed(slot.is_write) != 0,
        // A CPU that has no place in the page cannot be answered.
        .needs_answer = load_relaxed(slot.need_interrupt) == 0 && cpu < bridge_cpus,
    };
}

void Bridge::pop() {
    store_release(page_->request_front, next(load_relaxed(page_->request_front) % bridge_ring_size));
    record_.front.commit(0);
}

void Bridge::answer(std::uint32_t cpu, std::uint64_t value) {
    if (cpu >= bridge_cpus) {
        return;
    }
    last_answered_.store(cpu, std::memory_order_relaxed);
    store_relaxed(page_->answer_values[cpu], value);
    // Release: the CPU reads the value once it sees the count move.
    store_release(page_->answer_counts[cpu], load_relaxed(page_->answer_counts[cpu]) + 1);
    record_.owed.at(cpu).commit(0);
}

bool Bridge::begin_sleep() {
    store_relaxed(page_->need_wakeup, 1);
    // The hypervisor stores the index, then reads need_wakeup; we the other way round.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return is_idle();
}

void Bridge::end_sleep() {
    store_relaxed(page_->need_wakeup, 0);
}

bool Bridge::try_push(std::uint32_t zone, std::uint32_t interrupt) {
    const std::scoped_lock guard(result_lock_);
    const auto rear = load_relaxed(page_->result_rear) % bridge_ring_size;
    // Acquire: the hypervisor has read the slot before it moved on.
    if (next(rear) == load_acquire(page_->result_front) % bridge_ring_size) {
        return false;
    }
    store_relaxed(page_->results[rear].target_zone, zone);
    store_relaxed(page_->results[rear].interrupt, interrupt);
    store_release(page_->result_rear, next(rear));
    return true;
}

bool Bridge::push_interrupt(std::uint32_t zone, std::uint32_t interrupt) {
    for (int tries = 0; tries < push_tries; ++tries) {
        const bool pushed = try_push(zone, interrupt);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        // Without the lock: nobody waits for a hypercall of ours.
        hypervisor_.finish_requests();
        if (pushed) {
            return true;
        }
        std::this_thread::yield();
    }
    return false;
}

} // namespace hvisor::hypervisor
