// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/virtio_config.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>
#include <string>

namespace read_input_config_test {

using namespace hvisor::zone;
using test::changed;
using test::good_one_file;
using test::good_virtio;
using test::read_virtio;
using test::read_zone;
using test::refusal;

namespace {

/// A zone in one file whose first device is an input device with these keys.
std::string one_file(std::string_view keys) {
    return changed(good_one_file, R"("console",)",
                   std::format(R"("input"{}{},)", keys.empty() ? "" : ", ", keys));
}

InputConfig read(std::string_view keys) {
    const ZoneFile zone = read_zone(one_file(keys));
    REQUIRE(zone.devices.size() == 2);
    CHECK(zone.devices[0].type == DeviceType::input);
    return zone.devices[0].input;
}

} // namespace

TEST_CASE("an input device is of the model that its zone file says") {
    CHECK(read(R"("model": "keyboard")").model == InputModel::keyboard);
    CHECK(read(R"("model": "tablet")").model == InputModel::tablet);
    CHECK(read(R"("model": "mouse")").model == InputModel::mouse);
    CHECK(read(R"("model": "mouse")").path.empty());
    for (const auto model :
         {InputModel::keyboard, InputModel::tablet, InputModel::mouse, InputModel::evdev}) {
        CHECK_FALSE(to_string(model).empty());
    }
}

TEST_CASE("an evdev has a path, and is the zone's alone unless it says otherwise") {
    const InputConfig plain = read(R"("model": "evdev", "path": "/dev/input/event3")");
    CHECK(plain.model == InputModel::evdev);
    CHECK(plain.path == "/dev/input/event3");
    CHECK(plain.grab);
    CHECK_FALSE(
        read(R"("model": "evdev", "grab": false, "path": "/dev/input/by-id/usb-A_b.c:1-event-kbd")").grab);
    CHECK(read(R"("model": "evdev", "path": "/dev/input/by-path/pci-0000:00:14.0-usb-event-mouse")").path ==
          "/dev/input/by-path/pci-0000:00:14.0-usb-event-mouse");
}

TEST_CASE("a zone can have several keyboards and pointers, in upstream's form too") {
    const auto config = read_virtio(changed(good_virtio, R"("console")", R"("input", "model": "keyboard")"));
    CHECK(config.zones[0].devices[0].input.model == InputModel::keyboard);
    const ZoneFile zone = read_zone(changed(
        one_file(R"("model": "keyboard")"), R"("devices": [)",
        R"("devices": [ { "type": "input", "addr": "0xa003000", "len": "0x200", "irq": 76, "model": "keyboard" },)"));
    CHECK(zone.devices.size() == 3);
}

TEST_CASE("what is wrong with an input device is one sentence with what was expected") {
    struct Wrong {
        const char* keys;
        const char* message; ///< from the key's pointer below the device on
    };
    constexpr const char* models = R"(expected "keyboard", "tablet", "mouse" or "evdev")";
    const Wrong all[] = {
        {"", R"(/devices/0/model: this key is missing; expected "keyboard", "tablet", "mouse" or "evdev")"},
        {R"("model": "keybord")",
         R"(expected "keyboard", "tablet", "mouse" or "evdev"; did you mean "keyboard"?)"},
        {R"("model": "joystick")",
         R"(/devices/0/model: "joystick" is no model of an input device; expected "keyboard", "tablet", "mouse" or "evdev")"},
        {R"("model": 1)", models},
        {R"("model": "evdev")",
         R"(/devices/0/path: this key is missing; expected one such as "/dev/input/event3" or "/dev/input/by-id/usb-Keyboard-event-kbd")"},
        {R"("model": "evdev", "path": "/etc/shadow")",
         R"(/devices/0/path: "/etc/shadow" is no input device; expected one such as "/dev/input/event3")"},
        {R"("model": "evdev", "path": "/dev/input/")", R"("/dev/input/" is no input device)"},
        {R"("model": "evdev", "path": "/dev/input/event")", "is no input device"},
        {R"("model": "evdev", "path": "/dev/input/event3x")", "is no input device"},
        {R"("model": "evdev", "path": "/dev/input/by-id/../../sda-event")", "is no input device"},
        {R"("model": "evdev", "path": "event3")", R"("event3" is no input device)"},
        {R"("model": "evdev", "path": 3)", "/devices/0/path: "},
        {R"("model": "tablet", "path": "/dev/input/event3")",
         R"(/devices/0/path: a tablet is made for the zone, and is none of the root zone's; expected the model "evdev" with this key)"},
        {R"("model": "keyboard", "grab": true)", R"(/devices/0/grab: a keyboard is made for the zone)"},
        {R"("model": "evdev", "path": "/dev/input/event3", "grab": "yes")", "/devices/0/grab: "},
        {R"("model": "keyboard", "grap": true)", "grap"},
    };
    for (const Wrong& wrong : all) {
        const auto said = refusal(one_file(wrong.keys));
        INFO(wrong.keys << ": " << said);
        CHECK(said.contains(wrong.message));
        CHECK_FALSE(said.contains('\n'));
    }
}

} // namespace read_input_config_test
