// SPDX-License-Identifier: Apache-2.0
#include "virtio/queue.hpp"

#include "kit/ram.hpp"
#include "kit/split_queue.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;
using kit::ChainBuilder;
using kit::SplitQueue;

namespace {

/// Both sides of one queue in one thread.
struct Rig {
    explicit Rig(FeatureSet features = kit::split_features, std::uint16_t size = 16)
        : driver(ram, size, features.has(FeatureBit::ring_event_idx)),
          queue(*QueueLayout::create({.size = size,
                                      .descriptors = driver.descriptors(),
                                      .driver = driver.avail(),
                                      .device = driver.used()},
                                     size, false, memory),
                memory, features, state) {}

    static guest::GuestMemory make_memory(const kit::Ram& ram) {
        std::vector<guest::Region> regions;
        regions.push_back(ram.region());
        return std::move(*guest::GuestMemory::create(std::move(regions)));
    }

    Chain pop() {
        auto chain = queue.pop();
        REQUIRE(chain);
        REQUIRE(*chain);
        return std::move(**chain);
    }

    /// Take a chain, give it back, and show the driver.
    void serve() {
        pop().complete();
        publish();
    }
    void publish() { queue.publish(Queue::Clock::now()); }

    kit::Ram ram{0x40000000, std::size_t{8} << 20};
    guest::GuestMemory memory = make_memory(ram);
    SplitQueue driver;
    QueueState state;
    Queue queue;
};

constexpr FeatureSet plain{FeatureBit::version_1};
constexpr FeatureSet event_idx{FeatureBit::version_1, FeatureBit::ring_event_idx};

} // namespace

TEST_CASE("an empty queue gives nothing") {
    Rig rig;
    const auto chain = rig.queue.pop();
    REQUIRE(chain);
    CHECK_FALSE(*chain);
}

TEST_CASE("a chain comes with its buffers and goes back with its length") {
    Rig rig;
    auto builder = ChainBuilder(rig.driver).readable("head").readable("er").writable(6).writable(1);
    const auto head = builder.add();
    {
        auto chain = rig.pop();
        CHECK(chain.id() == head);
        auto reader = chain.reader();
        CHECK(reader.remaining() == 6);
        CHECK(chain.writer().remaining() == 7);
        auto writer = chain.writer();
        chain.set_written(writer.write(kit::to_bytes("reply")));
        CHECK(rig.queue.in_flight() == 1);
    }
    CHECK(rig.queue.in_flight() == 0);
    // Batched: the driver sees nothing before that.
    CHECK(rig.driver.used_index() == 0);
    CHECK(rig.queue.publish(Queue::Clock::now()));
    CHECK_FALSE(rig.queue.publish(Queue::Clock::now()));
    const auto used = rig.driver.take_used();
    REQUIRE(used);
    CHECK(used->head == head);
    CHECK(used->length == 5);
    CHECK(kit::to_text(builder.written(0)).starts_with("reply"));
    CHECK(rig.driver.free_descriptors() == 16);
}

TEST_CASE("a chain goes back exactly once, wherever it moves") {
    Rig rig;
    ChainBuilder(rig.driver).writable(4).add();
    {
        auto first = rig.pop();
        auto second = std::move(first);
        second.complete();
        second.complete();
    }
    rig.publish();
    CHECK(rig.driver.used_index() == 1);
}

TEST_CASE("a chain that is put back is popped again") {
    Rig rig;
    const auto head = ChainBuilder(rig.driver).readable("x").add();
    rig.pop().put_back();
    CHECK_FALSE(rig.queue.has_unpublished());
    CHECK(rig.driver.used_index() == 0);
    CHECK(rig.queue.has_available());
    CHECK(rig.pop().id() == head);
    rig.publish();
    CHECK(rig.driver.used_index() == 1);
}

TEST_CASE("indices wrap around") {
    Rig rig(plain, 4);
    for (unsigned i = 0; i < 70000; ++i) {
        const std::vector<kit::Descriptor> chain{
            {.address = rig.ram.address(), .length = 4, .flags = kit::desc_write, .next = 0}};
        rig.driver.add(chain);
        rig.pop().set_written(i % 5);
        rig.publish();
        const auto used = rig.driver.take_used();
        REQUIRE(used);
        REQUIRE(used->length == i % 5);
    }
    CHECK_FALSE(rig.queue.has_available());
}

