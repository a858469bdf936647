// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/bridge.hpp"

#include "hypervisor/simulated.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <string>
#include <thread>
#include <vector>

namespace bridge_test {

using namespace hvisor;
using namespace hvisor::hypervisor;
using Catch::Generators::as;

namespace {

DeviceRequest request(std::uint64_t cpu, std::uint64_t size, std::uint64_t value = 0) {
    return {.src_cpu = cpu,
            .address = 0xa003c00,
            .size = size,
            .value = value,
            .src_zone = 1,
            .is_write = 1,
            .need_interrupt = 0,
            .padding = 0};
}

/// A hypervisor whose interrupts nobody takes.
class Stuck final : public Hypervisor {
  public:
    Result<std::uint64_t> config_magic() override { return 6; }
    Result<std::vector<ZoneInfo>> list_zones() override { return std::vector<ZoneInfo>{}; }
    Result<void> load(std::uint64_t, std::span<const std::byte>) override { return {}; }
    Result<void> clear(std::uint64_t, std::uint64_t) override { return {}; }
    Result<void> start_zone(std::span<const std::byte>) override { return {}; }
    Result<void> shutdown_zone(std::uint32_t) override { return {}; }
    Result<Mapping> map_ram(std::uint64_t, std::uint64_t) override { return Mapping(); }
    BridgePage& bridge_page() override { return page; }
    [[nodiscard]] int wakeup_fd() const override { return -1; }
    void finish_requests() override { ++finished; }

    BridgePage page{};
    int finished = 0;
};

} // namespace

TEST_CASE("requests come in order, and stay in the ring until they are popped") {
    Simulated hypervisor;
    Bridge bridge(hypervisor);
    CHECK(bridge.is_idle());
    CHECK_FALSE(bridge.front());
    for (std::uint64_t i = 0; i < 31; ++i) {
        hypervisor.push_raw(request(2, 4, i));
    }
    for (std::uint64_t i = 0; i < 31; ++i) {
        REQUIRE(bridge.front());
        CHECK(bridge.front()->value == i);
        bridge.pop();
    }
    CHECK(bridge.is_idle());
}

TEST_CASE("a written value is masked to the access size") {
    Simulated hypervisor;
    const Bridge bridge(hypervisor);
    struct Case {
        std::uint64_t size, value;
    };
    const auto one =
        GENERATE(Case{1, 0xef}, Case{2, 0xcdef}, Case{4, 0x89abcdef}, Case{8, 0x0123456789abcdef});
    hypervisor.push_raw(request(2, one.size, 0x0123456789abcdef));
    CHECK(bridge.front()->value == one.value);
    CHECK(bridge.front()->size == one.size);
}

TEST_CASE("a size that does not exist is 0") {
    Simulated hypervisor;
    const Bridge bridge(hypervisor);
    hypervisor.push_raw(request(2, GENERATE(as<std::uint64_t>{}, 0U, 3U, 5U, 16U, 0x100000004U)));
    CHECK(bridge.front()->size == 0);
    CHECK(bridge.front()->needs_answer);
}

TEST_CASE("a CPU that has no place in the page is never answered") {
    Simulated hypervisor;
    Bridge bridge(hypervisor);
    hypervisor.push_raw(request(GENERATE(as<std::uint64_t>{}, 32U, 33U, UINT64_MAX, 0x100000002U), 4));
    CHECK_FALSE(bridge.front()->needs_answer);
    bridge.answer(32, 1);
    bridge.answer(UINT32_MAX, 1);
}

TEST_CASE("an answer is the value, then the count") {
    Simulated hypervisor;
    Bridge bridge(hypervisor);
    bridge.answer(3, 0x55);
    CHECK(hypervisor.bridge_page().answer_values[3] == 0x55);
    CHECK(hypervisor.bridge_page().answer_counts[3] == 1);
    bridge.answer(3, 0x66);
    CHECK(hypervisor.bridge_page().answer_counts[3] == 2);
    CHECK(hypervisor.bridge_page().answer_counts[2] == 0);
}

TEST_CASE("sleep is refused when a request came before the hypervisor could know") {
    Simulated hypervisor;
    Bridge bridge(hypervisor);
    REQUIRE(bridge.begin_sleep());
    CHECK(hypervisor.bridge_page().need_wakeup == 1);
    bridge.end_sleep();
    CHECK(hypervisor.bridge_page().need_wakeup == 0);
    hypervisor.push_raw(request(2, 4));
    CHECK(hypervisor.counts().wakeups == 0);
    CHECK_FALSE(bridge.begin_sleep());
}

TEST_CASE("interrupts of many threads all arrive") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    std::vector<std::jthread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (std::uint32_t i = 0; i < 500; ++i) {
                if (!bridge.push_interrupt(1, 70 + i % 7)) {
                    std::terminate();
                }
            }
        });
    }
    threads.clear();
    CHECK(hypervisor.counts().injected == 2000);
}

