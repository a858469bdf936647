// SPDX-License-Identifier: Apache-2.0
#include "devices/console/config.hpp"
#include "devices/input/config.hpp"
#include "devices/input/event.hpp"
#include "zone/zone_inputs.hpp"
#include "zone_rig.hpp"

#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace input_test {

using namespace hvisor;
using namespace hvisor::zone;
using devices::input::Event;
using devices::input::EventType;
using devices::input::report;
using Events = std::vector<Event>;

namespace {

constexpr std::uint64_t keyboard_address = 0xa003400;
constexpr std::uint64_t tablet_address = 0xa003600;
constexpr std::uint64_t mouse_address = 0xa003200;
constexpr std::uint32_t input_interrupt = 74;

ZoneRig::Windows windows() {
    return {{.address = disk_address, .size = window},
            {.address = console_address, .size = window},
            {.address = keyboard_address, .size = window},
            {.address = tablet_address, .size = window},
            {.address = mouse_address, .size = window}};
}

std::string attach(ZoneRig& rig, InputModel model, std::uint64_t address) {
    auto id = rig.devices->attach({.address = address,
                                   .length = window,
                                   .interrupt = input_interrupt,
                                   .model = InputSettings{.config = {.model = model}}});
    REQUIRE(id);
    return *id;
}

Event key(std::uint16_t code, std::int32_t value) {
    return {.type = EventType::key, .code = code, .value = value};
}

/// Linux's driver as far as it takes to hear.
class Listener {
  public:
    Listener(ZoneRig& rig, std::uint64_t address)
        : events_(rig.ram, 64), status_(rig.ram, 16), driver_(rig.driver(address)) {
        REQUIRE(driver_.negotiate({virtio::FeatureBit::version_1}));
        REQUIRE(driver_.set_up_queue(0, events_));
        REQUIRE(driver_.set_up_queue(1, status_));
        driver_.start();
        for (int i = 0; i < 64; ++i) {
            kit::ChainBuilder chain(events_);
            chain.writable(sizeof(devices::input::WireEvent));
            const auto head = chain.add();
            buffers_.emplace(head, std::move(chain));
        }
        driver_.kick(0);
    }

    Events take(std::size_t count) {
        Events all;
        CHECK(kit::eventually([&] {
            while (const auto used = events_.take_used()) {
                devices::input::WireEvent wire;
                std::memcpy(&wire, buffers_.at(used->head).written(0).data(), sizeof wire);
                all.push_back({.type = static_cast<EventType>(wire.type),
                               .code = wire.code,
                               .value = std::bit_cast<std::int32_t>(wire.value)});
            }
            return all.size() >= count;
        }));
        driver_.acknowledge();
        return all;
    }
    [[nodiscard]] bool is_silent() const { return !events_.has_used(); }
    void light(std::uint16_t led) {
        kit::ChainBuilder(status_)
            .readable_value(devices::input::WireEvent{.type = EV_LED, .code = led, .value = 1})
            .add();
        driver_.kick(1);
        REQUIRE(kit::eventually([&] { return status_.take_used().has_value(); }));
    }

  private:
    kit::SplitQueue events_;
    kit::SplitQueue status_;
    kit::MmioDriver driver_;
    std::map<std::uint16_t, kit::ChainBuilder> buffers_;
};

} // namespace

TEST_CASE("keys reach a zone's keyboard, and its state shows it") {
    ZoneRig rig({}, windows());
    const auto inputs = rig.devices->inputs();
    REQUIRE(inputs);
    CHECK_FALSE(inputs->key(KEY_A, true)); // there is none
    CHECK(attach(rig, InputModel::keyboard, keyboard_address) == "input-a003400");
    CHECK_FALSE(inputs->has_keyboard()); // its driver does not run
    Listener listener(rig, keyboard_address);
    CHECK(kit::eventually([&] { return inputs->has_keyboard(); }));
    CHECK(inputs->key(KEY_A, true));
    CHECK(inputs->key(KEY_A, false));
    CHECK(listener.take(4) == Events{key(KEY_A, 1), report, key(KEY_A, 0), report});
    CHECK_FALSE(inputs->key(BTN_LEFT, true));
    CHECK_FALSE(inputs->key(0xffff, true));
    CHECK(inputs->key(KEY_LEFTCTRL, true));
    inputs->release_all();
    CHECK(listener.take(4) == Events{key(KEY_LEFTCTRL, 1), report, key(KEY_LEFTCTRL, 0), report});
    listener.light(LED_CAPSL);
    const auto state = rig.devices->inspect().at(2);
    CHECK(state.type == "input");
    CHECK(state.backend == "keyboard");
    REQUIRE(state.input);
    CHECK(state.input->model == "keyboard");
    CHECK(state.input->name == "hvisor keyboard");
    CHECK(state.input->leds == 1 << LED_CAPSL);
    CHECK(state.input->dropped == 0);
}

