// SPDX-License-Identifier: Apache-2.0
#include "input_rig.hpp"

#include <algorithm>
#include <array>
#include <catch2/generators/catch_generators.hpp>
#include <linux/input.h>
#include <thread>

namespace input_test {

using namespace hvisor;
using namespace hvisor::devices::input;
using kit::ChainBuilder;

TEST_CASE("an input device says what it is") {
    const InputRig rig;
    CHECK(rig.driver.get(virtio::Register::device_id) == 18);
    CHECK(rig.driver.offered() == virtio::transport_features);
    CHECK(rig.device.type_name() == "input");
    CHECK(rig.device.backend_name() == "keyboard");
    CHECK(rig.device.is_heard());
}

TEST_CASE("a keyboard's driver learns its name, keys and LEDs") {
    const InputRig rig;
    CHECK(rig.text(Select::id_name) == "hvisor keyboard");
    CHECK(rig.ask(Select::id_serial).empty());
    const auto ids = rig.ask(Select::id_devids);
    REQUIRE(ids.size() == sizeof(DevIds));
    CHECK(ids[0] == std::byte{BUS_VIRTUAL});
    const auto keys = rig.ask(Select::ev_bits, EV_KEY);
    for (const auto code : std::initializer_list<std::size_t>{
             KEY_ESC, KEY_A, KEY_LEFTCTRL, KEY_F12, KEY_F24, KEY_102ND, KEY_POWER, KEY_RIGHTMETA, KEY_KPENTER,
             KEY_VOLUMEUP, KEY_PAUSE, KEY_COMPOSE}) {
        CHECK(has_bit(keys, code));
    }
    CHECK_FALSE(has_bit(keys, KEY_RESERVED));
    CHECK_FALSE(has_bit(keys, BTN_LEFT));
    const auto leds = rig.ask(Select::ev_bits, EV_LED);
    CHECK(leds == std::vector{std::byte{1 << LED_NUML | 1 << LED_CAPSL | 1 << LED_SCROLLL}});
    CHECK(rig.ask(Select::ev_bits, EV_REP) == std::vector{std::byte{1 << REP_DELAY | 1 << REP_PERIOD}});
    for (const auto type :
         std::initializer_list<std::uint8_t>{EV_SYN, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_SND, EV_FF}) {
        CHECK(rig.ask(Select::ev_bits, type).empty());
    }
    CHECK(rig.ask(Select::abs_info, ABS_X).empty());
    CHECK(rig.ask(Select::prop_bits).empty());
}

TEST_CASE("a tablet's driver learns its axes, buttons and wheels") {
    const InputRig rig(tablet());
    CHECK(rig.text(Select::id_name) == "hvisor tablet");
    CHECK(rig.ask(Select::ev_bits, EV_ABS) == std::vector{std::byte{1 << ABS_X | 1 << ABS_Y}});
    for (const auto axis_code : std::initializer_list<std::uint8_t>{ABS_X, ABS_Y}) {
        const auto bytes = rig.ask(Select::abs_info, axis_code);
        REQUIRE(bytes.size() == sizeof(AbsInfo));
        AbsInfo info;
        std::memcpy(&info, bytes.data(), sizeof info);
        CHECK(info == AbsInfo{.min = 0, .max = 32767, .fuzz = 0, .flat = 0, .res = 0});
    }
    CHECK(rig.ask(Select::abs_info, ABS_Z).empty());
    const auto keys = rig.ask(Select::ev_bits, EV_KEY);
    for (const auto code :
         std::initializer_list<std::size_t>{BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA}) {
        CHECK(has_bit(keys, code));
    }
    CHECK_FALSE(has_bit(keys, KEY_A));
    const auto wheels = rig.ask(Select::ev_bits, EV_REL);
    CHECK(has_bit(wheels, REL_WHEEL));
    CHECK(has_bit(wheels, REL_HWHEEL));
    CHECK_FALSE(has_bit(wheels, REL_X));
    CHECK(rig.ask(Select::ev_bits, EV_REP).empty());
}

TEST_CASE("a mouse moves by steps") {
    const InputRig rig(mouse());
    CHECK(rig.text(Select::id_name) == "hvisor mouse");
    const auto steps = rig.ask(Select::ev_bits, EV_REL);
    for (const auto code : std::initializer_list<std::size_t>{REL_X, REL_Y, REL_WHEEL, REL_HWHEEL}) {
        CHECK(has_bit(steps, code));
    }
    CHECK(rig.ask(Select::ev_bits, EV_ABS).empty());
}

TEST_CASE("what the driver asks for is there at its next access, whatever it asks") {
    const InputRig rig(tablet());
    // virtio 1.2, 5.8.5.1: in any order; and both at once.
    rig.driver.write(0x101, 1, ABS_Y);
    rig.driver.write(0x100, 1, std::to_underlying(Select::abs_info));
    CHECK(rig.driver.config<std::uint8_t>(2) == sizeof(AbsInfo));
    rig.driver.write(0x100, 2, std::to_underlying(Select::ev_bits) | EV_ABS << 8);
    CHECK(rig.driver.config<std::uint8_t>(2) == 1);
    // Nothing of a longer answer is left behind a shorter one.
    rig.driver.write(0x100, 2, std::to_underlying(Select::ev_bits) | EV_KEY << 8);
    CHECK(rig.driver.config<std::uint8_t>(2) > 32);
    rig.driver.write(0x100, 2, std::to_underlying(Select::ev_bits) | EV_ABS << 8);
    for (std::uint64_t i = 1; i < max_answer; ++i) {
        REQUIRE(rig.driver.config<std::uint8_t>(offsetof(Config, answer) + i) == 0);
    }
    // virtio 1.2, 5.8.5.2: what there is not has the size 0.
    for (unsigned select = 0; select < 256; ++select) {
        for (const unsigned subsel : {0U, 1U, 3U, 0x1fU, 0x20U, 0x3fU, 0x40U, 0x80U, 0xffU}) {
            rig.driver.write(0x100, 2, select | subsel << 8);
            const auto size = rig.driver.config<std::uint8_t>(2);
            REQUIRE(size <= max_answer);
            const bool is_known = (subsel == 0 && (select == 1 || select == 3)) ||
                                  (select == 0x11 && (subsel == EV_KEY || subsel == EV_ABS)) ||
                                  (select == 0x12 && subsel <= ABS_Y);
            INFO("select " << select << ", subsel " << subsel);
            REQUIRE((size != 0) == is_known);
        }
    }
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("only the two selectors can be written") {
    const InputRig rig;
    CHECK(rig.text(Select::id_name) == "hvisor keyboard");
    for (const auto& [offset, size] :
         {std::pair{2U, 1U}, std::pair{3U, 1U}, std::pair{8U, 8U}, std::pair{1U, 2U}, std::pair{0U, 4U}}) {
        rig.driver.write(0x100 + offset, size, UINT64_MAX);
    }
    CHECK(rig.driver.config<std::uint8_t>(0) == std::to_underlying(Select::id_name));
    CHECK(rig.driver.config<std::uint8_t>(2) == 15);
    CHECK(rig.driver.config<char>(8) == 'h');
}

TEST_CASE("a name longer than there is room for is cut") {
    Capabilities capabilities = keyboard();
    capabilities.name = std::string(200, 'n');
    capabilities.serial = "S1";
    capabilities.add_property(INPUT_PROP_POINTER);
    const InputRig rig(std::move(capabilities));
    CHECK(rig.text(Select::id_name) == std::string(128, 'n'));
    CHECK(rig.text(Select::id_serial) == "S1");
    CHECK(rig.ask(Select::prop_bits) == std::vector{std::byte{1 << INPUT_PROP_POINTER}});
}

TEST_CASE("a key goes down and up, each event in a buffer, each group with its report") {
    const auto features =
        GENERATE(virtio::FeatureSet{virtio::FeatureBit::version_1}, kit::split_features,
                 virtio::FeatureSet{virtio::FeatureBit::version_1, virtio::FeatureBit::ring_packed,
                                    virtio::FeatureBit::ring_event_idx});
    InputRig rig(keyboard(), nullptr, features);
    rig.give_buffers(8);
    rig.put({key(KEY_A, 1)});
    CHECK(rig.take(2) == Events{key(KEY_A, 1), report});
    CHECK(rig.port.injections() > 0);
    rig.put({key(KEY_A, 0), key(KEY_B, 1)});
    rig.put({key(KEY_B, 0)});
    CHECK(rig.take(5) == Events{key(KEY_A, 0), key(KEY_B, 1), report, key(KEY_B, 0), report});
    // Buffers that were given back are used again.
    rig.give_buffers(2);
    rig.put({key(KEY_C, 1)});
    CHECK(rig.take(2) == Events{key(KEY_C, 1), report});
    CHECK(rig.device.dropped() == 0);
    CHECK(rig.device.queue_state(event_queue).metrics.bytes.get() == 9 * sizeof(WireEvent));
}

TEST_CASE("what the device has not, or what changes nothing, does not reach its driver") {
    InputRig rig;
    rig.give_buffers(16);
    rig.put({key(KEY_A, 0)});                    // it is up
    rig.put({key(BTN_LEFT, 1), step(REL_X, 1)}); // a keyboard has none
    rig.put({{.type = static_cast<EventType>(0x99), .code = 0xffff, .value = 1}});
    rig.put({{.type = EventType::led, .code = LED_CAPSL, .value = 1}, key(KEY_A, 1)});
    rig.put({key(KEY_A, 1)});
    rig.put({});
    rig.put({key(KEY_A, 2)}); // it is still down
    rig.put({key(KEY_B, 2)}); // it never went down
    CHECK(rig.taken() == Events{{.type = EventType::led, .code = LED_CAPSL, .value = 1},
                                key(KEY_A, 1),
                                report,
                                key(KEY_A, 2),
                                report});
}

TEST_CASE("events wait for buffers, and the driver for events, in either order") {
    InputRig rig;
    rig.put({key(KEY_A, 1)});
    rig.put({key(KEY_A, 0)});
    CHECK(rig.taken().empty());
    rig.give_buffers(1);
    CHECK(rig.take(1) == Events{key(KEY_A, 1)});
    rig.give_buffers(2);
    CHECK(rig.take(2) == Events{report, key(KEY_A, 0)});
    rig.give_buffers(5);
    CHECK(rig.take(1) == Events{report});
    rig.put({key(KEY_B, 1)});
    CHECK(rig.take(2) == Events{key(KEY_B, 1), report});
}

TEST_CASE("a group that is larger than the queue comes whole as well") {
    InputRig rig;
    rig.events = kit::make_queue({virtio::FeatureBit::version_1}, rig.ram, 2);
    rig.start();
    rig.put({key(KEY_A, 1), key(KEY_B, 1), key(KEY_C, 1)});
    Events all;
    while (all.size() < 4) {
        rig.give_buffers(2);
        for (const auto& event : rig.take(2)) {
            all.push_back(event);
        }
    }
    CHECK(all == Events{key(KEY_A, 1), key(KEY_B, 1), key(KEY_C, 1), report});
}

TEST_CASE("a buffer may be in pieces or too large, but not too small") {
    InputRig rig;
    ChainBuilder pieces(*rig.events);
    pieces.readable("ignored").writable(3).writable(5);
    pieces.add();
    rig.driver.kick(event_queue);
    rig.put({key(KEY_A, 1)});
    REQUIRE(kit::eventually([&] { return rig.events->take_used().has_value(); }));
    CHECK(pieces.written(0) == std::vector{std::byte{EV_KEY}, std::byte{0}, std::byte{KEY_A}});
    CHECK(pieces.written(1) ==
          std::vector{std::byte{0}, std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0}});
    rig.give_buffers(1, 100);
    CHECK(rig.take(1) == Events{report});
    CHECK(rig.buffers.begin()->second.written(0).at(sizeof(WireEvent)) == std::byte{0xee});
    CHECK_FALSE(rig.needs_reset());
    // virtio 1.2, 5.8.6.1.
    SECTION("a byte short") {
        rig.give_buffers(1, sizeof(WireEvent) - 1);
    }
    SECTION("only readable") {
        ChainBuilder(*rig.events).readable("12345678").add();
        rig.driver.kick(event_queue);
    }
    CHECK_FALSE(rig.needs_reset());
    rig.put({key(KEY_A, 0)});
    CHECK(kit::eventually([&] { return rig.needs_reset(); }));
    CHECK(rig.device.queue_state(event_queue).metrics.errors.get() == 1);
}

TEST_CASE("a driver lights LEDs") {
    InputRig rig;
    CHECK(rig.device.leds() == 0);
    rig.send_status({.type = EV_LED, .code = LED_CAPSL, .value = 1});
    rig.send_status({.type = EV_LED, .code = LED_NUML, .value = 1});
    CHECK(rig.device.leds() == (1 << LED_CAPSL | 1 << LED_NUML));
    rig.send_status({.type = EV_LED, .code = LED_CAPSL, .value = 0});
    CHECK(rig.device.leds() == 1 << LED_NUML);
    // What there is not is ignored, whatever it is.
    rig.send_status({.type = EV_LED, .code = LED_MUTE, .value = 1});
    rig.send_status({.type = EV_LED, .code = 0xffff, .value = 1});
    rig.send_status({.type = 0xffff, .code = 0xffff, .value = 0xffffffff});
    rig.send_status({.type = EV_KEY, .code = KEY_A, .value = 1});
    rig.send_status({.type = EV_SYN, .code = SYN_REPORT, .value = 0});
    CHECK(rig.device.leds() == 1 << LED_NUML);
    CHECK_FALSE(rig.needs_reset());
    rig.driver.reset();
    CHECK(kit::eventually([&] { return rig.device.leds() == 0; }));
    CHECK_FALSE(rig.device.is_heard());
}

TEST_CASE("a status that is no event needs a reset, and after it all is well") {
    InputRig rig;
    SECTION("too short") {
        ChainBuilder(*rig.status).readable("1234567").add();
    }
    SECTION("only writable") {
        ChainBuilder(*rig.status).writable(8).add();
    }
    rig.driver.kick(status_queue);
    REQUIRE(kit::eventually([&] { return rig.needs_reset(); }));
    CHECK(rig.device.queue_state(status_queue).metrics.errors.get() == 1);
    rig.events->reset();
    rig.status->reset();
    rig.start();
    rig.give_buffers(2);
    rig.put({key(KEY_A, 1)});
    CHECK(rig.take(2) == Events{key(KEY_A, 1), report});
}

TEST_CASE("another driver hears nothing of what was before it") {
    InputRig rig;
    rig.put({key(KEY_A, 1)});
    rig.put({key(KEY_B, 1)});
    rig.driver.reset();
    rig.put({key(KEY_C, 1)});
    rig.events->reset();
    rig.status->reset();
    rig.start();
    rig.give_buffers(16);
    // These went down before it came.
    rig.put({key(KEY_A, 0), key(KEY_C, 0)});
    rig.put({key(KEY_D, 1)});
    CHECK(rig.take(2) == Events{key(KEY_D, 1), report});
}

TEST_CASE("whoever goes away lets go of its keys") {
    InputRig rig;
    rig.give_buffers(16);
    rig.put({key(KEY_A, 1)});
    rig.put({key(KEY_B, 1)});
    rig.put({key(KEY_A, 0)});
    rig.put({key(KEY_LEFTCTRL, 1)});
    CHECK(rig.take(8).size() == 8);
    rig.device.release_all();
    CHECK(rig.take(3) == Events{key(KEY_LEFTCTRL, 0), key(KEY_B, 0), report});
    rig.device.release_all();
    CHECK(rig.taken().empty());
}

TEST_CASE("many threads type at once, and every group stays whole") {
    InputRig rig;
    constexpr std::uint16_t threads = 4;
    constexpr int rounds = 40;
    std::vector<std::jthread> typists;
    for (std::uint16_t i = 0; i < threads; ++i) {
        typists.emplace_back([&, i] {
            for (int n = 0; n < rounds; ++n) {
                const auto first = static_cast<std::uint16_t>(KEY_F13 + 2 * i);
                const auto second = static_cast<std::uint16_t>(first + 1);
                rig.device.put(Events{key(first, 1), key(second, 1)});
                rig.device.put(Events{key(first, 0), key(second, 0)});
            }
        });
    }
    Events all;
    while (all.size() < std::size_t{threads} * rounds * 6) {
        rig.give_buffers(static_cast<unsigned>(rig.events->free_descriptors()));
        const auto some = rig.take(1);
        REQUIRE_FALSE(some.empty());
        all.insert(all.end(), some.begin(), some.end());
    }
    CHECK(rig.device.dropped() == 0);
    for (std::size_t i = 0; i + 2 < all.size(); i += 3) {
        REQUIRE(all[i].code + 1 == all[i + 1].code);
        REQUIRE(all[i].value == all[i + 1].value);
        REQUIRE(all[i + 2] == report);
    }
}

} // namespace input_test
