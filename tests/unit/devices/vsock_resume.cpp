// SPDX-License-Identifier: Apache-2.0
// Another process goes on with a socket device.
#include "kit/successor.hpp"
#include "vsock_rig.hpp"

#include <catch2/catch_test_macros.hpp>

namespace vsock_resume_test {

using namespace hvisor;
using namespace hvisor::devices::vsock;
using kit::ChainBuilder;
using kit::eventually;
using kit::FakeVhost;

namespace {

VsockRig& killed(VsockRig& rig) {
    rig.kernel->end();
    return rig;
}

/// The process after a rig's, with a kernel that knows nothing of what was before.
struct Next {
    explicit Next(VsockRig& rig)
        : process(killed(rig), *VhostVsock::create(FakeVhost::open(kernel), cid, *rig.memory), cid,
                  *Reactor::start({.name = "setup", .cpus = {}, .on_crash = {}})) {}

    [[nodiscard]] bool runs() const {
        return eventually([this] { return kernel->is_running(); });
    }

    std::shared_ptr<FakeVhost> kernel = std::make_shared<FakeVhost>();
    kit::Successor<VsockDevice> process;
    kit::MmioDriver& driver = process.driver;
};

/// A buffer of the event queue.
struct EventBuffer {
    explicit EventBuffer(VsockRig& rig, std::uint32_t size = sizeof(Event))
        : queue(*rig.queues[event_queue]), chain(queue), head(chain.writable(size).add()) {}

    /// The driver is told that no connection is left.
    [[nodiscard]] bool tells() {
        std::optional<kit::DriverQueue::Used> used;
        return eventually([&] { return (used = queue.take_used()).has_value(); }) && used->head == head &&
               used->length == sizeof(Event) && chain.written(0) == std::vector(sizeof(Event), std::byte{0});
    }

    kit::DriverQueue& queue;
    ChainBuilder chain;
    std::uint16_t head;
};

} // namespace

TEST_CASE(
    "rings of sockets go on where another process was, and the driver hears that no connection is left") {
    for (const auto features : {plain, with_event_idx}) {
        VsockRig rig(features);
        rig.start();
        EventBuffer event(rig);
        EventBuffer further(rig);
        // More than fits into a ring, and not as much in one as in the other.
        for (int i = 0; i < 21; ++i) {
            REQUIRE(rig.send("before"));
            REQUIRE((i % 2 == 0 || rig.receive("before")));
        }
        Next next(rig);
        REQUIRE(next.runs());
        CHECK(event.tells());
        next.driver.acknowledge();
        for (int i = 0; i < 40; ++i) {
            REQUIRE(rig.send("after", next.driver));
            REQUIRE(rig.receive("after", next.driver, *next.kernel));
        }
        CHECK_FALSE(next.process.device.needs_reset());
        // Once is enough.
        CHECK_FALSE(further.queue.has_used());
    }
}

TEST_CASE("what was sent while nobody was there is taken by the next process") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.send("before"));
    rig.device.quiesce();
    auto& queue = *rig.queues[transmit_queue];
    ChainBuilder chain(queue);
    const auto head = chain.readable("meanwhile").add();
    Next next(rig);
    CHECK(VsockRig::comes_back(queue, head, next.driver));
}

TEST_CASE("a driver without a buffer for the event gets it with the next one") {
    for (const auto features : {plain, with_event_idx}) {
        VsockRig rig(features);
        rig.start();
        REQUIRE(rig.runs());
        Next next(rig);
        REQUIRE(next.runs());
        EventBuffer event(rig);
        CHECK(event.queue.needs_kick());
        next.driver.kick(event_queue);
        CHECK(event.tells());
    }
}

TEST_CASE("a driver that has begun anew has no connections to be told of") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    Next next(rig);
    REQUIRE(next.runs());
    next.driver.reset();
    REQUIRE(eventually([&] { return next.driver.get(virtio::Register::status) == 0; }));
    for (auto& queue : rig.queues) {
        queue->reset();
    }
    REQUIRE(next.driver.negotiate(plain));
    for (std::uint32_t i = 0; i < rig.queues.size(); ++i) {
        REQUIRE(next.driver.set_up_queue(i, *rig.queues[i]));
    }
    next.driver.start();
    const EventBuffer event(rig);
    next.driver.kick(event_queue);
    REQUIRE(rig.send("anew", next.driver));
    CHECK_FALSE(event.queue.has_used());
}

TEST_CASE("an event buffer that is too small costs the driver a reset") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.runs());
    const EventBuffer event(rig, sizeof(Event) - 1);
    const Next next(rig);
    CHECK(eventually([&] { return next.process.device.needs_reset(); }));
}

TEST_CASE("a used index that the guest has spoiled costs its driver a reset") {
    VsockRig rig;
    rig.start();
    REQUIRE(rig.send("before"));
    rig.ram.store<std::uint16_t>(rig.queues[transmit_queue]->device_area() + 2, 1000);
    const Next next(rig);
    CHECK(eventually([&] { return next.process.device.needs_reset(); }));
}

} // namespace vsock_resume_test