TEST_CASE("a pointer on a picture is one on a tablet, corner to corner") {
    ZoneRig rig({}, windows());
    const auto inputs = rig.devices->inputs();
    CHECK_FALSE(inputs->point({.width = 100, .height = 100}));
    attach(rig, InputModel::mouse, mouse_address);
    attach(rig, InputModel::tablet, tablet_address);
    Listener mouse(rig, mouse_address);
    Listener tablet(rig, tablet_address);
    CHECK(kit::eventually(
        [&] { return rig.devices->inspect().at(3).queues.at(0).metrics.notifications.get() > 0; }));
    const auto at = [](std::int32_t x, std::int32_t y) {
        return Events{{.type = EventType::absolute, .code = ABS_X, .value = x},
                      {.type = EventType::absolute, .code = ABS_Y, .value = y},
                      report};
    };
    CHECK(inputs->point({.x = 0, .y = 0, .width = 1280, .height = 800}));
    CHECK(tablet.take(3) == at(0, 0));
    CHECK(inputs->point({.x = 1279, .y = 799, .width = 1280, .height = 800}));
    CHECK(tablet.take(3) == at(32767, 32767));
    // Outside, and on pictures that cannot be.
    CHECK(inputs->point({.x = 640, .y = UINT32_MAX, .width = 1281, .height = 800}));
    CHECK(tablet.take(2) == Events{at(16383, 0).front(), report});
    CHECK(inputs->point({.x = 5, .y = 0, .width = 0, .height = 1}));
    CHECK(tablet.take(3) == at(32767, 0));
    // Buttons and wheels.
    CHECK(inputs->point(
        {.x = 1, .y = 0, .width = 2, .height = 2, .buttons = 0x1f, .wheel = -1, .horizontal_wheel = 2}));
    CHECK(tablet.take(8) == Events{key(BTN_LEFT, 1),
                                   key(BTN_MIDDLE, 1),
                                   key(BTN_RIGHT, 1),
                                   key(BTN_SIDE, 1),
                                   key(BTN_EXTRA, 1),
                                   {.type = EventType::relative, .code = REL_WHEEL, .value = -1},
                                   {.type = EventType::relative, .code = REL_HWHEEL, .value = 2},
                                   report});
    CHECK(inputs->point({.x = 1, .y = 0, .width = 2, .height = 2, .buttons = 0x1d}));
    CHECK(tablet.take(2) == Events{key(BTN_MIDDLE, 0), report});
    inputs->release_all();
    CHECK(tablet.take(5).size() == 5);
    CHECK(mouse.is_silent());
}

TEST_CASE("without a tablet a mouse moves as far as the pointer did") {
    ZoneRig rig({}, windows());
    attach(rig, InputModel::mouse, mouse_address);
    Listener mouse(rig, mouse_address);
    const auto inputs = rig.devices->inputs();
    const auto moved = [](std::int32_t x, std::int32_t y) {
        return Events{{.type = EventType::relative, .code = REL_X, .value = x},
                      {.type = EventType::relative, .code = REL_Y, .value = y},
                      report};
    };
    CHECK(inputs->point({.x = 10, .y = 20, .width = 100, .height = 100})); // from nowhere
    CHECK(inputs->point({.x = 15, .y = 12, .width = 100, .height = 100}));
    CHECK(mouse.take(3) == moved(5, -8));
    CHECK(inputs->point({.x = UINT32_MAX, .y = 13, .width = 100, .height = 100}));
    CHECK(mouse.take(3) == moved(32767, 1));
    inputs->release_all();
    CHECK(inputs->point({.x = 50, .y = 50, .width = 100, .height = 100, .buttons = 1}));
    CHECK(mouse.take(2) == Events{key(BTN_LEFT, 1), report});
}

TEST_CASE("the first keyboard is typed on, and the next one when it is gone") {
    ZoneRig rig({}, windows());
    const auto inputs = rig.devices->inputs();
    const auto first = attach(rig, InputModel::keyboard, keyboard_address);
    attach(rig, InputModel::keyboard, tablet_address);
    Listener one(rig, keyboard_address);
    Listener two(rig, tablet_address);
    CHECK(inputs->key(KEY_A, true));
    CHECK(one.take(2).size() == 2);
    CHECK(two.is_silent());
    REQUIRE(rig.devices->detach(first, true));
    CHECK(inputs->key(KEY_B, true));
    CHECK(two.take(2) == Events{key(KEY_B, 1), report});
    REQUIRE(rig.devices->detach("input-a003600", true));
    CHECK_FALSE(inputs->key(KEY_B, false));
}

