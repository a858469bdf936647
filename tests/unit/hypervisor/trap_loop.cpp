// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/trap_loop.hpp"

#include "hypervisor/simulated.hpp"
#include "kit/wait.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <future>
#include <thread>

namespace trap_loop_test {

using namespace hvisor;
using namespace hvisor::hypervisor;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t base = 0xa000000;

/// Registers that remember what was written to them.
class Registers final : public TrapHandler {
  public:
    std::optional<std::uint64_t> access(const TrapRequest& request) override {
        ++accesses;
        if (in_access) {
            in_access();
        }
        if (late) {
            return std::nullopt;
        }
        auto& value = values.at((request.address - base) / 8 % values.size());
        if (request.is_write) {
            value = request.value;
        }
        return value;
    }
    std::array<std::uint64_t, 64> values{};
    std::atomic<int> accesses{0};
    std::function<void()> in_access;
    bool late = false;
};

struct Rig {
    explicit Rig(Simulated::Options options = {}, TrapLoop::Policy policy = {})
        : hypervisor(options), loop(hypervisor, policy) {
        hypervisor.add_zone(1, "linux2", 0xc,
                            {{.address = base, .size = 0x200}, {.address = base + 0x1000, .size = 0x1000}});
        loop.add_zone(1, registers);
    }
    ~Rig() { CHECK(hypervisor.panicked().empty()); }
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;
    Rig(Rig&&) = delete;
    Rig& operator=(Rig&&) = delete;

    Simulated hypervisor;
    std::shared_ptr<Registers> registers = std::make_shared<Registers>();
    TrapLoop loop;
};

} // namespace

TEST_CASE("accesses are answered with the zone's registers") {
    Rig rig;
    CHECK(rig.hypervisor.guest_write(2, base + 8, 4, 0xffffffff12345678));
    CHECK(rig.hypervisor.guest_read(3, base + 8, 4) == 0x12345678U);
    // Zero-extended from the size, whatever the device says (hvisor interface, 3.5).
    rig.registers->values.at(2) = UINT64_MAX;
    CHECK(rig.hypervisor.guest_read(2, base + 16, 1) == 0xffU);
    CHECK(rig.hypervisor.guest_read(2, base + 16, 8) == UINT64_MAX);
    CHECK(rig.loop.counts().requests == 4);
}

TEST_CASE("zones and addresses of which nothing is known read 0") {
    Rig rig;
    rig.hypervisor.add_zone(5, "other", 0x10, {{.address = base, .size = 0x200}});
    CHECK(rig.hypervisor.guest_read(4, base, 4) == 0U);
    CHECK(rig.hypervisor.guest_write(4, base, 4, 1));
    CHECK(rig.loop.counts().unknown == 2);
    CHECK(rig.registers->accesses == 0);
}

TEST_CASE("a malformed request is answered when it can be, and dispatched never") {
    Rig rig;
    DeviceRequest bad{.src_cpu = 2,
                      .address = base,
                      .size = 3,
                      .value = 0,
                      .src_zone = 1,
                      .is_write = 0,
                      .need_interrupt = 0,
                      .padding = 0};
    rig.hypervisor.push_raw(bad);
    bad.src_cpu = 77;
    bad.size = 4;
    bad.src_zone = 0xffffffff;
    rig.hypervisor.push_raw(bad);
    REQUIRE(rig.loop.drain());
    CHECK(load_acquire(rig.hypervisor.bridge_page().answer_counts[2]) == 1);
    CHECK(rig.registers->accesses == 0);
}

TEST_CASE("a notification in a device's own region is not answered") {
    Rig rig;
    CHECK(rig.hypervisor.guest_write(2, base + 0x50, 4, 0));
    REQUIRE(rig.loop.drain());
    CHECK(rig.registers->accesses == 1);
    CHECK(load_acquire(rig.hypervisor.bridge_page().answer_counts[2]) == 0);
    // The next access gets its own answer, not that one's.
    CHECK(rig.hypervisor.guest_read(2, base, 4) == 0U);
    CHECK(load_acquire(rig.hypervisor.bridge_page().answer_counts[2]) == 1);
}

TEST_CASE("a notification of the second device in a region is answered") {
    Rig rig;
    CHECK(rig.hypervisor.guest_write(2, base + 0x1250, 4, 0));
    CHECK(load_acquire(rig.hypervisor.bridge_page().answer_counts[2]) == 1);
}

TEST_CASE("two CPUs at once each get their own answers") {
    Rig rig;
    const auto cpu = [&](std::uint32_t number) {
        for (std::uint64_t i = 0; i < 5000; ++i) {
            const auto address = base + 8ULL * number;
            if (!rig.hypervisor.guest_write(number, address, 8, i) ||
                rig.hypervisor.guest_read(number, address, 8) != i) {
                return false;
            }
        }
        return true;
    };
    auto second = std::async(std::launch::async, cpu, 3U);
    CHECK(cpu(2));
    CHECK(second.get());
    CHECK(rig.loop.counts().requests == 20000);
}

TEST_CASE("the loop sleeps, and a request wakes it") {
    Rig rig;
    for (int i = 0; i < 5; ++i) {
        const auto sleeps = rig.loop.counts().sleeps;
        REQUIRE(kit::eventually([&] {
            return rig.loop.counts().sleeps > sleeps &&
                   load_acquire(rig.hypervisor.bridge_page().need_wakeup) == 1;
        }));
        CHECK(rig.hypervisor.guest_read(2, base, 4) == 0U);
    }
    CHECK(rig.hypervisor.counts().wakeups >= 1);
}

