// SPDX-License-Identifier: Apache-2.0
#include "devices/entropy/config.hpp"
#include "devices/entropy/device.hpp"
#include "kit/device_rig.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <set>
#include <vector>

namespace entropy_test {

using namespace hvisor;
using namespace hvisor::devices::entropy;
using kit::ChainBuilder;

namespace {

/// A Linux hwrng driver: asks for random bytes.
struct EntropyRig : kit::DeviceRig<EntropyDevice> {
    explicit EntropyRig(Source source = kernel_random, const Throttle::Settings& limit = {})
        : DeviceRig(std::move(source), limit) {
        bring_up(queue);
    }

    /// Sends a chain and waits; returns the used length.
    std::uint32_t send(ChainBuilder& chain) {
        const auto head = chain.add();
        driver.kick(request_queue);
        const auto used = take_used();
        CHECK(used.head == head);
        return used.length;
    }
    kit::SplitQueue::Used take_used() {
        std::optional<kit::SplitQueue::Used> used;
        REQUIRE(kit::eventually([&] { return (used = queue.take_used()).has_value(); }));
        return *used;
    }

    kit::SplitQueue queue{ram, 16};
};

/// Memory of the length of a request is filled with 0xee before it.
std::size_t untouched(const std::vector<std::byte>& bytes) {
    return static_cast<std::size_t>(std::ranges::count(bytes, std::byte{0xee}));
}

/// Counts up, a byte a byte.
Source counter() {
    return [next = 0](std::span<std::byte> to) mutable {
        std::ranges::generate(to, [&] { return static_cast<std::byte>(next++); });
        return static_cast<ssize_t>(to.size());
    };
}

} // namespace

TEST_CASE("an entropy device says what it is") {
    const EntropyRig rig;
    CHECK(rig.driver.get(virtio::Register::device_id) == 4);
    CHECK(rig.driver.offered() == virtio::transport_features);
    CHECK(rig.device.type_name() == "entropy");
}

TEST_CASE("a request is filled with random bytes, another one with others") {
    EntropyRig rig;
    ChainBuilder first(rig.queue);
    first.writable(4096);
    CHECK(rig.send(first) == 4096);
    ChainBuilder second(rig.queue);
    second.writable(4096);
    CHECK(rig.send(second) == 4096);
    CHECK(first.written(0) != second.written(0));
    // About 16 of 4096 random bytes are 0xee, and all values occur.
    CHECK(untouched(first.written(0)) < 60);
    const auto bytes = first.written(0);
    CHECK(std::set(bytes.begin(), bytes.end()).size() > 250);
    CHECK(rig.port.wait_for_injections(1));
}

TEST_CASE("a request may have many small buffers") {
    EntropyRig rig(counter());
    ChainBuilder chain(rig.queue);
    chain.writable(1).writable(3).writable(5000);
    CHECK(rig.send(chain) == 5004);
    CHECK(chain.written(0) == std::vector{std::byte{0}});
    CHECK(chain.written(1) == std::vector{std::byte{1}, std::byte{2}, std::byte{3}});
    // Nothing twice and nothing left out where the pieces of the source meet.
    const auto rest = chain.written(2);
    for (std::size_t i = 0; i < rest.size(); ++i) {
        REQUIRE(rest[i] == static_cast<std::byte>(i + 4));
    }
}

TEST_CASE("a huge request gets a bounded part, and no byte more is written") {
    EntropyRig rig(counter());
    ChainBuilder chain(rig.queue);
    chain.writable(4 << 20);
    CHECK(rig.send(chain) == max_request);
    const auto bytes = chain.written(0);
    CHECK(bytes[max_request - 1] == std::byte{0xff});
    CHECK(untouched({bytes.begin() + max_request, bytes.end()}) == bytes.size() - max_request);
}

TEST_CASE("a readable buffer before the writable one is not looked at") {
    EntropyRig rig;
    ChainBuilder chain(rig.queue);
    chain.readable("seed").writable(64);
    CHECK(rig.send(chain) == 64);
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("a request that cannot take a byte needs a reset, and after it all is well") {
    EntropyRig rig;
    SECTION("only readable buffers") {
        ChainBuilder(rig.queue).readable("wrong way").add();
    }
    SECTION("a buffer of length zero") {
        ChainBuilder(rig.queue).at(rig.ram.allocate(16), 0, kit::desc_write).add();
    }
    rig.driver.kick(request_queue);
    REQUIRE(kit::eventually([&] { return rig.needs_reset(); }));
    rig.queue.reset();
    rig.bring_up(rig.queue);
    ChainBuilder chain(rig.queue);
    chain.writable(64);
    CHECK(rig.send(chain) == 64);
}

TEST_CASE("requests wait, in order, for a source that has nothing yet") {
    std::atomic<bool> ready{false};
    std::atomic<int> asked{0};
    EntropyRig rig([&, fill = counter()](std::span<std::byte> to) mutable -> ssize_t {
        ++asked;
        if (!ready) {
            errno = EAGAIN;
            return -1;
        }
        return fill(to);
    });
    std::vector<ChainBuilder> chains;
    for (int i = 0; i < 3; ++i) {
        chains.emplace_back(rig.queue).writable(1);
        chains.back().add();
        rig.driver.kick(request_queue);
    }
    REQUIRE(kit::eventually([&] { return asked > 1; }));
    CHECK(rig.queue.used_index() == 0);
    CHECK_FALSE(rig.needs_reset());
    ready = true;
    for (std::size_t i = 0; i < chains.size(); ++i) {
        CHECK(rig.take_used().length == 1);
        CHECK(chains[i].written(0) == std::vector{static_cast<std::byte>(i)});
    }
    CHECK(rig.port.wait_for_injections(1));
}

TEST_CASE("a source that has nothing is not asked all the time") {
    std::atomic<int> asked{0};
    EntropyRig rig([&](std::span<std::byte>) -> ssize_t {
        ++asked;
        errno = EIO;
        return -1;
    });
    for (int i = 0; i < 10; ++i) {
        ChainBuilder(rig.queue).writable(1).add();
        rig.driver.kick(request_queue);
    }
    REQUIRE(kit::eventually([&] { return asked > 2; }));
    // One look each tenth of a second: it has been asked a few times, not thousands of times.
    CHECK(asked < 20);
}

TEST_CASE("a reset takes back the requests that wait") {
    std::atomic<bool> ready{false};
    EntropyRig rig([&](std::span<std::byte> to) -> ssize_t {
        if (!ready) {
            errno = EAGAIN;
            return -1;
        }
        std::ranges::fill(to, std::byte{7});
        return static_cast<ssize_t>(to.size());
    });
    ChainBuilder old(rig.queue);
    old.writable(64);
    old.add();
    rig.driver.kick(request_queue);
    rig.settle();
    rig.driver.reset();
    ready = true;
    rig.queue.reset();
    rig.bring_up(rig.queue);
    ChainBuilder chain(rig.queue);
    chain.writable(64);
    CHECK(rig.send(chain) == 64);
    CHECK(untouched(old.written(0)) == 64);
}

TEST_CASE("a source that gives little at a time fills a request all the same") {
    EntropyRig rig([fill = counter()](std::span<std::byte> to) mutable {
        return fill(to.first(std::min<std::size_t>(to.size(), 7)));
    });
    ChainBuilder chain(rig.queue);
    chain.writable(100);
    CHECK(rig.send(chain) == 100);
    CHECK(chain.written(0).back() == std::byte{99});
}

TEST_CASE("a rate limit holds up requests, and every one of them is filled") {
    // 1 byte is left after the burst, and then 100,000 a second.
    EntropyRig rig(counter(), {.bytes = {.rate = 100'000, .burst = 1}, .operations = {}});
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 10; ++i) {
        ChainBuilder(rig.queue).writable(1000).add();
    }
    rig.driver.kick(request_queue);
    for (int i = 0; i < 10; ++i) {
        CHECK(rig.take_used().length == 1000);
    }
    // The first is free, and each of the others waits for those before it: 10 ms each.
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(90));
    CHECK(rig.device.queue_state(request_queue).metrics.bytes.get() == 10'000);
}

TEST_CASE("a reset does not wait for a rate limit") {
    EntropyRig rig(counter(), {.bytes = {}, .operations = {.rate = 1, .burst = 1}});
    for (int i = 0; i < 5; ++i) {
        ChainBuilder(rig.queue).writable(64).add();
    }
    rig.driver.kick(request_queue);
    CHECK(rig.take_used().length == 64);
    rig.driver.reset();
    CHECK(rig.driver.get(virtio::Register::status) == 0);
    CHECK(!rig.queue.has_used());
}

} // namespace entropy_test
