// SPDX-License-Identifier: Apache-2.0
#include "kept_request.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;
using enum Register;

namespace {

constexpr FeatureSet ring_reset{FeatureBit::version_1, FeatureBit::ring_reset};
constexpr FeatureSet packed_ring_reset = ring_reset | FeatureSet{FeatureBit::ring_packed};

std::optional<std::uint64_t> start_queue_reset(Fixture& rig, std::uint32_t queue) {
    rig.driver.set(queue_sel, queue);
    return rig.start_access(0x0c0, 4, true, 1);
}

void reset_queue(const Fixture& rig, std::uint32_t queue) {
    rig.driver.set(queue_sel, queue);
    rig.driver.set(queue_reset, 1);
    REQUIRE(rig.driver.get(queue_reset) == 0);
    REQUIRE(rig.driver.get(queue_ready) == 0);
}

bool works(Fixture& rig, kit::DriverQueue& queue, std::uint32_t index) {
    auto chain = kit::ChainBuilder(queue);
    chain.writable(4).add();
    rig.driver.kick(index);
    return kit::eventually([&] { return queue.take_used().has_value(); }) &&
           kit::to_text(chain.written(0)) == "pong";
}

} // namespace

TEST_CASE("RING_RESET: a queue is set up anew with another size, and works") {
    Fixture rig;
    const auto features = GENERATE(ring_reset, packed_ring_reset);
    const auto first = kit::make_queue(features, rig.ram, 16);
    rig.bring_up(*first, features);
    REQUIRE(works(rig, *first, 0));
    for (const auto size : {std::uint16_t{4}, std::uint16_t{1}, std::uint16_t{16}}) {
        reset_queue(rig, 0);
        CHECK(rig.transport.queue_size(0) == test_queue_size);
        const auto next = kit::make_queue(features, rig.ram, size);
        REQUIRE(rig.driver.set_up_queue(0, *next));
        for (int i = 0; i < 2 * size + 1; ++i) {
            REQUIRE(works(rig, *next, 0));
        }
        CHECK(rig.transport.queue_size(0) == size);
        CHECK_FALSE(first->has_used());
    }
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("RING_RESET: what is available when a queue starts again is taken without a kick") {
    Fixture rig;
    const kit::SplitQueue first(rig.ram, 16);
    rig.bring_up(first, ring_reset);
    reset_queue(rig, 0);
    kit::SplitQueue next(rig.ram, 16);
    kit::ChainBuilder(next).readable("early").add();
    REQUIRE(rig.driver.set_up_queue(0, next));
    CHECK(kit::eventually([&] { return next.has_used(); }));
}

TEST_CASE("RING_RESET: between the reset and QueueReady the queue rests") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue, ring_reset);
    reset_queue(rig, 0);
    kit::ChainBuilder(queue).readable("late").add();
    rig.driver.kick(0);
    rig.settle();
    CHECK_FALSE(queue.has_used());
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("RING_RESET: a bad layout is refused the second time as well") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue, ring_reset);
    reset_queue(rig, 0);
    rig.driver.write_queue(0, 3, queue.descriptors(), queue.avail(), queue.used());
    rig.driver.set(queue_ready, 1);
    CHECK(rig.driver.get(queue_ready) == 0);
    CHECK(rig.needs_reset());
}

TEST_CASE("RING_RESET: when it is not negotiated QueueReset is ignored") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue);
    rig.driver.set(queue_sel, 0);
    rig.driver.set(queue_reset, 1);
    CHECK(rig.driver.get(queue_reset) == 0);
    CHECK(rig.driver.get(queue_ready) == 1);
    CHECK(works(rig, queue, 0));
}

TEST_CASE("RING_RESET: other values than 1 are ignored") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue, ring_reset);
    rig.driver.set(queue_sel, 0);
    rig.driver.set(queue_reset, GENERATE(0U, 2U, 0xffffffffU));
    CHECK(rig.driver.get(queue_ready) == 1);
    CHECK(works(rig, queue, 0));
}

TEST_CASE("RING_RESET: the other queue keeps what it has, and works") {
    KeptRequest rig(ring_reset);
    // Queue 1 is reset while queue 0 has a request in flight.
    reset_queue(rig, 1);
    rig.other->reset();
    REQUIRE(rig.driver.set_up_queue(1, *rig.other));
    CHECK(rig.other_works());
    CHECK_FALSE(rig.queue->has_used());
    rig.finish();
    CHECK(kit::eventually([&] { return rig.queue->take_used().has_value(); }));
}

TEST_CASE("RING_RESET: while one queue is being reset the other is served and acknowledged") {
    // Another CPU of the guest runs it: its notification may not get lost.
    KeptRequest rig(ring_reset);
    CHECK_FALSE(start_queue_reset(rig, 0).has_value());
    CHECK(rig.other_works());
    REQUIRE(rig.port.wait_for_injections(1));
    CHECK(rig.driver.acknowledge() == interrupt_used_buffer);
    CHECK(rig.driver.get(interrupt_status) == 0);
    CHECK(rig.driver.get(queue_reset) == 1);
    rig.finish();
    CHECK(rig.port.wait_for_answers(1));
    CHECK(rig.other_works());
}

TEST_CASE("RING_RESET: a request that ends during the reset is not shown to the driver") {
    // virtio 1.2, 2.6.1: the device does not touch the queue any more once
    // the driver may set it up anew.
    KeptRequest rig(ring_reset);
    CHECK_FALSE(start_queue_reset(rig, 0).has_value());
    rig.finish();
    REQUIRE(rig.port.wait_for_answers(1));
    const auto ring = rig.ram.read(rig.queue->device_area(), 64);
    rig.settle();
    CHECK(rig.ram.read(rig.queue->device_area(), 64) == ring);
}

TEST_CASE("RING_RESET: a queue of a device that needs a reset can be reset, and rests") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue, ring_reset);
    queue.publish(0xffff);
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return rig.needs_reset(); }));
    reset_queue(rig, 0);
    CHECK(rig.needs_reset());
}

TEST_CASE("RING_RESET: a device reset follows a queue reset") {
    KeptRequest rig(ring_reset);
    CHECK_FALSE(start_queue_reset(rig, 0).has_value());
    rig.finish();
    REQUIRE(rig.port.wait_for_answers(1));
    rig.driver.reset();
    CHECK(rig.driver.get(Register::status) == 0);
    rig.queue->reset();
    rig.other->reset();
    rig.bring_up({rig.queue.get(), rig.other.get()}, ring_reset);
    CHECK(works(rig, *rig.queue, 0));
    CHECK(rig.other_works());
}

TEST_CASE("a device that keeps a request answers a reset when it ends, whatever ring") {
    KeptRequest rig(GENERATE(kit::split_features, kit::packed_features));
    CHECK_FALSE(rig.start_access(0x070, 4, true, 0).has_value());
    rig.settle();
    CHECK(rig.port.answers().empty());
    CHECK(rig.driver.get(Register::status) != 0);
    rig.finish();
    REQUIRE(rig.port.wait_for_answers(1));
    CHECK(rig.driver.get(Register::status) == 0);
}
