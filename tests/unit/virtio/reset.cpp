// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"
#include "kit/process_end.hpp"
#include "kit/successor.hpp"

#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace hvisor;
using namespace hvisor::virtio;

namespace {

/// A device with a request in flight that ends when the test says so.
struct InFlight : Fixture {
    InFlight() {
        bring_up(queue);
        device.in_request([this, first = true]() mutable {
            if (std::exchange(first, false)) {
                entered.set_value();
                release.get_future().wait();
            }
        });
        kit::ChainBuilder(queue).readable("slow").writable(4).add();
        driver.kick(0);
        entered.get_future().wait();
    }

    kit::SplitQueue queue{ram, test_queue_size};
    std::promise<void> entered;
    std::promise<void> release;
};

} // namespace

TEST_CASE("a reset is answered when no request of the old driver is in flight") {
    InFlight rig;
    // virtio 1.2, 2.4.1: the status is 0 only when the device has let go.
    CHECK_FALSE(rig.start_access(0x070, 4, true, 0).has_value());
    CHECK(rig.driver.get(Register::status) != 0);
    CHECK(rig.port.answers().empty());
    // Meanwhile another CPU changes nothing, and waits for nothing.
    rig.driver.set(Register::status, status::acknowledge | status::driver_ok);
    rig.driver.reset();
    rig.driver.set(Register::queue_sel, 1);

    rig.release.set_value();
    REQUIRE(rig.port.wait_for_answers(1));
    CHECK(rig.port.answers() == std::vector<std::pair<std::uint32_t, std::uint64_t>>{{2, 0}});
    CHECK(rig.driver.get(Register::status) == 0);
    CHECK(rig.queue.used_index() == 1);
}

TEST_CASE("nothing is taken from the queue once a reset has begun") {
    InFlight rig;
    kit::ChainBuilder(rig.queue).readable("late").add();
    static_cast<void>(rig.start_access(0x070, 4, true, 0));
    rig.release.set_value();
    REQUIRE(rig.port.wait_for_answers(1));
    // The one in flight ends; whether the next was begun before the reset was
    // seen is the device's choice, but not after it was answered.
    const auto used = rig.queue.used_index();
    rig.settle();
    CHECK(rig.queue.used_index() == used);
}

TEST_CASE("QueueReady = 0 is answered when the queue has stopped") {
    InFlight rig;
    rig.driver.set(Register::queue_sel, 0);
    CHECK_FALSE(rig.start_access(0x044, 4, true, 0).has_value());
    CHECK(rig.driver.get(Register::queue_ready) == 1);
    rig.release.set_value();
    REQUIRE(rig.port.wait_for_answers(1));
    CHECK(rig.driver.get(Register::queue_ready) == 0);
}

TEST_CASE("quiesce waits for what is in flight, and registers answer as before") {
    InFlight rig;
    auto quiesced = std::async(std::launch::async, [&] { rig.device.quiesce(); });
    CHECK(quiesced.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
    CHECK(rig.driver.get(Register::magic_value) == 0x74726976);
    rig.release.set_value();
    quiesced.get();
    rig.device.quiesce();

    CHECK((rig.driver.get(Register::status) & status::driver_ok) != 0);
    const auto used = rig.queue.used_index();
    kit::ChainBuilder(rig.queue).readable("late").add();
    rig.driver.kick(0);
    rig.settle();
    CHECK(rig.queue.used_index() == used);
    // Even a new driver gets answers, and nothing else.
    rig.driver.reset();
    CHECK(rig.driver.get(Register::status) == 0);
    rig.queue.reset();
    rig.bring_up(rig.queue);
    kit::ChainBuilder(rig.queue).readable("later").add();
    rig.driver.kick(0);
    rig.settle();
    CHECK(rig.queue.used_index() == 0);
}

TEST_CASE("an exception in a device costs that device a reset and nothing else") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    rig.device.in_request([] { throw std::runtime_error("on purpose"); });
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    CHECK(kit::eventually([&] { return rig.needs_reset(); }));
    rig.device.in_request({});
    queue.reset();
    rig.bring_up(queue);
    kit::ChainBuilder(queue).readable("y").add();
    rig.driver.kick(0);
    CHECK(kit::eventually([&] { return rig.device.requests() == std::vector<std::string>{"y"}; }));
}

TEST_CASE("a device at which its process ends by a fault again and again is left alone until it is reset") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    rig.device.in_request([] { kit::end_of([] { ::abort(); }); });
    std::optional<kit::Successor<TestDevice>> next;
    for (unsigned i = 1; i <= FaultCount::most; ++i) {
        kit::ChainBuilder(queue).readable("poison").add();
        rig.driver.kick(0);
        REQUIRE(kit::eventually([&] { return queue.used_index() == i; }));
        CHECK(rig.device.record().faults.in_a_row == i);
    }
    next.emplace(rig);
    CHECK((next->driver.get(Register::status) & status::needs_reset) != 0);
    CHECK(next->device.reset_reason().contains("three times in a row"));
    kit::ChainBuilder(queue).readable("more").add();
    next->driver.kick(0);
    rig.settle();
    CHECK(next->device.requests().empty());

    next->driver.reset();
    REQUIRE(kit::eventually([&] { return next->driver.get(Register::status) == 0; }));
    queue.reset();
    REQUIRE(next->driver.negotiate(kit::split_features));
    REQUIRE(next->driver.set_up_queue(0, queue));
    next->driver.start();
    kit::ChainBuilder(queue).readable("y").add();
    next->driver.kick(0);
    CHECK(kit::eventually([&] { return next->device.requests() == std::vector<std::string>{"y"}; }));
    CHECK(next->device.record().faults.in_a_row == 0);
}

TEST_CASE("after a reset the device is as new") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    for (int i = 0; i < 3; ++i) {
        queue.reset();
        rig.bring_up(queue);
        kit::ChainBuilder(queue).readable("x").add();
        rig.driver.kick(0);
        REQUIRE(kit::eventually([&] { return queue.used_index() == 1; }));
        rig.driver.reset();
        CHECK(rig.driver.get(Register::status) == 0);
        CHECK(rig.driver.get(Register::interrupt_status) == 0);
        rig.driver.set(Register::queue_sel, 0);
        CHECK(rig.driver.get(Register::queue_ready) == 0);
    }
}
