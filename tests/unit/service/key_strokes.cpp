// SPDX-License-Identifier: Apache-2.0
#include "service/key_strokes.hpp"

#include "devices/input/config.hpp"
#include "hypervisor/simulated.hpp"
#include "hypervisor/trap_loop.hpp"
#include "kit/driver_queue.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"
#include "kit/wait.hpp"
#include "zone/device_slot.hpp"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>
#include <linux/input-event-codes.h>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace key_strokes_test {

using namespace hvisor;
using namespace hvisor::service;
using namespace std::chrono_literals;

namespace {

/// Which key, and whether it went down.
using Keys = std::vector<std::pair<unsigned, bool>>;

/// A main loop, and a zone's keyboard with its driver.
struct Desk {
    Desk() {
        auto made = zone::DeviceSlot::create(
            {.address = 0x1000,
             .length = 0x200,
             .interrupt = 40,
             .model = zone::InputSettings{.config = {.model = zone::InputModel::keyboard}}},
            {.zone = 1,
             .zone_name = "linux2",
             .memory = make_memory(),
             .trap_loop = trap_loop,
             .inputs = std::make_shared<zone::ZoneInputs>(),
             .store = store});
        REQUIRE(made);
        slot = std::move(*made);
        inputs->set_devices({slot});
        REQUIRE(driver.negotiate({virtio::FeatureBit::version_1}));
        REQUIRE(driver.set_up_queue(0, events));
        REQUIRE(driver.set_up_queue(1, status));
        driver.start();
        for (int i = 0; i < 64; ++i) {
            kit::ChainBuilder chain(events);
            chain.writable(sizeof(devices::input::WireEvent));
            const auto head = chain.add();
            buffers.emplace(head, std::move(chain));
        }
        REQUIRE(kit::eventually([&] { return inputs->has_keyboard(); }));
    }

    std::shared_ptr<const guest::GuestMemory> make_memory() const {
        std::vector<guest::Region> regions;
        regions.push_back(ram.region());
        return std::make_shared<const guest::GuestMemory>(*guest::GuestMemory::create(std::move(regions)));
    }
    std::uint64_t access(std::uint64_t offset, unsigned size, bool is_write, std::uint64_t value) const {
        return slot->transport()
            .access({.offset = offset,
                     .value = value,
                     .cpu = 2,
                     .size = static_cast<std::uint8_t>(size),
                     .is_write = is_write,
                     .needs_answer = false})
            .value_or(0);
    }
    /// So many keys as the driver hears of them.
    Keys take(std::size_t count) {
        Keys keys;
        CHECK(kit::eventually([&] {
            while (const auto used = events.take_used()) {
                devices::input::WireEvent wire;
                std::memcpy(&wire, buffers.at(used->head).written(0).data(), sizeof wire);
                if (wire.type == EV_KEY) {
                    keys.emplace_back(wire.code, wire.value != 0);
                }
            }
            return keys.size() >= count;
        }));
        return keys;
    }

    std::unique_ptr<MainLoop> loop = *MainLoop::create();
    hypervisor::Simulated simulated;
    hypervisor::TrapLoop trap_loop{simulated};
    FdStore store; ///< keeps nothing
    kit::Ram ram{0x40000000, std::size_t{1} << 20};
    std::shared_ptr<zone::DeviceSlot> slot;
    std::shared_ptr<zone::ZoneInputs> inputs = std::make_shared<zone::ZoneInputs>();
    kit::SplitQueue events{ram, 64};
    kit::SplitQueue status{ram, 16};
    std::map<std::uint16_t, kit::ChainBuilder> buffers;
    kit::MmioDriver driver{
        [this](std::uint64_t offset, unsigned size) { return access(offset, size, false, 0); },
        [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
            access(offset, size, true, value);
        }};
};

} // namespace

TEST_CASE("keys go down in their order and up in reverse, and then the caller is told") {
    Desk desk;
    KeyStrokes strokes(*desk.loop);
    const auto begin = std::chrono::steady_clock::now();
    bool is_done = false;
    REQUIRE(strokes.type(desk.inputs, {KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE}, 20ms, [&] {
        is_done = true;
        desk.loop->quit();
    }));
    CHECK(desk.take(3) == Keys{{KEY_LEFTCTRL, true}, {KEY_LEFTALT, true}, {KEY_DELETE, true}});
    CHECK_FALSE(is_done);
    REQUIRE(desk.loop->run());
    CHECK(is_done);
    CHECK(std::chrono::steady_clock::now() - begin >= 20ms);
    CHECK(desk.take(3) == Keys{{KEY_DELETE, false}, {KEY_LEFTALT, false}, {KEY_LEFTCTRL, false}});
}

TEST_CASE("several type at once, each for its time") {
    Desk desk;
    KeyStrokes strokes(*desk.loop);
    int done = 0;
    const auto count = [&] {
        if (++done == 2) {
            desk.loop->quit();
        }
    };
    REQUIRE(strokes.type(desk.inputs, {KEY_A}, 60ms, count));
    REQUIRE(strokes.type(desk.inputs, {KEY_B}, 1ms, count));
    REQUIRE(desk.loop->run());
    CHECK(desk.take(4) == Keys{{KEY_A, true}, {KEY_B, true}, {KEY_B, false}, {KEY_A, false}});
}

TEST_CASE("nothing is pressed when one key is none of the keyboard's") {
    Desk desk;
    KeyStrokes strokes(*desk.loop);
    const auto refused = strokes.type(desk.inputs, {KEY_A, BTN_LEFT}, 1ms, [] { FAIL("it was typed"); });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_config);
    desk.slot->device().quiesce();
    CHECK_FALSE(desk.events.has_used());
    CHECK(strokes.type(desk.inputs, {KEY_A}, 1ms, [] {}).error().code == ErrorCode::wrong_state);
}

TEST_CASE("not more keys are held than there is room for, and those that are go up in the end") {
    Desk desk;
    {
        KeyStrokes strokes(*desk.loop);
        for (std::size_t i = 0; i < KeyStrokes::most; ++i) {
            REQUIRE(strokes.type(desk.inputs, {KEY_A}, 10s, [] { FAIL("nobody is told any more"); }));
        }
        CHECK(strokes.type(desk.inputs, {KEY_B}, 1ms, [] {}).error().code == ErrorCode::resource_busy);
        CHECK(desk.take(1) == Keys{{KEY_A, true}});
    }
    CHECK(desk.take(1) == Keys{{KEY_A, false}});
}

} // namespace key_strokes_test
