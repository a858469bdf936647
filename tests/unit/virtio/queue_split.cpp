// SPDX-License-Identifier: Apache-2.0
#include "queue_rig.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace hvisor;
using namespace hvisor::virtio;

TEST_CASE("split: without EVENT_IDX the flags tell who wants to hear") {
    QueueRig rig(plain);
    rig.queue.disable_notifications();
    CHECK(rig.split().used_flags() == 1);
    CHECK_FALSE(rig.queue.enable_notifications());
    CHECK(rig.split().used_flags() == 0);
    CHECK_FALSE(rig.queue.driver_is_behind());
    rig.add();
    rig.serve();
    // used_event means nothing then, whatever it says.
    rig.split().set_used_event(0x8000);
    CHECK(rig.queue.take_interrupt_request());
    CHECK_FALSE(rig.queue.driver_is_behind());
}

TEST_CASE("split: with EVENT_IDX the flags stay 0 and mean nothing") {
    // virtio 1.2, 2.7.10.2 and 2.7.7.2.
    QueueRig rig(event_idx);
    rig.queue.disable_notifications();
    CHECK(rig.split().used_flags() == 0);
    rig.split().set_avail_flags(1);
    rig.add();
    rig.serve();
    CHECK(rig.queue.take_interrupt_request());
}

TEST_CASE("split: the interrupt decision is vring_need_event() for every distance") {
    // virtio 1.2, 2.7.7.2, for batches of 1 … 8 in a queue of 8, and every
    // used_event near them and far away.
    QueueRig rig(event_idx, 8);
    unsigned asked = 0;
    for (unsigned i = 0; i < 20000; ++i) {
        const auto batch = 1 + i % 8;
        const auto before = rig.state.indices.next_used();
        const auto event = static_cast<std::uint16_t>(i % 3 == 0 ? i * 7919 : before + i / 8 % 24 - 8);
        rig.split().set_used_event(event);
        for (unsigned n = 0; n < batch; ++n) {
            rig.add();
            rig.pop().complete();
        }
        rig.publish();
        const auto now = rig.state.indices.next_used();
        const bool expected =
            static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
        REQUIRE(rig.queue.take_interrupt_request() == expected);
        asked += expected ? 1U : 0U;
        while (rig.driver->take_used()) {
        }
    }
    // Both answers were met, often.
    CHECK(asked > 1000);
    CHECK(asked < 19000);
}

TEST_CASE("split: an indirect table may follow plain descriptors") {
    // virtio 1.2, 2.7.5.3.2: the device takes it; a packed ring knows no such thing.
    QueueRig rig;
    const kit::Descriptor entry{.address = rig.ram.address(), .length = 7, .flags = 0, .next = 0};
    const auto table = rig.driver->store_table(std::span(&entry, 1));
    rig.chain().readable("0").at(table, 16, kit::desc_indirect).add();
    CHECK(rig.pop().reader().remaining() == 8);
}
