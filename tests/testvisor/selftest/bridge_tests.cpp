// SPDX-License-Identifier: Apache-2.0
//
// The request ring, seen from the daemon's side.
#include "bridge_side.hpp"
#include "machine.hpp"
#include "tests.hpp"
#include "zone_info.hpp"

namespace selftest {
namespace {

constexpr std::uint64_t notify = window + 0x50;
constexpr std::uint64_t distributor_pending_64 = 0x8000208;
constexpr std::uint64_t distributor_clear_pending_64 = 0x8000288;
constexpr std::uint64_t lose_wakeups = 2;

template <typename T>
Work reads() {
    return [](std::uint64_t at) { return static_cast<std::uint64_t>(mmio_read<T>(at)); };
}

void expect(const Request& request, std::uint64_t address, std::uint64_t size, bool is_write) {
    CHECK_EQUAL(request.cpu, 2);
    CHECK_EQUAL(request.zone, 1);
    CHECK_EQUAL(request.address, address);
    CHECK_EQUAL(request.size, size);
    CHECK_EQUAL(request.is_write, is_write ? 1 : 0);
    CHECK_EQUAL(request.need_interrupt, address == notify ? 1 : 0);
}

/// One access whose answer is `value`; what the guest's register then holds.
std::uint64_t answered(Work work, std::uint64_t address, std::uint64_t size, std::uint64_t value) {
    Request request{};
    ask(2, work, address);
    CHECK(next_request(request));
    expect(request, address, size, false);
    CHECK(!finished(2));
    answer(request, value);
    return wait_for(2);
}

void reads_of_every_width() {
    reset_bridge();
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    constexpr std::uint64_t wide = 0x8877665544332211;
    CHECK_EQUAL(answered(
                    [](std::uint64_t at) {
                        std::uint64_t value = 0;
                        asm volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(at));
                        return value;
                    },
                    window + 0x100, 1, wide),
                wide);
    CHECK_EQUAL(answered(
                    [](std::uint64_t at) {
                        std::uint64_t value = 0;
                        asm volatile("ldr %w0, [%1]" : "=r"(value) : "r"(at));
                        return value;
                    },
                    window + 4, 4, wide),
                wide);
    CHECK_EQUAL(answered(reads<std::uint64_t>(), window + 0x108, 8, wide), wide);
    CHECK_EQUAL(answered(
                    [](std::uint64_t at) {
                        std::uint64_t value = 0;
                        asm volatile("ldrsb %w0, [%1]" : "=r"(value) : "r"(at));
                        return value;
                    },
                    window + 0x101, 1, 0x1180),
                0xffffff80);
    CHECK_EQUAL(answered(
                    [](std::uint64_t at) {
                        std::uint64_t value = 0;
                        asm volatile("ldrsh %0, [%1]" : "=r"(value) : "r"(at));
                        return value;
                    },
                    window + 0x102, 2, 0x118000),
                0xffffffffffff8000);
    CHECK_EQUAL(answered(
                    [](std::uint64_t at) {
                        std::uint64_t value = 0;
                        asm volatile("ldrsw %0, [%1]" : "=r"(value) : "r"(at));
                        return value;
                    },
                    other_window + 0x50 + 4, 4, 0x7fffffff),
                0x7fffffff);
    // Into the zero register: asked, and the answer dropped.
    CHECK_EQUAL(answered(
                    [](std::uint64_t at) -> std::uint64_t {
                        asm volatile("ldr wzr, [%0]" : : "r"(at));
                        return 5;
                    },
                    window, 4, 1),
                5);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void writes_pass_the_whole_register() {
    reset_bridge();
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    Request request{};
    ask(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            asm volatile("str %w0, [%1]" : : "r"(0x1122334455667788), "r"(at));
            asm volatile("strb wzr, [%0]" : : "r"(at + 4));
            return 9;
        },
        window + 0x70);
    CHECK(next_request(request));
    expect(request, window + 0x70, 4, true);
    CHECK_EQUAL(request.value, 0x1122334455667788);
    answer(request, 0xdead);
    CHECK(next_request(request));
    expect(request, window + 0x74, 1, true);
    CHECK_EQUAL(request.value, 0);
    CHECK(!finished(2));
    answer(request, 0xdead);
    CHECK_EQUAL(wait_for(2), 9);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void notifications_do_not_wait() {
    reset_bridge();
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    Request request{};
    run_on(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            mmio_write<std::uint32_t>(at, 3);
            return 0;
        },
        notify);
    CHECK(next_request(request));
    expect(request, notify, 4, true);
    CHECK_EQUAL(request.value, 3);
    CHECK_EQUAL(run_on(2, reads<std::uint32_t>(), notify), 0);
    CHECK(next_request(request));
    expect(request, notify, 4, false);
    // Only at the start of a region: elsewhere +0x50 is like any register.
    configuration(1, 0x4);
    CHECK_EQUAL(answered(reads<std::uint32_t>(), window + 0x150, 4, 17), 17);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

bool wakeup_came() {
    const bool came = (mmio_read<std::uint32_t>(distributor_pending_64) & 1) != 0;
    mmio_write<std::uint32_t>(distributor_clear_pending_64, 1);
    return came;
}

void notify_once() {
    Request request{};
    run_on(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            mmio_write<std::uint32_t>(at, 0);
            return 0;
        },
        notify);
    CHECK(next_request(request));
}

void wakeups() {
    reset_bridge();
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    wakeup_came();
    notify_once();
    CHECK(!wakeup_came());
    store(bridge.need_wakeup, 1);
    notify_once();
    CHECK(wakeup_came());
    CHECK_EQUAL(bridge.need_wakeup, 1);
    CHECK_EQUAL(hvc(debug, lose_wakeups, 3), 0);
    unsigned came = 0;
    for (unsigned i = 0; i < 9; ++i) {
        notify_once();
        came += wakeup_came() ? 1 : 0;
    }
    CHECK_EQUAL(came, 6);
    CHECK_EQUAL(hvc(debug, lose_wakeups, 0), 0);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

/// 31 requests fit; the next one waits for room and none is lost.
void full_ring() {
    reset_bridge();
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    ask(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            for (std::uint32_t i = 0; i < 100; ++i) {
                mmio_write<std::uint32_t>(at, i);
            }
            return 0;
        },
        notify);
    CHECK(ring_holds(31));
    sleep_milliseconds(50);
    CHECK(!finished(2));
    CHECK(ring_holds(31));
    for (std::uint32_t i = 0; i < 100; ++i) {
        Request request{};
        CHECK(next_request(request));
        CHECK_EQUAL(request.value, i);
    }
    wait_for(2);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

extern "C" char helper_entry[];

void two_cpus_at_once() {
    constexpr std::uint64_t each = 2000;
    reset_bridge();
    if (!start_and_wait(1, 0xc)) {
        return;
    }
    const std::uint64_t before = starts(3);
    run_on(
        2, [](std::uint64_t entry) { return static_cast<std::uint64_t>(smc(psci_cpu_on, 3, entry)); },
        reinterpret_cast<std::uint64_t>(helper_entry));
    CHECK(wait_for_start(3, before));
    const Work work = [](std::uint64_t at) {
        std::uint64_t wrong = 0;
        for (std::uint64_t i = 0; i < each; ++i) {
            const std::uint64_t address = at + i % 16 * 4;
            if (mmio_read<std::uint32_t>(address) != (address ^ 0x55)) {
                ++wrong;
            }
            mmio_write<std::uint32_t>(at + 0x50, 0);
        }
        return wrong;
    };
    ask(2, work, window);
    ask(3, work, other_window);
    std::uint64_t notified = 0;
    for (std::uint64_t i = 0; i < 4 * each; ++i) {
        Request request{};
        if (!next_request(request)) {
            break;
        }
        if (request.need_interrupt != 0) {
            ++notified;
        } else {
            answer(request, request.address ^ 0x55);
        }
    }
    CHECK_EQUAL(wait_for(2), 0);
    CHECK_EQUAL(wait_for(3), 0);
    CHECK_EQUAL(notified, 2 * each);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

/// The root zone's second CPU answers `count` requests, the first one late.
std::uint64_t answer_late(std::uint64_t count) {
    sleep_milliseconds(100);
    for (std::uint64_t i = 0; i < count; ++i) {
        Request request{};
        if (!next_request(request)) {
            return i;
        }
        if (request.need_interrupt == 0) {
            answer(request, 0);
        }
    }
    return count;
}

void stopped_while_waiting_for_an_answer() {
    reset_bridge();
    if (!start_second_cpu() || !start_and_wait(1, 0x4)) {
        return;
    }
    ask(2, reads<std::uint32_t>(), window);
    CHECK(ring_holds(1));
    ask(1, answer_late, 1);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
    CHECK_EQUAL(wait_for(1), 1);
    // The late answer must not release the next access of that CPU.
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    CHECK_EQUAL(answered(reads<std::uint32_t>(), window, 4, 99), 99);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void stopped_while_the_ring_is_full() {
    reset_bridge();
    if (!start_second_cpu() || !start_and_wait(1, 0x4)) {
        return;
    }
    ask(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            for (;;) {
                mmio_write<std::uint32_t>(at, 0);
            }
        },
        notify);
    CHECK(ring_holds(31));
    ask(1, answer_late, 1);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
    CHECK_EQUAL(wait_for(1), 1);
}

} // namespace

const Test bridge_tests[] = {
    {"reads of every width", reads_of_every_width},
    {"writes pass the whole register", writes_pass_the_whole_register},
    {"notifications do not wait", notifications_do_not_wait},
    {"wake-ups, and every third lost", wakeups},
    {"full ring", full_ring},
    {"two CPUs at once", two_cpus_at_once},
    {"stopped while waiting for an answer", stopped_while_waiting_for_an_answer},
    {"stopped while the ring is full", stopped_while_the_ring_is_full},
    {nullptr, nullptr},
};

} // namespace selftest