TEST_CASE("an indirect table is a chain") {
    Rig rig;
    ChainBuilder(rig.driver).readable("abc").writable(100).indirect().add();
    auto chain = rig.pop();
    CHECK(chain.reader().remaining() == 3);
    CHECK(chain.writer().remaining() == 100);
}

TEST_CASE("an indirect table may be longer than the queue, and follow plain descriptors") {
    Rig rig;
    auto builder = ChainBuilder(rig.driver);
    builder.readable("0");
    for (int i = 0; i < 40; ++i) {
        builder.readable("x");
    }
    builder.indirect();
    builder.add();
    CHECK(rig.pop().reader().remaining() == 41);
}

TEST_CASE("buffers of no length are no buffers") {
    Rig rig;
    ChainBuilder(rig.driver).at(0, 0, 0).readable("x").at(0, 0, kit::desc_write).writable(1).add();
    auto chain = rig.pop();
    CHECK(chain.reader().remaining() == 1);
    CHECK(chain.writer().remaining() == 1);
}

TEST_CASE("without EVENT_IDX the flags tell who wants to hear") {
    Rig rig(plain);
    rig.queue.disable_notifications();
    ChainBuilder(rig.driver).readable("x").add();
    CHECK_FALSE(rig.driver.needs_kick());
    // The re-check finds what came while notifications were off (virtio 1.2, 2.7.10.1).
    CHECK(rig.queue.enable_notifications());
    rig.serve();
    CHECK_FALSE(rig.queue.enable_notifications());
    ChainBuilder(rig.driver).readable("x").add();
    CHECK(rig.driver.needs_kick());

    CHECK(rig.queue.take_interrupt_request());
    CHECK_FALSE(rig.queue.take_interrupt_request());
    rig.driver.set_avail_flags(1);
    rig.serve();
    CHECK_FALSE(rig.queue.take_interrupt_request());
    CHECK_FALSE(rig.queue.driver_is_behind());
}

TEST_CASE("with EVENT_IDX the indices tell who wants to hear") {
    Rig rig(event_idx);
    CHECK_FALSE(rig.queue.enable_notifications());
    ChainBuilder(rig.driver).readable("x").add();
    CHECK(rig.driver.needs_kick());
    rig.queue.disable_notifications();
    CHECK(rig.driver.used_flags() == 0);
    ChainBuilder(rig.driver).readable("x").add();
    CHECK_FALSE(rig.driver.needs_kick());

    rig.serve();
    rig.serve();
    CHECK(rig.queue.take_interrupt_request());
    CHECK(rig.queue.driver_is_behind());
    CHECK(rig.driver.take_used());
    CHECK(rig.driver.take_used());
    CHECK_FALSE(rig.queue.driver_is_behind());

    // A driver that wants to hear of the third only.
    rig.driver.set_used_event(4);
    for (int i = 0; i < 3; ++i) {
        ChainBuilder(rig.driver).readable("x").add();
        rig.serve();
        CHECK(rig.queue.take_interrupt_request() == (i == 2));
    }
}

TEST_CASE("the interrupt decision is vring_need_event() for every distance") {
    // virtio 1.2, 2.7.7.2, with one entry published at a time.
    Rig rig(event_idx, 8);
    for (unsigned i = 0; i < 200; ++i) {
        const auto event = static_cast<std::uint16_t>(i * 7919);
        const auto before = rig.state.indices.next_used.get();
        rig.driver.set_used_event(event);
        const std::vector<kit::Descriptor> chain{
            {.address = rig.ram.address(), .length = 4, .flags = 0, .next = 0}};
        rig.driver.add(chain);
        rig.serve();
        const auto now = rig.state.indices.next_used.get();
        const bool expected =
            static_cast<std::uint16_t>(now - event - 1) < static_cast<std::uint16_t>(now - before);
        CHECK(rig.queue.take_interrupt_request() == expected);
        REQUIRE(rig.driver.take_used());
    }
}

TEST_CASE("a queue of one entry works") {
    Rig rig(plain, 1);
    for (int i = 0; i < 5; ++i) {
        ChainBuilder(rig.driver).readable("x").add();
        rig.serve();
        CHECK(rig.driver.take_used());
    }
}
