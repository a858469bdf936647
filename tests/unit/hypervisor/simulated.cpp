// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated.hpp"

#include "base/unique_fd.hpp"
#include "hypervisor/simulated_interrupts.hpp"
#include "hypervisor/trap_loop.hpp"
#include "kit/wait.hpp"

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <unistd.h>

namespace simulated_test {

using namespace hvisor;
using namespace hvisor::hypervisor;
using namespace std::chrono_literals;

namespace {

/// The fields of a zone_config that matter here (hvisor interface, 5.1).
struct Config {
    std::uint32_t id = 1;
    std::uint64_t cpus = 0xc;
    std::uint64_t ram = 0x50000000;
    std::uint64_t ram_size = 0x1000000;
    std::size_t size = 3296;

    [[nodiscard]] std::vector<std::byte> encode() const {
        std::vector<std::byte> bytes(size);
        const auto put = [&](std::size_t offset, auto value) {
            std::memcpy(bytes.data() + offset, &value, sizeof value);
        };
        put(0, id);
        put(8, cpus);
        put(16, std::uint32_t{2});
        put(24, std::uint32_t{0});
        put(32, ram);
        put(40, ram);
        put(48, ram_size);
        put(56, std::uint32_t{2});
        put(64, std::uint64_t{0xa003c00});
        put(72, std::uint64_t{0xa003c00});
        put(80, std::uint64_t{0x200});
        std::memcpy(bytes.data() + 2328, "linux2", 6);
        return bytes;
    }
};

} // namespace

TEST_CASE("zones start, are listed and stop") {
    Simulated hypervisor;
    CHECK(hypervisor.config_magic() == 6U);
    REQUIRE(hypervisor.list_zones()->size() == 1);
    CHECK(hypervisor.list_zones()->at(0).name == "root-linux");

    REQUIRE(hypervisor.start_zone(Config{}.encode()));
    const auto zones = *hypervisor.list_zones();
    REQUIRE(zones.size() == 2);
    CHECK(zones[1].id == 1);
    CHECK(zones[1].name == "linux2");
    CHECK(zones[1].cpus == 0xc);
    CHECK_FALSE(zones[1].has_error);

    REQUIRE(hypervisor.shutdown_zone(1));
    CHECK(hypervisor.list_zones()->size() == 1);
    CHECK(hypervisor.start_zone(Config{}.encode()));
}

TEST_CASE("what a hypervisor refuses") {
    Simulated hypervisor;
    const auto code = [&](const Config& config) {
        return hypervisor.start_zone(config.encode()).error().code;
    };
    CHECK(code({.size = 3136}) == ErrorCode::hypervisor_refused);
    CHECK(code({.id = 0}) == ErrorCode::hypervisor_refused);
    CHECK(code({.id = 32}) == ErrorCode::hypervisor_refused);
    CHECK(code({.cpus = 0x6}) == ErrorCode::resource_busy);
    CHECK(code({.cpus = 0x10}) == ErrorCode::resource_busy);
    CHECK(code({.ram = 0x40000000}) == ErrorCode::invalid_config);
    REQUIRE(hypervisor.start_zone(Config{}.encode()));
    CHECK(code({}) == ErrorCode::hypervisor_refused);
    CHECK(code({.id = 2}) == ErrorCode::resource_busy);
    CHECK(hypervisor.shutdown_zone(0).error().code == ErrorCode::no_such_zone);
    CHECK(hypervisor.shutdown_zone(9).error().code == ErrorCode::no_such_zone);
}

TEST_CASE("guest memory is the same however often it is mapped") {
    Simulated hypervisor;
    REQUIRE(hypervisor.load(0x50000123, std::as_bytes(std::span(std::string_view("kernel")))));
    const auto first = hypervisor.map_ram(0x50000000, 0x1000);
    const auto second = hypervisor.map_ram(0x50000000, 0x1000);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(std::memcmp(first->data() + 0x123, "kernel", 6) == 0);
    CHECK(first->data() != second->data());
    CHECK_FALSE(hypervisor.map_ram(0x40000000, 0x1000));
    CHECK_FALSE(hypervisor.map_ram(0x50000001, 0x1000));
    CHECK_FALSE(hypervisor.map_ram(0x50000000, UINT64_MAX));
}

TEST_CASE("guest memory can be copied to, and not pinned") {
    Simulated hypervisor;
    if (!hypervisor.refuses_pinning()) {
        SKIP("this kernel has no memfd_secret()");
    }
    const auto ram = hypervisor.map_ram(0x50000000, 0x1000);
    REQUIRE(ram);
    const UniqueFd buffered(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    CHECK(::pread(buffered.get(), ram->data(), 512, 0) == 512);
    const UniqueFd direct(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC | O_DIRECT));
    if (direct) {
        CHECK(::pread(direct.get(), ram->data(), 4096, 0) == -1);
        CHECK(errno == EFAULT);
    }
}

TEST_CASE("a CPU outside its zone's windows marks the zone as failed") {
    Simulated hypervisor;
    REQUIRE(hypervisor.start_zone(Config{}.encode()));
    CHECK_FALSE(hypervisor.guest_read(2, 0xb000000, 4));
    CHECK(hypervisor.list_zones()->at(1).has_error);
    CHECK_FALSE(hypervisor.guest_read(9, 0xa003c00, 4));
    hypervisor.power_off(1);
    CHECK(hypervisor.list_zones()->size() == 1);
}

TEST_CASE("injections get lost as asked for") {
    Simulated hypervisor({.lose_injections = 3});
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    for (int i = 0; i < 9; ++i) {
        REQUIRE(bridge.push_interrupt(1, 78));
    }
    CHECK(hypervisor.counts().injected == 6);
    CHECK(hypervisor.counts().lost_injections == 3);
}

TEST_CASE("an interrupt is lost while its handler runs, as in hvisor v0.4") {
    Simulated hypervisor({.lose_active = true});
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    REQUIRE(bridge.push_interrupt(1, 78));
    REQUIRE(hypervisor.take_interrupt(1, 78, kit::patience));
    REQUIRE(bridge.push_interrupt(1, 78));
    CHECK_FALSE(hypervisor.take_interrupt(1, 78, 1ms));
    hypervisor.end_interrupt(1, 78);
    REQUIRE(bridge.push_interrupt(1, 78));
    CHECK(hypervisor.take_interrupt(1, 78, kit::patience));
    CHECK(hypervisor.counts().lost_injections == 1);
}

TEST_CASE("a CPU takes the lowest interrupt first, each once") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    for (const std::uint32_t interrupt : {1023U, 78U, 31U, 78U, 32U}) {
        REQUIRE(bridge.push_interrupt(1, interrupt));
    }
    for (const std::uint32_t expected : {31U, 32U, 78U, 1023U, 0U}) {
        CHECK(hypervisor.take_any_interrupt(1, 0ms) == expected);
    }
    CHECK_FALSE(hypervisor.take_interrupt(1, 78, 0ms));
}