TEST_CASE("a guest without an agent is asked to power itself off by its power key") {
    ZoneRig rig({}, windows());
    CHECK_FALSE(rig.devices->ask_to_power_off());
    attach(rig, InputModel::mouse, mouse_address);
    attach(rig, InputModel::keyboard, keyboard_address);
    CHECK_FALSE(rig.devices->ask_to_power_off()); // nobody would hear it
    Listener listener(rig, keyboard_address);
    REQUIRE(kit::eventually([&] { return rig.devices->inputs()->has_keyboard(); }));
    const auto asked = rig.devices->ask_to_power_off();
    REQUIRE(asked);
    CHECK(std::string(asked->way) == "by its power key");
    CHECK_FALSE(asked->stream);
    CHECK(listener.take(4) == Events{key(KEY_POWER, 1), report, key(KEY_POWER, 0), report});
}

TEST_CASE("an agent is asked before a keyboard is") {
    namespace console = devices::console;
    constexpr std::uint64_t agent_address = tablet_address;
    ZoneRig rig({}, windows());
    attach(rig, InputModel::keyboard, keyboard_address);
    Listener listener(rig, keyboard_address);
    REQUIRE(rig.devices->attach(
        {.address = agent_address,
         .length = window,
         .interrupt = input_interrupt,
         .model = ConsoleSettings{.ports = {{.name = ZoneDevices::agent_port, .is_console = false}}}}));
    // A guest with such a port that nobody has opened is no guest with an agent.
    const auto driver = rig.driver(agent_address);
    REQUIRE(driver.negotiate({virtio::FeatureBit::version_1, console::f_multiport}));
    std::vector<std::unique_ptr<kit::SplitQueue>> queues;
    for (std::uint32_t i = 0; i < console::queue_count_of(2); ++i) {
        queues.push_back(std::make_unique<kit::SplitQueue>(rig.ram, 16));
        REQUIRE(driver.set_up_queue(i, *queues.back()));
    }
    driver.start();
    const auto send = [&](std::uint32_t id, console::ControlEvent event) {
        auto& queue = *queues.at(console::control_transmit_queue);
        kit::ChainBuilder(queue)
            .readable_value(
                console::Control{.id = id, .event = static_cast<std::uint16_t>(event), .value = 1})
            .add();
        driver.kick(console::control_transmit_queue);
        REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
    };
    send(0, console::ControlEvent::device_ready);
    send(1, console::ControlEvent::port_ready);
    auto asked = rig.devices->ask_to_power_off();
    REQUIRE(asked);
    CHECK(std::string(asked->way) == "by its power key");
    CHECK(listener.take(4).size() == 4);
    send(1, console::ControlEvent::port_open);
    asked = rig.devices->ask_to_power_off();
    REQUIRE(asked);
    CHECK(std::string(asked->way) == "by its guest agent");
    CHECK(asked->stream);
    CHECK(listener.is_silent());
}

TEST_CASE("keys that a zone cannot be sent are said, and why") {
    ZoneRig rig({}, windows());
    const auto inputs = rig.devices->inputs();
    constexpr std::uint16_t power[] = {KEY_POWER};
    constexpr std::uint16_t odd[] = {KEY_A, BTN_LEFT};
    CHECK(inputs->check_keys(power).error().code == ErrorCode::no_such_device);
    attach(rig, InputModel::keyboard, keyboard_address);
    CHECK(inputs->check_keys(odd).error().message == "the zone's keyboard has no key 272");
    CHECK(inputs->check_keys(power).error().code == ErrorCode::wrong_state);
    const Listener listener(rig, keyboard_address);
    CHECK(kit::eventually([&] { return inputs->check_keys(power).has_value(); }));
}

TEST_CASE("who sits at a zone's screen longer than the zone is there reaches nothing") {
    std::shared_ptr<ZoneInputs> inputs;
    {
        ZoneRig rig({}, windows());
        attach(rig, InputModel::keyboard, keyboard_address);
        attach(rig, InputModel::tablet, tablet_address);
        inputs = rig.devices->inputs();
        CHECK(inputs->key(KEY_A, true));
    }
    CHECK_FALSE(inputs->key(KEY_A, false));
    CHECK_FALSE(inputs->point({.width = 1, .height = 1}));
    CHECK_FALSE(inputs->has_keyboard());
    inputs->release_all();
}

TEST_CASE("a real keyboard that is not there is said with its place in the zone's file") {
    ZoneRig rig({}, windows());
    const auto refused = rig.devices->attach(
        {.address = keyboard_address,
         .length = window,
         .interrupt = input_interrupt,
         .model = InputSettings{.config = {.model = InputModel::evdev, .path = "/dev/input/event9999"},
                                .location = "v.json:5:5: /zones/0/devices/0"}});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "input at 0xa003400: v.json:5:5: /zones/0/devices/0/path: "
                                     "/dev/input/event9999: No such file or directory");
    CHECK(refused.error().code == ErrorCode::not_found);
}

} // namespace input_test
