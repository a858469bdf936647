// SPDX-License-Identifier: Apache-2.0
// A zone's system is asked to power itself off by its keyboard's power key.
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"
#include "kit/wait.hpp"
#include "manager_rig.hpp"
#include "zone/zone_inputs.hpp"

#include <catch2/catch_test_macros.hpp>
#include <linux/input-event-codes.h>

#include <utility>

namespace zone_power_key_test {

using namespace hvisor;
using namespace hvisor::zone;
using test::changed;
using State = hvisor::zone::State;

namespace {

constexpr std::uint64_t ram_address = 0x50000000;
constexpr std::size_t ram_size = 0x30000000;
constexpr std::uint64_t keyboard_address = 0xa003800;

/// A zone whose console is a keyboard, with a driver that hears its keys.
struct KeyboardBench : Bench {
    KeyboardBench() {
        REQUIRE(start(good_zone, changed(good_virtio, R"("type": "console")",
                                         R"("type": "input", "model": "keyboard")")));
        auto mapped = hypervisor.map_ram(ram_address, ram_size);
        REQUIRE(mapped);
        view = std::move(*mapped);
    }

    void start_driver() {
        kit::Ram ram(ram_address, view.data(), view.size());
        kit::SplitQueue events(ram, 16);
        kit::SplitQueue status(ram, 16);
        const kit::MmioDriver driver(
            [this](std::uint64_t offset, unsigned size) {
                return hypervisor.real().guest_read(2, keyboard_address + offset, size).value_or(UINT64_MAX);
            },
            [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                REQUIRE(hypervisor.real().guest_write(2, keyboard_address + offset, size, value));
            });
        REQUIRE(driver.negotiate({virtio::FeatureBit::version_1}));
        REQUIRE(driver.set_up_queue(0, events));
        REQUIRE(driver.set_up_queue(1, status));
        driver.start();
        const auto devices = manager.devices("linux2");
        REQUIRE(devices);
        REQUIRE(kit::eventually([&] { return (*devices)->inputs()->has_keyboard(); }));
    }

    Mapping view;
};

} // namespace

TEST_CASE("a zone that powers itself off for its power key is shut down, and nothing starts it again") {
    KeyboardBench bench;
    CHECK_FALSE(bench.manager.ask_to_power_off("linux2", ZoneManager::PowerOff::for_good).value());
    bench.start_driver();
    CHECK(bench.manager.ask_to_power_off("linux2", ZoneManager::PowerOff::for_good).value());
    CHECK(bench.zone("linux2").state == State::stopping);
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::stopping);
    // Once is enough.
    CHECK(bench.manager.ask_to_power_off("linux2", ZoneManager::PowerOff::for_good).value());
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::stopped);
}

TEST_CASE("a zone that is restarted by its power key waits for its start when it has gone") {
    KeyboardBench bench;
    bench.start_driver();
    CHECK(bench.manager.ask_to_power_off("linux2", ZoneManager::PowerOff::to_restart).value());
    CHECK(bench.zone("linux2").state == State::stopping);
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::starting);
    REQUIRE(bench.manager.restart("linux2"));
    CHECK(bench.zone("linux2").state == State::running);
}

TEST_CASE("a zone that does not mind its power key is shut down all the same") {
    KeyboardBench bench;
    bench.start_driver();
    CHECK(bench.manager.ask_to_power_off("linux2", ZoneManager::PowerOff::for_good).value());
    REQUIRE(bench.manager.shutdown("linux2"));
    CHECK(bench.zone("linux2").state == State::stopped);
}

} // namespace zone_power_key_test