TEST_CASE("an interrupt comes again while its handler runs, as on a sound hypervisor") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    REQUIRE(bridge.push_interrupt(1, 78));
    REQUIRE(hypervisor.take_interrupt(1, 78, 0ms));
    REQUIRE(bridge.push_interrupt(1, 78));
    hypervisor.end_interrupt(1, 78);
    CHECK(hypervisor.take_interrupt(1, 78, 0ms));
    CHECK(hypervisor.counts().injected == 2);
}

TEST_CASE("interrupts that no zone can have are dropped") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    CHECK(bridge.push_interrupt(1, 1024));
    CHECK(bridge.push_interrupt(1, UINT32_MAX));
    CHECK(bridge.push_interrupt(32, 78));
    CHECK(bridge.push_interrupt(UINT32_MAX, 78));
    CHECK(hypervisor.counts().dropped == 4);
    CHECK(hypervisor.take_any_interrupt(1, 0ms) == 0);
    CHECK_FALSE(hypervisor.take_interrupt(1, UINT32_MAX, 0ms));
    CHECK_FALSE(hypervisor.take_interrupt(UINT32_MAX, 78, 0ms));
}

TEST_CASE("a zone that is started again has no interrupts of its former life") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    REQUIRE(bridge.push_interrupt(1, 78));
    hypervisor.power_off(1);
    CHECK(hypervisor.take_any_interrupt(1, 0ms) == 0);
    REQUIRE(bridge.push_interrupt(1, 78));
    hypervisor.add_zone(1, "linux2", 0xc, {});
    CHECK(hypervisor.take_any_interrupt(1, 0ms) == 0);
    CHECK(hypervisor.counts().dropped == 1);
}