TEST_CASE("the loop polls for as long as sleeping costs on this machine, or as it is told") {
    const Rig rig;
    CHECK(rig.loop.max_poll() >= 50us);
    CHECK(rig.loop.max_poll() <= 1ms);
    const Rig told({}, {.max_poll = 7us});
    CHECK(told.loop.max_poll() == 7us);
}

TEST_CASE("a guest whose requests follow each other soon enough finds the loop awake") {
    Rig rig({}, {.max_poll = 100ms});
    // On a busy machine a pause may be a long one.
    const auto is_awake = [&] {
        const auto sleeps = rig.loop.counts().sleeps;
        for (int i = 0; i < 20; ++i) {
            std::this_thread::sleep_for(1ms);
            CHECK(rig.hypervisor.guest_read(2, base, 4) == 0U);
        }
        return rig.loop.counts().sleeps == sleeps;
    };
    CHECK(kit::eventually(is_awake));
}

TEST_CASE("a lost wake-up costs at most the bounded sleep") {
    Rig rig({.lose_wakeups = 1});
    for (int i = 0; i < 3; ++i) {
        REQUIRE(kit::eventually([&] { return load_acquire(rig.hypervisor.bridge_page().need_wakeup) == 1; }));
        const auto begin = std::chrono::steady_clock::now();
        CHECK(rig.hypervisor.guest_read(2, base, 4) == 0U);
        CHECK(std::chrono::steady_clock::now() - begin < kit::patience);
    }
    CHECK(rig.loop.counts().missed_wakeups >= 1);
    CHECK(rig.hypervisor.counts().wakeups == 0);
}

TEST_CASE("requests that came before the loop are answered by it") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {{.address = base, .size = 0x200}});
    auto early = std::async(std::launch::async, [&] { return hypervisor.guest_read(2, base, 4); });
    std::this_thread::sleep_for(10ms);
    const TrapLoop loop(hypervisor);
    CHECK(early.get() == 0U);
}

TEST_CASE("a late answer holds up its own CPU only") {
    Rig rig;
    rig.registers->late = true;
    auto waiting = std::async(std::launch::async, [&] { return rig.hypervisor.guest_read(2, base, 4); });
    REQUIRE(kit::eventually([&] { return rig.registers->accesses == 1; }));
    REQUIRE(rig.loop.drain());
    rig.registers->late = false;
    CHECK(rig.hypervisor.guest_read(3, base, 4) == 0U);
    CHECK(waiting.wait_for(10ms) == std::future_status::timeout);
    rig.loop.answer(2, 9);
    CHECK(waiting.get() == 9U);
}

TEST_CASE("remove_zone() returns when no access runs") {
    Rig rig;
    std::promise<void> entered;
    std::promise<void> release;
    rig.registers->in_access = [&] {
        entered.set_value();
        release.get_future().wait();
    };
    auto access = std::async(std::launch::async, [&] { return rig.hypervisor.guest_read(2, base, 4); });
    entered.get_future().wait();
    auto removed = std::async(std::launch::async, [&] { rig.loop.remove_zone(1); });
    CHECK(removed.wait_for(20ms) == std::future_status::timeout);
    release.set_value();
    removed.get();
    CHECK(access.get() == 0U);
    CHECK(rig.registers.use_count() == 1);
    rig.registers->in_access = {};
    CHECK(rig.hypervisor.guest_read(2, base, 4) == 0U);
    CHECK(rig.registers->accesses == 1);
}

TEST_CASE("zones come and go while others work") {
    Rig rig;
    std::atomic<bool> stop{false};
    auto guest = std::async(std::launch::async, [&] {
        while (!stop) {
            if (!rig.hypervisor.guest_read(2, base, 4)) {
                return false;
            }
        }
        return true;
    });
    for (int i = 0; i < 200; ++i) {
        rig.loop.add_zone(1, std::make_shared<Registers>());
        rig.loop.add_zone(2, std::make_shared<Registers>());
        rig.loop.remove_zone(2);
        rig.loop.remove_zone(1);
    }
    stop = true;
    CHECK(guest.get());
    rig.loop.remove_zone(40);
    rig.loop.add_zone(40, nullptr);
}

TEST_CASE("drain() waits for what is in the ring") {
    Rig rig;
    for (int i = 0; i < 20; ++i) {
        rig.hypervisor.push_raw({.src_cpu = 2,
                                 .address = base + 0x50,
                                 .size = 4,
                                 .value = 0,
                                 .src_zone = 1,
                                 .is_write = 1,
                                 .need_interrupt = 1,
                                 .padding = 0});
    }
    REQUIRE(rig.loop.drain());
    CHECK(rig.registers->accesses == 20);
}

TEST_CASE("interrupts reach the guest from any thread") {
    Rig rig;
    std::jthread([&] { rig.loop.inject(1, 78); }).join();
    CHECK(rig.hypervisor.take_interrupt(1, 78, kit::patience));
    CHECK_FALSE(rig.hypervisor.take_interrupt(1, 78, 1ms));
    CHECK(rig.loop.counts().interrupts == 1);
}

} // namespace trap_loop_test
