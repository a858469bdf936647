// SPDX-License-Identifier: Apache-2.0
#include "bridge.hpp"

#include <cstddef>

#include "arch.hpp"
#include "gic.hpp"
#include "nap.hpp"
#include "options.hpp"
#include "root_memory.hpp"
#include "uart.hpp"

namespace testvisor::bridge {
namespace {

constexpr std::uint32_t ring_size = 32;
constexpr std::uint64_t queue_notify = 0x50;
// The real one asserts when an eighth different interrupt is pending for a CPU.
constexpr unsigned max_pending = 7;
constexpr std::uint64_t complain_milliseconds = 10000;

struct Request {
    std::uint64_t source_cpu;
    std::uint64_t address;
    std::uint64_t size;
    std::uint64_t value;
    std::uint32_t source_zone;
    std::uint8_t is_write;
    std::uint8_t need_interrupt;
    std::uint16_t unused;
};

struct Result {
    std::uint32_t target_zone;
    std::uint32_t interrupt;
};

struct Page {
    std::uint32_t request_front;
    std::uint32_t request_rear;
    std::uint32_t result_front;
    std::uint32_t result_rear;
    Request requests[ring_size];
    Result results[ring_size];
    std::uint64_t flags[32];
    std::uint64_t values[32];
    std::uint64_t device_addresses[8];
    std::uint8_t devices_ready;
    std::uint8_t need_wakeup;
};

static_assert(offsetof(Page, results) == 1296);
static_assert(offsetof(Page, flags) == 1552);
static_assert(offsetof(Page, values) == 1808);
static_assert(offsetof(Page, need_wakeup) == 2129);

Page* page = nullptr;
SpinLock request_lock;

template <typename T>
T load(const T& field) {
    return __atomic_load_n(&field, __ATOMIC_ACQUIRE);
}

std::uint32_t index(const std::uint32_t& field) {
    const std::uint32_t value = load(field);
    if (value >= ring_size) {
        panic("the bridge page holds the index ", value);
    }
    return value;
}

std::uint32_t after(std::uint32_t position) {
    return (position + 1) % ring_size;
}

void push(Page& bridge, const Request& request) {
    bool was_full = false;
    for (Nap nap;; nap.take()) {
        {
            const Guard guard(request_lock);
            const std::uint32_t rear = index(bridge.request_rear);
            if (after(rear) != index(bridge.request_front)) {
                bridge.requests[rear] = request;
                __atomic_store_n(&bridge.request_rear, after(rear), __ATOMIC_RELEASE);
                return;
            }
        }
        if (!was_full) {
            count(Counter::RingFull);
            was_full = true;
        }
    }
}

void wake_daemon(const Page& bridge) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load(bridge.need_wakeup) != 1) {
        return;
    }
    count(Counter::Wakeups);
    if (loses(Option::LoseWakeups)) {
        count(Counter::LostWakeups);
        return;
    }
    gic::make_pending(gic::wakeup_interrupt);
}

void wait_for_answer(const Page& bridge, std::uint64_t old_flag, const Request& request) {
    const unsigned cpu = this_cpu();
    const Deadline complaint(complain_milliseconds);
    bool complained = false;
    for (Nap nap; load(bridge.flags[cpu]) == old_flag; nap.take()) {
        if (!complained && complaint.passed()) {
            complained = true;
            say("zone ", request.source_zone, ", CPU ", cpu, ": no answer to the access at ",
                Hex{request.address}, " for ", complain_milliseconds / 1000, " s");
        }
    }
}

unsigned pending_interrupts(const Zone& zone) {
    unsigned pending = 0;
    for (unsigned word = 0; word < gic::spi_words; ++word) {
        std::uint32_t left = zone.spis[word] == 0 ? 0 : zone.spis[word] & gic::pending_word(word);
        for (; left != 0; left &= left - 1) {
            ++pending;
        }
    }
    return pending;
}

void inject(const Result& result) {
    const Zone* zone = find_zone(result.target_zone);
    if (zone == nullptr || !zone->owns_spi(result.interrupt)) {
        count(Counter::Foreign);
        return;
    }
    count(Counter::Injections);
    if (loses(Option::LoseInjections)) {
        count(Counter::LostInjections);
        return;
    }
    if (option(Option::LoseActive) != 0 && gic::is_active(result.interrupt)) {
        count(Counter::LostActive);
        return;
    }
    if (gic::is_pending(result.interrupt)) {
        count(Counter::Coalesced);
        return;
    }
    if (pending_interrupts(*zone) == max_pending) {
        panic("zone ", zone->id, " has ", max_pending, " interrupts pending, and interrupt ",
              result.interrupt, " is one more");
    }
    gic::make_pending(result.interrupt);
}

} // namespace

std::int64_t use_page(std::uint64_t address) {
    if (address % 4096 != 0) {
        panic("virtio init with the misaligned address ", Hex{address});
    }
    __atomic_store_n(&page, from_root<Page>(address), __ATOMIC_RELEASE);
    return 0;
}

std::int64_t inject_results() {
    Page* const bridge = load(page);
    if (bridge == nullptr) {
        panic("an injection before virtio init");
    }
    const ZonesGuard guard;
    for (std::uint32_t front = index(bridge->result_front); front != index(bridge->result_rear);) {
        inject(bridge->results[front]);
        front = after(front);
        __atomic_store_n(&bridge->result_front, front, __ATOMIC_RELEASE);
    }
    return 0;
}

void access(const Zone& zone, const Window& window, Access& access) {
    Page* const bridge = load(page);
    if (bridge == nullptr) {
        panic("zone ", zone.id, " accesses ", Hex{access.address}, " before virtio init");
    }
    const unsigned cpu = this_cpu();
    const bool notifies = access.address - window.base == queue_notify;
    const Request request{
        .source_cpu = cpu,
        .address = access.address,
        .size = access.size,
        .value = access.value,
        .source_zone = zone.id,
        .is_write = static_cast<std::uint8_t>(access.is_write ? 1 : 0),
        .need_interrupt = static_cast<std::uint8_t>(notifies ? 1 : 0),
        .unused = 0,
    };
    const std::uint64_t old_flag = load(bridge->flags[cpu]);
    cpus[cpu].waits_for = access.address;
    push(*bridge, request);
    count(notifies ? Counter::Notifications : Counter::Requests);
    wake_daemon(*bridge);
    if (notifies) {
        access.value = 0;
    } else {
        wait_for_answer(*bridge, old_flag, request);
        access.value = load(bridge->values[cpu]);
    }
    cpus[cpu].waits_for = 0;
}

} // namespace testvisor::bridge