TEST_CASE("a CPU that sleeps is woken by each interrupt") {
    Simulated hypervisor;
    hypervisor.add_zone(1, "linux2", 0xc, {});
    Bridge bridge(hypervisor);
    constexpr unsigned rounds = 1000;
    auto taken = std::async(std::launch::async, [&] {
        unsigned count = 0;
        while (count < rounds && hypervisor.take_interrupt(1, 78, kit::patience)) {
            hypervisor.end_interrupt(1, 78);
            ++count;
            static_cast<void>(bridge.push_interrupt(1, 79)); // asks for the next
        }
        return count;
    });
    for (unsigned i = 0; i < rounds; ++i) {
        REQUIRE(bridge.push_interrupt(1, 78));
        REQUIRE(hypervisor.take_interrupt(1, 79, kit::patience));
    }
    CHECK(taken.get() == rounds);
}

TEST_CASE("several CPUs take an interrupt exactly once") {
    SimulatedInterrupts interrupts;
    constexpr unsigned rounds = 500;
    std::atomic<unsigned> taken{0};
    std::atomic<bool> stop{false};
    const auto take = [&] {
        while (!stop) {
            if (interrupts.take(78)) {
                interrupts.end(78);
                ++taken;
            }
        }
    };
    {
        const std::jthread first(take);
        const std::jthread second(take);
        for (unsigned i = 1; i <= rounds; ++i) {
            interrupts.raise(78, false);
            while (taken < i) {
                std::this_thread::yield();
            }
        }
        stop = true;
    }
    CHECK(taken == rounds);
}

TEST_CASE("zones come and go while their CPUs access registers") {
    Simulated hypervisor;
    const TrapLoop loop(hypervisor);
    std::atomic<bool> stop{false};
    std::atomic<unsigned> answered{0};
    const auto guest = [&](std::uint32_t cpu) {
        while (!stop) {
            // A zone that is gone has no CPUs; one without handler reads 0.
            if (const auto value = hypervisor.guest_read(cpu, 0xa003c00, 4)) {
                answered += *value == 0 ? 1U : 0U;
            }
        }
    };
    {
        const std::jthread second(guest, 2);
        const std::jthread third(guest, 3);
        for (unsigned i = 0; i < 100 || answered < 100; ++i) {
            REQUIRE(hypervisor.start_zone(Config{}.encode()));
            std::this_thread::sleep_for(200us);
            REQUIRE(hypervisor.shutdown_zone(1));
        }
        stop = true;
    }
    CHECK(hypervisor.panicked().empty());
    CHECK(hypervisor.list_zones()->size() == 1);
}

TEST_CASE("a zone that is shut down while a CPU waits for an answer stops the machine") {
    Simulated hypervisor; // and nobody who answers
    REQUIRE(hypervisor.start_zone(Config{}.encode()));
    auto waiting = std::async(std::launch::async, [&] { return hypervisor.guest_read(2, 0xa003c00, 4); });
    Bridge bridge(hypervisor);
    while (bridge.is_idle()) {
        std::this_thread::yield();
    }
    CHECK(hypervisor.shutdown_zone(1));
    CHECK(hypervisor.panicked() == "zone 1 was shut down while a CPU waited for an answer");
    bridge.answer(2, 7);
    CHECK(waiting.get() == 7U);
}

TEST_CASE("a CPU without a place in the shared page has no zone") {
    Simulated hypervisor({.cpus = UINT64_MAX});
    hypervisor.add_zone(1, "linux2", UINT64_MAX & ~std::uint64_t{3}, {{.address = 0xa003c00, .size = 0x200}});
    CHECK_FALSE(hypervisor.guest_read(32, 0xa003c00, 4));
    CHECK_FALSE(hypervisor.guest_read(UINT32_MAX, 0xa003c00, 4));
}

} // namespace simulated_test
