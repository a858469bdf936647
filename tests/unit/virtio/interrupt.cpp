// SPDX-License-Identifier: Apache-2.0
#include "virtio/interrupt.hpp"

#include "fixture.hpp"

using namespace hvisor;
using namespace hvisor::virtio;
using namespace std::chrono_literals;

TEST_CASE("an interrupt that is not acknowledged is sent again after 1, 2, 4 … 64 ms") {
    kit::FakePort port;
    Interrupt::State state;
    Interrupt interrupt(port, 1, 78, state);
    auto now = Interrupt::Clock::now();
    interrupt.raise(interrupt_used_buffer, now);
    CHECK(port.injections() == 1);
    std::vector<std::chrono::milliseconds> waits;
    for (int i = 0; i < 9; ++i) {
        const auto due = interrupt.repair(now, false);
        REQUIRE(due);
        waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(*due - now));
        // Not a moment before it is due.
        CHECK(interrupt.repair(*due - 1us, false) == due);
        now = *due;
        REQUIRE(interrupt.repair(now, false));
    }
    CHECK(waits == std::vector{1ms, 2ms, 4ms, 8ms, 16ms, 32ms, 64ms, 64ms, 64ms});
    CHECK(port.injections() == 10);
    CHECK(interrupt.repeated() == 9);
    CHECK(interrupt.unacknowledged(now).value() >= 127ms);

    interrupt.acknowledge(interrupt_used_buffer);
    CHECK_FALSE(interrupt.repair(now + 1s, false));
    CHECK_FALSE(interrupt.unacknowledged(now));
}

TEST_CASE("the next interrupt starts with short waits again") {
    kit::FakePort port;
    Interrupt::State state;
    Interrupt interrupt(port, 1, 78, state);
    auto now = Interrupt::Clock::now();
    interrupt.raise(interrupt_used_buffer, now);
    for (int i = 0; i < 5; ++i) {
        now = *interrupt.repair(now + 64ms, false);
    }
    interrupt.acknowledge(interrupt_used_buffer);
    now += 1s;
    interrupt.raise(interrupt_used_buffer, now);
    CHECK(interrupt.repair(now, false) == now + 1ms);
}

TEST_CASE("a driver that acknowledged and did not look is told again, with a bit to see") {
    kit::FakePort port;
    Interrupt::State state;
    Interrupt interrupt(port, 1, 78, state);
    auto now = Interrupt::Clock::now();
    interrupt.raise(interrupt_used_buffer, now);
    int repairs = 0;
    for (;;) {
        interrupt.acknowledge(interrupt_used_buffer);
        const auto due = interrupt.repair(now, true);
        if (!due) {
            break;
        }
        now = *due;
        REQUIRE(interrupt.repair(now, true));
        CHECK(interrupt.status() == interrupt_used_buffer);
        REQUIRE(++repairs < 100);
    }
    // A driver that polls instead is not disturbed for ever.
    CHECK(repairs == 7);
}

TEST_CASE("acknowledging one bit leaves the other") {
    kit::FakePort port;
    Interrupt::State state;
    Interrupt interrupt(port, 1, 78, state);
    interrupt.raise(interrupt_used_buffer | interrupt_config_change, Interrupt::Clock::now());
    interrupt.acknowledge(interrupt_used_buffer);
    CHECK(interrupt.status() == interrupt_config_change);
    interrupt.acknowledge(0xffffffff);
    CHECK(interrupt.status() == 0);
}

TEST_CASE("a device repairs its lost interrupt by itself") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    // The guest hears of none of them but the fourth.
    REQUIRE(rig.port.wait_for_injections(4));
    CHECK(rig.driver.acknowledge() == interrupt_used_buffer);
    CHECK(queue.take_used());
    CHECK(rig.device.interrupt().repeated() >= 3);

    const auto settled = rig.port.injections();
    std::this_thread::sleep_for(50ms);
    CHECK(rig.port.injections() <= settled + 1);
}

TEST_CASE(
    "a batch of requests is one interrupt, and one more each time that it takes as long as one may wait") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    constexpr auto may_wait = 50us;
    for (int round = 0; round < 20; ++round) {
        const auto before = rig.device.interrupt().sent() - rig.device.interrupt().repeated();
        const auto begin = Interrupt::Clock::now();
        for (int i = 0; i < test_queue_size; ++i) {
            kit::ChainBuilder(queue).readable("x").add();
        }
        rig.driver.kick(0);
        for (int i = 0; i < test_queue_size; ++i) {
            REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
        }
        rig.settle();
        // On a busy machine that is long.
        const auto allowed = 1 + static_cast<std::uint64_t>((Interrupt::Clock::now() - begin) / may_wait);
        CHECK(rig.device.interrupt().sent() - rig.device.interrupt().repeated() <= before + allowed);
        rig.driver.acknowledge();
    }
}

TEST_CASE("with EVENT_IDX a driver that polls gets no interrupt") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size, true);
    queue.set_used_event(0x8000);
    rig.bring_up(queue, kit::split_features);
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return queue.used_index() == 1; }));
    rig.settle();
    CHECK(rig.port.injections() == 0);
}
