// SPDX-License-Identifier: Apache-2.0
#include "queue_rig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

using namespace hvisor;
using namespace hvisor::virtio;

namespace {

/// Move both sides `entries` on, so that what follows meets the end of the ring.
void move_on(QueueRig& rig, std::size_t entries) {
    for (std::size_t i = 0; i < entries; ++i) {
        rig.add();
        rig.serve();
        REQUIRE(rig.driver->take_used());
    }
    static_cast<void>(rig.queue.take_interrupt_request());
}

} // namespace

TEST_CASE("packed: any size works, powers of two or not") {
    const auto size = GENERATE(range(std::uint16_t{1}, std::uint16_t{20}));
    QueueRig rig(kit::packed_features, size);
    for (std::size_t i = 0; i < 200; ++i) {
        const auto head = rig.add(1 + i % size);
        auto chain = rig.pop();
        REQUIRE(chain.id() == head);
        REQUIRE(chain.writer().remaining() == 4 * (1 + i % size));
        chain.complete();
        rig.publish();
        const auto used = rig.driver->take_used();
        REQUIRE(used);
        REQUIRE(used->head == head);
        REQUIRE(rig.driver->free_descriptors() == size);
    }
}

TEST_CASE("packed: sizes that are no power of two up to QueueNumMax are accepted, others not") {
    kit::Ram ram(0x40000000, 1 << 20);
    const auto memory = QueueRig::make_memory(ram);
    const auto create = [&](std::uint32_t size, bool is_packed) {
        return QueueLayout::create({.size = size,
                                    .descriptors = ram.address(),
                                    .driver = ram.address() + 0x8000,
                                    .device = ram.address() + 0x8004},
                                   256, is_packed, memory)
            .has_value();
    };
    for (const auto size : {1U, 3U, 100U, 255U, 256U}) {
        CHECK(create(size, true));
    }
    for (const auto size : {0U, 257U, 0x8000U, 0x10000U, 0x10001U, 0xffffffffU}) {
        CHECK_FALSE(create(size, true));
    }
    CHECK_FALSE(create(100, false));
}

TEST_CASE("packed: the areas are as long as their structures, and aligned to 4") {
    kit::Ram ram(0x40000000, 4096);
    const auto memory = QueueRig::make_memory(ram);
    const auto end = ram.address() + ram.size();
    const auto create = [&](std::uint64_t descriptors, std::uint64_t driver, std::uint64_t device) {
        return QueueLayout::create(
                   {.size = 4, .descriptors = descriptors, .driver = driver, .device = device}, 256, true,
                   memory)
            .has_value();
    };
    CHECK(create(end - 64, end - 4, end - 4));
    CHECK_FALSE(create(end - 48, end - 4, end - 4));
    CHECK_FALSE(create(end - 56, end - 8, end - 8));
    CHECK_FALSE(create(end - 64, end - 2, end - 4));
    CHECK_FALSE(create(end - 64, end - 4, end - 2));
    CHECK_FALSE(create(end - 64, end, end - 4));
}

TEST_CASE("packed: a used descriptor says WRITE when something was written") {
    // virtio 1.2, 2.8.7.
    QueueRig rig(plain | packed);
    rig.add();
    rig.pop().set_written(3);
    rig.publish();
    CHECK((rig.packed_driver().flags_of(0) & kit::desc_write) != 0);
    rig.chain().readable("x").add();
    rig.serve();
    CHECK((rig.packed_driver().flags_of(1) & kit::desc_write) == 0);
}

TEST_CASE("packed: only the descriptor that is used changes") {
    // virtio 1.2, 2.8.9: a chain is one used descriptor, the next one goes
    // behind all of its entries.
    QueueRig rig(plain | packed, 8);
    rig.add(3);
    const auto before = rig.ram.read(rig.driver->descriptors() + 16, 7 * 16);
    rig.serve();
    CHECK(rig.ram.read(rig.driver->descriptors() + 16, 7 * 16) == before);
    REQUIRE(rig.driver->take_used());
    CHECK(rig.packed_driver().next_used().entry == 3);
}

TEST_CASE("packed: without EVENT_IDX the flags say enable and disable, never a descriptor") {
    QueueRig rig(plain | packed);
    rig.queue.disable_notifications();
    CHECK(rig.packed_driver().device_event_flags() == kit::EventFlags::disable);
    CHECK_FALSE(rig.queue.enable_notifications());
    CHECK(rig.packed_driver().device_event_flags() == kit::EventFlags::enable);
    // A driver that names a descriptor all the same (virtio 1.2, 2.8.10: only
    // with EVENT_IDX) gets every interrupt rather than none.
    rig.packed_driver().set_driver_event(5, kit::EventFlags::descriptor);
    rig.add();
    rig.serve();
    CHECK(rig.queue.take_interrupt_request());
    CHECK_FALSE(rig.queue.driver_is_behind());
}

TEST_CASE("packed: a descriptor event works at every place of the ring, across its end too") {
    const auto size = GENERATE(std::uint16_t{7}, std::uint16_t{8});
    const auto start = GENERATE(range(0, 16));
    QueueRig rig(event_idx | packed, size);
    move_on(rig, static_cast<std::size_t>(start));
    for (std::uint16_t ahead = 0; ahead < size; ++ahead) {
        rig.driver->want_interrupt_at(ahead);
        for (std::uint16_t i = 0; i < size; ++i) {
            rig.add();
            rig.serve();
            REQUIRE(rig.queue.take_interrupt_request() == (i == ahead));
            // Behind from then on, as long as it does not look.
            REQUIRE(rig.queue.driver_is_behind() == (i >= ahead));
        }
        while (rig.driver->take_used()) {
        }
    }
}

TEST_CASE("packed: the interrupt decision is right for every batch, distance and place") {
    // The model: entries are numbered without end. A batch covers [before, now);
    // the driver named one, and is told when that lies in it.
    const auto size = GENERATE(std::uint16_t{5}, std::uint16_t{8});
    QueueRig rig(event_idx | packed, size);
    unsigned asked = 0;
    for (unsigned round = 0; round < 4000; ++round) {
        const auto ahead = static_cast<std::uint16_t>(round / size % size);
        const auto batch = 1 + round % size;
        rig.driver->want_interrupt_at(ahead);
        for (unsigned covered = 0; covered < batch;) {
            const auto length = std::min<unsigned>(1 + round / 3 % 3, batch - covered);
            rig.add(length);
            rig.pop().complete();
            covered += length;
        }
        rig.publish();
        const bool expected = ahead < batch;
        REQUIRE(rig.queue.take_interrupt_request() == expected);
        asked += expected ? 1U : 0U;
        while (rig.driver->take_used()) {
        }
    }
    CHECK(asked > 1000);
    CHECK(asked < 3500);
}

TEST_CASE("packed: the device asks for the next descriptor, across the end of the ring too") {
    QueueRig rig(event_idx | packed, 5);
    for (std::size_t i = 0; i < 60; ++i) {
        REQUIRE_FALSE(rig.queue.enable_notifications());
        const auto length = 1 + i % 3;
        rig.add(length);
        REQUIRE(rig.driver->needs_kick());
        rig.queue.disable_notifications();
        rig.add(1 + i % 2);
        REQUIRE_FALSE(rig.driver->needs_kick());
        REQUIRE(rig.queue.enable_notifications());
        rig.serve();
        rig.serve();
        REQUIRE(rig.driver->take_used());
        REQUIRE(rig.driver->take_used());
    }
}
