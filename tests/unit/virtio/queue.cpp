// SPDX-License-Identifier: Apache-2.0
#include "virtio/queue.hpp"

#include "queue_rig.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;

// What holds for a queue whichever its ring: each test runs with a split and
// with a packed one.

namespace {

const auto any_ring = [] { return GENERATE(kit::split_features, kit::packed_features); };

} // namespace

TEST_CASE("an empty queue gives nothing") {
    QueueRig rig(any_ring());
    CHECK(rig.is_empty());
    CHECK_FALSE(rig.queue.has_available());
}

TEST_CASE("a chain comes with its buffers and goes back with its length") {
    QueueRig rig(any_ring());
    auto builder = rig.chain();
    builder.readable("head").readable("er").writable(6).writable(1);
    const auto head = builder.add();
    {
        auto chain = rig.pop();
        CHECK(chain.id() == head);
        auto reader = chain.reader();
        CHECK(reader.remaining() == 6);
        CHECK(chain.writer().remaining() == 7);
        std::array<char, 6> text{};
        reader.read(std::as_writable_bytes(std::span(text)));
        CHECK(std::string_view(text.data(), text.size()) == "header");
        auto writer = chain.writer();
        chain.set_written(writer.write(kit::to_bytes("reply")));
        CHECK(rig.queue.in_flight() == 1);
    }
    CHECK(rig.queue.in_flight() == 0);
    // Batched: the driver sees nothing before that.
    CHECK_FALSE(rig.driver->has_used());
    CHECK(rig.queue.publish(Queue::Clock::now()));
    CHECK_FALSE(rig.queue.publish(Queue::Clock::now()));
    const auto used = rig.driver->take_used();
    REQUIRE(used);
    CHECK(used->head == head);
    CHECK(used->length == 5);
    CHECK(kit::to_text(builder.written(0)).starts_with("reply"));
    CHECK(rig.driver->free_descriptors() == 16);
}

TEST_CASE("a batch is seen as a whole, in the order it came back") {
    QueueRig rig(any_ring());
    std::vector<std::uint16_t> heads;
    for (std::size_t length = 1; length <= 4; ++length) {
        heads.push_back(rig.add(length));
    }
    std::vector<Chain> chains;
    for (int i = 0; i < 4; ++i) {
        chains.push_back(rig.pop());
    }
    std::ranges::reverse(heads);
    while (!chains.empty()) {
        CHECK_FALSE(rig.driver->has_used());
        chains.pop_back();
    }
    rig.publish();
    std::vector<std::uint16_t> seen;
    while (const auto used = rig.driver->take_used()) {
        seen.push_back(used->head);
    }
    CHECK(seen == heads);
    CHECK(rig.driver->free_descriptors() == 16);
}

TEST_CASE("D10: a chain goes back exactly once, wherever it moves") {
    QueueRig rig(any_ring());
    rig.add();
    {
        auto first = rig.pop();
        auto second = std::move(first);
        second.complete();
        second.complete();
    }
    rig.publish();
    CHECK(rig.driver->take_used());
    CHECK_FALSE(rig.driver->has_used());
}

TEST_CASE("a chain that is assigned over goes back") {
    QueueRig rig(any_ring());
    const auto first = rig.add();
    const auto second = rig.add();
    {
        auto chain = rig.pop();
        chain = rig.pop();
        rig.publish();
        const auto used = rig.driver->take_used();
        REQUIRE(used);
        CHECK(used->head == first);
        CHECK(chain.id() == second);
    }
    rig.publish();
    CHECK(rig.driver->take_used());
}

TEST_CASE("a chain that is put back is popped again") {
    QueueRig rig(any_ring());
    const auto length = GENERATE(std::size_t{1}, std::size_t{3});
    const auto head = rig.add(length);
    rig.pop().put_back();
    CHECK_FALSE(rig.queue.has_unpublished());
    CHECK_FALSE(rig.driver->has_used());
    CHECK(rig.queue.has_available());
    CHECK(rig.queue.in_flight() == 0);
    CHECK(rig.pop().id() == head);
    rig.publish();
    CHECK(rig.driver->take_used());
}

TEST_CASE("a chain is put back across the end of the ring too") {
    // Chains of 3 in a ring of 8: every start is met, and every wrap.
    QueueRig rig(any_ring(), 8);
    for (int i = 0; i < 100; ++i) {
        const auto first = rig.add(3);
        const auto second = rig.add(3);
        auto kept = rig.pop();
        CHECK(kept.id() == first);
        rig.pop().put_back();
        rig.pop().put_back();
        auto again = rig.pop();
        CHECK(again.id() == second);
        kept.complete();
        again.complete();
        rig.publish();
        REQUIRE(rig.driver->take_used());
        REQUIRE(rig.driver->take_used());
        REQUIRE(rig.is_empty());
    }
}

TEST_CASE("indices wrap around") {
    QueueRig rig(any_ring(), 4);
    for (unsigned i = 0; i < 70000; ++i) {
        rig.add();
        rig.pop().set_written(i % 5);
        rig.publish();
        const auto used = rig.driver->take_used();
        REQUIRE(used);
        REQUIRE(used->length == i % 5);
    }
    CHECK_FALSE(rig.queue.has_available());
}

