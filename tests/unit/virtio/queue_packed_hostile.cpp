// SPDX-License-Identifier: Apache-2.0
#include "hostile.hpp"
#include "queue_rig.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;
using kit::ChainBuilder;
using kit::PackedQueue;

namespace {

struct PackedHostile : Hostile<PackedQueue> {
    explicit PackedHostile(FeatureSet wanted = kit::packed_features) : Hostile<PackedQueue>(wanted) {}

    /// A descriptor of the first lap.
    void put(std::uint16_t entry, std::uint64_t address, std::uint32_t length, unsigned flags) {
        queue.set_descriptor(entry,
                             {.address = address,
                              .length = length,
                              .id = 0,
                              .flags = static_cast<std::uint16_t>(flags | PackedQueue::available(true))});
    }
};

} // namespace

TEST_CASE("packed: a descriptor whose wrap bits are not those of this lap is not available") {
    QueueRig rig(kit::packed_features);
    auto& driver = rig.packed_driver();
    for (const auto flags : {0U, 0U | kit::desc_used, 0U | kit::desc_used | kit::desc_avail}) {
        driver.set_descriptor(
            0,
            {.address = rig.ram.address(), .length = 1, .id = 0, .flags = static_cast<std::uint16_t>(flags)});
        CHECK_FALSE(rig.queue.has_available());
        CHECK(rig.is_empty());
    }
    driver.set_flags(0, kit::desc_avail);
    CHECK(rig.pop().writer().remaining() == 0);
}

