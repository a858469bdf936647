// SPDX-License-Identifier: Apache-2.0
#include "hostile.hpp"
#include "queue_rig.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;
using kit::ChainBuilder;
using kit::Descriptor;

namespace {

struct SplitHostile : Hostile<kit::SplitQueue> {
    explicit SplitHostile(FeatureSet wanted = kit::split_features) : Hostile<kit::SplitQueue>(wanted) {}
};

} // namespace

TEST_CASE("D5: an avail index ahead by more than the queue") {
    SplitHostile rig;
    rig.queue.set_avail_index(test_queue_size + 1);
    rig.expect_fault();
}

TEST_CASE("D5: a head outside the table") {
    SplitHostile rig;
    rig.queue.publish(GENERATE(test_queue_size, std::uint16_t{0xffff}));
    rig.expect_fault();
}

TEST_CASE("D5: a next outside the table") {
    SplitHostile rig;
    rig.queue.set_descriptor(
        0, {.address = rig.ram.address(), .length = 1, .flags = kit::desc_next, .next = 99});
    rig.queue.publish(0);
    rig.expect_fault();
}

TEST_CASE("a loop of descriptors") {
    SplitHostile rig;
    rig.queue.set_descriptor(0,
                             {.address = rig.ram.address(), .length = 1, .flags = kit::desc_next, .next = 1});
    rig.queue.set_descriptor(1,
                             {.address = rig.ram.address(), .length = 1, .flags = kit::desc_next, .next = 0});
    rig.queue.publish(0);
    rig.expect_fault();
}

TEST_CASE("D4: a buffer outside memory, or running past its end") {
    SplitHostile rig;
    const auto address = GENERATE(std::uint64_t{0}, std::uint64_t{0x3fffffff}, std::uint64_t{0x40ffffff},
                                  std::uint64_t{0x41000000}, UINT64_MAX);
    const auto flags = GENERATE(std::uint16_t{0}, kit::desc_write);
    rig.queue.set_descriptor(0, {.address = address, .length = 2, .flags = flags, .next = 0});
    rig.queue.publish(0);
    rig.expect_fault();
}

TEST_CASE("a length that wraps the address around") {
    SplitHostile rig;
    rig.queue.set_descriptor(
        0, {.address = UINT64_MAX - 1, .length = UINT32_MAX, .flags = kit::desc_write, .next = 0});
    rig.queue.publish(0);
    rig.expect_fault();
}

TEST_CASE("a chain of more than 4 GiB") {
    SplitHostile rig;
    for (std::uint16_t i = 0; i < 3; ++i) {
        rig.queue.set_descriptor(i, {.address = rig.ram.address(),
                                     .length = 0x80000,
                                     .flags = kit::desc_next,
                                     .next = static_cast<std::uint16_t>(i + 1)});
    }
    rig.queue.set_descriptor(3, {.address = rig.ram.address(), .length = UINT32_MAX, .flags = 0, .next = 0});
    rig.queue.publish(0);
    rig.expect_fault();
}

TEST_CASE("a device-readable buffer after a device-writable one") {
    SplitHostile rig;
    ChainBuilder(rig.queue).writable(4).readable("x").add();
    rig.expect_fault();
}

TEST_CASE("D5: an indirect descriptor that was not negotiated") {
    SplitHostile rig(FeatureSet{FeatureBit::version_1});
    ChainBuilder(rig.queue).readable("x").indirect().add();
    rig.expect_fault();
}

TEST_CASE("D5: an indirect table inside an indirect table") {
    SplitHostile rig;
    ChainBuilder(rig.queue).readable("x").indirect().indirect().add();
    rig.expect_fault();
}

TEST_CASE("an indirect descriptor that has a next") {
    SplitHostile rig;
    ChainBuilder(rig.queue).readable("x").indirect().readable("y").add();
    rig.expect_fault();
}

TEST_CASE("an indirect table of no, broken or endless length, or nowhere") {
    SplitHostile rig;
    const auto table = GENERATE(Descriptor{.address = 0x40000000, .length = 0, .flags = 0, .next = 0},
                                Descriptor{.address = 0x40000000, .length = 17, .flags = 0, .next = 0},
                                Descriptor{.address = 0x40000000, .length = 16 * 1025, .flags = 0, .next = 0},
                                Descriptor{.address = 0x40fffff8, .length = 16, .flags = 0, .next = 0},
                                Descriptor{.address = 0, .length = 16, .flags = 0, .next = 0});
    ChainBuilder(rig.queue).at(table.address, table.length, kit::desc_indirect).add();
    rig.expect_fault();
}

TEST_CASE("an indirect table that loops, or leads outside itself") {
    SplitHostile rig;
    const auto next = GENERATE(std::uint16_t{0}, std::uint16_t{1});
    const Descriptor entry{.address = rig.ram.address(), .length = 1, .flags = kit::desc_next, .next = next};
    const auto table = rig.ram.store_bytes(std::as_bytes(std::span(&entry, 1)));
    ChainBuilder(rig.queue).at(table, 16, kit::desc_indirect).add();
    rig.expect_fault();
}

TEST_CASE("the other queue of a device that needs a reset rests too") {
    SplitHostile rig;
    kit::SplitQueue other(rig.ram, test_queue_size);
    rig.queue.reset();
    REQUIRE(rig.driver.negotiate(rig.features));
    REQUIRE(rig.driver.set_up_queue(0, rig.queue));
    REQUIRE(rig.driver.set_up_queue(1, other));
    rig.driver.start();
    rig.queue.publish(0xffff);
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return rig.needs_reset(); }));
    ChainBuilder(other).readable("x").add();
    rig.driver.kick(1);
    rig.settle();
    CHECK(rig.device.requests().empty());
}

TEST_CASE("a head that is made available while the device still has it") {
    QueueRig rig;
    const auto head = rig.add(2);
    auto chain = rig.pop();
    rig.split().publish(head);
    CHECK(rig.fault() == QueueFault::in_flight);
    chain.complete();
}

TEST_CASE("a descriptor that two chains share is read twice and harms nobody") {
    // Only heads are tracked: a shared tail is the driver's own loss.
    QueueRig rig;
    rig.add(3);
    rig.split().publish(1);
    auto first = rig.pop();
    auto second = rig.pop();
    CHECK(first.writer().remaining() == 12);
    CHECK(second.writer().remaining() == 8);
}