TEST_CASE("chains of several descriptors wrap around at every place, also when they end out of order") {
    QueueRig rig(any_ring(), 16);
    std::vector<Chain> out;
    std::size_t added = 0;
    std::size_t back = 0;
    for (std::size_t i = 0; i < 5000; ++i) {
        const auto length = 1 + i * 7 % 5;
        while (rig.driver->free_descriptors() < length) {
            // The oldest or the newest, in turn.
            out.erase(i % 2 == 0 ? out.begin() : out.end() - 1);
            rig.publish();
            const auto used = rig.driver->take_used();
            REQUIRE(used);
            ++back;
        }
        const auto head = rig.add(length);
        ++added;
        out.push_back(rig.pop());
        REQUIRE(out.back().id() == head);
        REQUIRE(out.back().writer().remaining() == 4 * length);
    }
    out.clear();
    rig.publish();
    while (rig.driver->take_used()) {
        ++back;
    }
    CHECK(back == added);
    CHECK(rig.driver->free_descriptors() == 16);
}

TEST_CASE("a queue that is full of one chain") {
    QueueRig rig(any_ring(), 8);
    for (int i = 0; i < 5; ++i) {
        rig.add(8);
        CHECK(rig.driver->free_descriptors() == 0);
        rig.serve();
        REQUIRE(rig.driver->take_used());
        CHECK(rig.is_empty());
    }
}

TEST_CASE("an indirect table is a chain") {
    QueueRig rig(any_ring());
    rig.chain().readable("abc").writable(100).indirect().add();
    auto chain = rig.pop();
    CHECK(chain.reader().remaining() == 3);
    CHECK(chain.writer().remaining() == 100);
}

TEST_CASE("an indirect table may be longer than the queue") {
    QueueRig rig(any_ring());
    auto builder = rig.chain();
    for (std::uint32_t i = 0; i < ChainCollector::max_indirect; ++i) {
        builder.readable("x");
    }
    builder.indirect().add();
    CHECK(rig.pop().reader().remaining() == ChainCollector::max_indirect);
}

TEST_CASE("buffers of no length are no buffers") {
    QueueRig rig(any_ring());
    rig.chain().at(0, 0, 0).readable("x").at(0, 0, kit::desc_write).writable(1).add();
    auto chain = rig.pop();
    CHECK(chain.reader().remaining() == 1);
    CHECK(chain.writer().remaining() == 1);
}

TEST_CASE("notifications that are off come back with a look at what was missed") {
    QueueRig rig(GENERATE(plain, plain | packed, kit::split_features, kit::packed_features));
    CHECK_FALSE(rig.queue.enable_notifications());
    rig.add();
    CHECK(rig.driver->needs_kick());
    rig.queue.disable_notifications();
    rig.add();
    CHECK_FALSE(rig.driver->needs_kick());
    // The re-check (virtio 1.2, 2.7.10.1 and 2.8.21.3).
    CHECK(rig.queue.enable_notifications());
    rig.serve();
    rig.serve();
    CHECK_FALSE(rig.queue.enable_notifications());
    rig.add(2);
    CHECK(rig.driver->needs_kick());
}

TEST_CASE("an interrupt is asked for once a batch, unless the driver wants none") {
    QueueRig rig(GENERATE(plain, plain | packed, kit::split_features, kit::packed_features));
    CHECK_FALSE(rig.queue.take_interrupt_request());
    rig.add();
    rig.add();
    rig.pop().complete();
    rig.serve();
    CHECK(rig.queue.take_interrupt_request());
    CHECK_FALSE(rig.queue.take_interrupt_request());
    REQUIRE(rig.driver->take_used());
    REQUIRE(rig.driver->take_used());

    rig.driver->want_interrupts(false);
    rig.add();
    rig.serve();
    CHECK_FALSE(rig.queue.take_interrupt_request());
    CHECK_FALSE(rig.queue.driver_is_behind());
}

TEST_CASE("a driver that waits at an entry that was used is behind, until it looks") {
    QueueRig rig(any_ring());
    rig.driver->want_interrupt_at(0);
    CHECK_FALSE(rig.queue.driver_is_behind());
    rig.add();
    rig.serve();
    CHECK(rig.queue.driver_is_behind());
    REQUIRE(rig.driver->take_used());
    CHECK_FALSE(rig.queue.driver_is_behind());
    // It waits for one that comes later.
    rig.driver->want_interrupt_at(2);
    rig.add();
    rig.serve();
    CHECK_FALSE(rig.queue.driver_is_behind());
}

TEST_CASE("a driver that wants to hear of the third only") {
    QueueRig rig(any_ring());
    for (int lap = 0; lap < 20; ++lap) {
        rig.driver->want_interrupt_at(2);
        for (int i = 0; i < 3; ++i) {
            rig.add();
            rig.serve();
            REQUIRE(rig.queue.take_interrupt_request() == (i == 2));
        }
        while (rig.driver->take_used()) {
        }
    }
}

TEST_CASE("a queue of one entry works") {
    QueueRig rig(GENERATE(plain, plain | packed), 1);
    for (int i = 0; i < 5; ++i) {
        rig.add();
        rig.serve();
        CHECK(rig.driver->take_used());
    }
}

TEST_CASE("what went back is counted, with the time it took") {
    QueueRig rig(any_ring());
    const auto begin = Queue::Clock::now();
    rig.queue.set_asked(begin);
    rig.add();
    rig.pop().complete();
    rig.queue.publish(begin + std::chrono::microseconds(5));
    CHECK(rig.state.metrics.requests.get() == 1);
    // 5 µs is below 8 and not below 4.
    CHECK(rig.state.metrics.latency[3].get() == 1);
}