TEST_CASE("packed: of the rest of a chain the wrap bits do not count") {
    // virtio 1.2, 2.8.8: the flags of the first descriptor make all available.
    PackedHostile rig;
    rig.queue.set_descriptor(
        1, {.address = rig.ram.address(), .length = 1, .id = 3, .flags = kit::desc_used | kit::desc_avail});
    rig.put(0, rig.ram.address(), 1, kit::desc_next);
    rig.driver.kick(0);
    CHECK(kit::eventually([&] { return rig.device.requests().size() == 1; }));
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("packed: a chain longer than the ring") {
    PackedHostile rig;
    // The first one last: the device may look at any moment, and it makes all available.
    for (std::uint16_t i = test_queue_size; i-- > 0;) {
        rig.put(i, rig.ram.address(), 1, kit::desc_next);
    }
    rig.expect_fault();
}

TEST_CASE("packed: NEXT at the end of the ring leads to its start") {
    QueueRig rig(kit::packed_features, 4);
    for (int i = 0; i < 3; ++i) {
        rig.add();
        rig.serve();
        REQUIRE(rig.driver->take_used());
    }
    rig.add(2);
    auto chain = rig.pop();
    CHECK(chain.writer().remaining() == 8);
    CHECK(rig.state.indices.next_avail() == 1);
}

TEST_CASE("packed: NEXT into entries that are in flight") {
    QueueRig rig(kit::packed_features, 4);
    rig.add(3);
    const auto kept = rig.pop();
    auto& driver = rig.packed_driver();
    // The last free entry goes on in the first of the chain that is out.
    driver.set_descriptor(3, {.address = rig.ram.address(),
                              .length = 1,
                              .id = 1,
                              .flags = static_cast<std::uint16_t>(kit::desc_next | kit::desc_avail)});
    driver.set_flags(0, kit::desc_used);
    CHECK(rig.fault() == QueueFault::in_flight);
}

TEST_CASE("packed: entries that are made available while they are in flight") {
    QueueRig rig(kit::packed_features, 4);
    rig.add(4);
    const auto kept = rig.pop();
    rig.packed_driver().set_descriptor(
        0, {.address = rig.ram.address(), .length = 1, .id = 1, .flags = PackedQueue::available(false)});
    CHECK(rig.fault() == QueueFault::in_flight);
}

TEST_CASE("packed: the same buffer id twice is the driver's own business") {
    QueueRig rig(plain | packed, 4);
    for (std::uint16_t i = 0; i < 2; ++i) {
        rig.packed_driver().set_descriptor(
            i, {.address = rig.ram.address(), .length = 1, .id = 0xffff, .flags = kit::desc_avail});
    }
    auto first = rig.pop();
    auto second = rig.pop();
    CHECK(first.id() == 0xffff);
    CHECK(second.id() == 0xffff);
    second.complete();
    first.complete();
    rig.publish();
    CHECK(rig.packed_driver().flags_of(0) == (kit::desc_avail | kit::desc_used));
    CHECK(rig.packed_driver().flags_of(1) == (kit::desc_avail | kit::desc_used));
}

TEST_CASE("packed: a buffer outside memory, or running past its end") {
    PackedHostile rig;
    const auto address = GENERATE(std::uint64_t{0}, std::uint64_t{0x3fffffff}, std::uint64_t{0x40ffffff},
                                  std::uint64_t{0x41000000}, UINT64_MAX);
    rig.put(0, address, 2, GENERATE(0U, 0U | kit::desc_write));
    rig.expect_fault();
}

TEST_CASE("packed: a chain of more than 4 GiB") {
    PackedHostile rig;
    for (std::uint16_t i = 1; i < 4; ++i) {
        rig.put(i, rig.ram.address(), i == 3 ? UINT32_MAX : 0x80000, i == 3 ? 0 : kit::desc_next);
    }
    rig.put(0, rig.ram.address(), 0x80000, kit::desc_next);
    rig.expect_fault();
}

TEST_CASE("packed: a device-readable buffer after a device-writable one") {
    PackedHostile rig;
    ChainBuilder(rig.queue).writable(4).readable("x").add();
    rig.expect_fault();
}

TEST_CASE("packed: an indirect descriptor that was not negotiated") {
    PackedHostile rig(plain | packed);
    ChainBuilder(rig.queue).readable("x").indirect().add();
    rig.expect_fault();
}

TEST_CASE("packed: an indirect descriptor in a chain") {
    // virtio 1.2, 2.8.19: INDIRECT and NEXT exclude each other.
    PackedHostile rig;
    auto builder = ChainBuilder(rig.queue);
    if (GENERATE(false, true)) {
        builder.readable("x").indirect().readable("y");
    } else {
        const kit::Descriptor entry{.address = rig.ram.address(), .length = 1, .flags = 0, .next = 0};
        const auto table = rig.queue.store_table(std::span(&entry, 1));
        builder.readable("x").at(table, 16, kit::desc_indirect);
    }
    builder.add();
    rig.expect_fault();
}

TEST_CASE("packed: an indirect table of no, broken or endless length, or nowhere") {
    PackedHostile rig;
    struct Table {
        std::uint64_t address;
        std::uint32_t length;
    };
    const auto table = GENERATE(Table{0x40000000, 0}, Table{0x40000000, 15}, Table{0x40000000, 17},
                                Table{0x40000000, 16 * 1025}, Table{0x40000000, 0xfffffff0},
                                Table{0x40fffff8, 16}, Table{0, 16});
    ChainBuilder(rig.queue).at(table.address, table.length, kit::desc_indirect).add();
    rig.expect_fault();
}

TEST_CASE("packed: in an indirect table only WRITE counts") {
    // virtio 1.2, 2.8.7: entries follow each other, other flags are not looked at.
    QueueRig rig(kit::packed_features);
    std::vector<kit::Descriptor> table(
        3, {.address = rig.ram.address(), .length = 5, .flags = 0xffff & ~kit::desc_write, .next = 0});
    table.push_back({.address = rig.ram.address(), .length = 7, .flags = 0xffff, .next = 0});
    rig.chain().at(rig.driver->store_table(table), 64, kit::desc_indirect).add();
    auto chain = rig.pop();
    CHECK(chain.reader().remaining() == 15);
    CHECK(chain.writer().remaining() == 7);
}

TEST_CASE("packed: any wish of the driver is harmless") {
    QueueRig rig(kit::packed_features, 5);
    for (std::uint32_t wish = 0; wish < 0x40000; wish += 61) {
        rig.ram.store<std::uint32_t>(rig.driver->driver_area(), wish << 13 | (wish & 0x1fff));
        rig.add();
        rig.serve();
        static_cast<void>(rig.queue.take_interrupt_request());
        static_cast<void>(rig.queue.driver_is_behind());
        REQUIRE(rig.driver->take_used());
    }
}

TEST_CASE("packed: a driver that makes the device use a whole lap at once") {
    // One batch that covers every entry is still one that has something in it.
    QueueRig rig(kit::packed_features, 4);
    for (int lap = 0; lap < 4; ++lap) {
        for (int i = 0; i < 4; ++i) {
            rig.add();
            rig.pop().complete();
        }
        rig.driver->want_interrupt_at(3);
        rig.publish();
        CHECK(rig.queue.take_interrupt_request());
        for (int i = 0; i < 4; ++i) {
            REQUIRE(rig.driver->take_used());
        }
    }
}