TEST_CASE("D13: a result ring that stays full blocks nobody") {
    Stuck hypervisor;
    Bridge bridge(hypervisor);
    for (int i = 0; i < 31; ++i) {
        REQUIRE(bridge.push_interrupt(1, 78));
    }
    CHECK_FALSE(bridge.push_interrupt(1, 78));
    CHECK(hypervisor.finished > 31);
    // Once it drains, everything goes on.
    hypervisor.page.result_front = hypervisor.page.result_rear;
    CHECK(bridge.push_interrupt(1, 78));
}

TEST_CASE("an interrupt for a zone that is gone is dropped") {
    Simulated hypervisor;
    Bridge bridge(hypervisor);
    CHECK(bridge.push_interrupt(7, 78));
    CHECK(hypervisor.counts().dropped == 1);
}

TEST_CASE("a daemon that is killed while it handles a request has it answered once by the next") {
    Simulated hypervisor;
    auto& page = hypervisor.bridge_page();
    const auto state = StateMemory::of_process();
    const auto killed_after = GENERATE(as<std::string>{}, "front", "begin", "answer", "pop");
    hypervisor.push_raw(request(2, 4, 7));
    {
        Bridge bridge(hypervisor, state);
        const auto taken = bridge.front().value();
        if (killed_after != "front") {
            bridge.begin(taken);
        }
        if (killed_after == "answer" || killed_after == "pop") {
            bridge.answer(2, 0x55);
        }
        if (killed_after == "pop") {
            bridge.pop();
        }
    }
    Bridge next(hypervisor, state);
    next.attach();
    CHECK(next.is_idle());
    next.resume();
    const bool is_answered = killed_after == "answer" || killed_after == "pop";
    CHECK(page.answer_counts[2] == (is_answered ? 1 : 0));
    REQUIRE(next.front().has_value() == !is_answered);
    if (!is_answered) {
        next.begin(*next.front());
        next.answer(2, 0x66);
        next.pop();
    }
    CHECK(page.answer_counts[2] == 1);
    // And nobody after that one answers it again.
    Bridge another(hypervisor, state);
    another.attach();
    another.resume();
    CHECK(page.answer_counts[2] == 1);
    CHECK(another.is_idle());
}

TEST_CASE("a daemon that is killed in the middle of beginning a request leaves it to the next") {
    Simulated hypervisor;
    const auto state = StateMemory::of_process();
    hypervisor.push_raw(request(2, 4));
    {
        Bridge bridge(hypervisor, state);
        bridge.begin(bridge.front().value());
    }
    reinterpret_cast<BridgeRecord*>(state->bytes().data())->front.set(0); // the latter of two stores
    Bridge next(hypervisor, state);
    next.attach();
    next.resume();
    CHECK(hypervisor.bridge_page().answer_counts[2] == 0);
    CHECK(next.front());
}

TEST_CASE("a CPU that was to be answered later is answered by the daemon after") {
    Simulated hypervisor;
    auto& page = hypervisor.bridge_page();
    const auto state = StateMemory::of_process();
    hypervisor.push_raw(request(2, 4));
    hypervisor.push_raw(request(3, 4));
    const bool is_popped = GENERATE(true, false);
    {
        Bridge bridge(hypervisor, state);
        // CPU 2 waits for the end of a reset, CPU 3 is answered.
        bridge.begin(bridge.front().value());
        if (is_popped) {
            bridge.pop();
            bridge.begin(bridge.front().value());
            bridge.answer(3, 1);
            bridge.pop();
        }
    }
    Bridge next(hypervisor, state);
    next.attach();
    CHECK(next.is_idle());
    next.resume();
    // One whose request is still in the ring is answered when that is handled.
    CHECK(page.answer_counts[2] == (is_popped ? 1 : 0));
    CHECK(page.answer_values[2] == 0);
    CHECK(page.answer_counts[3] == (is_popped ? 1 : 0));
    CHECK(next.is_idle() == is_popped);
}

} // namespace bridge_test
