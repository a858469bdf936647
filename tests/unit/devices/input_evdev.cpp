// SPDX-License-Identifier: Apache-2.0
// A keyboard or pointer of the root zone, lent to a zone.
#include "devices/input/evdev.hpp"
#include "input_rig.hpp"
#include "kit/captured_log.hpp"
#include "kit/fake_evdev.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <linux/input.h>
#include <thread>

namespace input_evdev_test {

using namespace hvisor;
using namespace hvisor::devices::input;
using kit::FakeEvdev;

namespace {

std::shared_ptr<FakeEvdev> fake_keyboard() {
    auto fake = std::make_shared<FakeEvdev>();
    for (const auto code : std::initializer_list<std::size_t>{KEY_ENTER, KEY_A, KEY_B, KEY_LEFTCTRL}) {
        fake->codes[EV_KEY].set(code);
    }
    fake->codes[EV_LED].set(LED_CAPSL).set(LED_NUML);
    fake->codes[EV_MSC].set(MSC_SCAN);
    fake->repeats = true;
    return fake;
}

std::shared_ptr<FakeEvdev> fake_screen() {
    auto fake = std::make_shared<FakeEvdev>();
    fake->name = "Fake Touchscreen";
    fake->serial = "";
    fake->properties.set(INPUT_PROP_DIRECT);
    fake->codes[EV_KEY].set(BTN_TOUCH);
    for (const auto code : std::initializer_list<std::size_t>{ABS_X, ABS_Y, ABS_MT_SLOT, ABS_MT_TRACKING_ID,
                                                              ABS_MT_POSITION_X}) {
        fake->codes[EV_ABS].set(code);
        fake->axes[static_cast<unsigned>(code)] = {
            .value = 0, .minimum = -5, .maximum = 4095, .fuzz = 4, .flat = 2, .resolution = 10};
    }
    fake->axes[ABS_MT_SLOT] = {.value = 1, .minimum = 0, .maximum = 2, .fuzz = 0, .flat = 0, .resolution = 0};
    return fake;
}

std::unique_ptr<EvdevBackend> open(const std::shared_ptr<FakeEvdev>& fake, bool grab = true) {
    auto backend = EvdevBackend::open(
        {.path = "/dev/input/event3", .grab = grab, .about = {.zone = "linux2"}}, fake->opener());
    REQUIRE(backend);
    return std::move(*backend);
}

struct Lent {
    Capabilities capabilities;
    std::unique_ptr<Backend> backend;
};

Lent lend(const std::shared_ptr<FakeEvdev>& fake, bool grab) {
    auto backend = open(fake, grab);
    Capabilities capabilities = backend->capabilities();
    return {.capabilities = std::move(capabilities), .backend = std::move(backend)};
}

struct EvdevRig : InputRig {
    explicit EvdevRig(std::shared_ptr<FakeEvdev> its, bool grab = true) : EvdevRig(its, lend(its, grab)) {}
    EvdevRig(std::shared_ptr<FakeEvdev> its, Lent lent)
        : InputRig(std::move(lent.capabilities), std::move(lent.backend)), fake(std::move(its)) {}

    /// The zone has it.
    [[nodiscard]] bool is_lent() {
        // What happens before that is not the zone's, so it has to go on happening.
        give_buffers(static_cast<unsigned>(events->free_descriptors()));
        return kit::eventually([&] {
                   fake->happen({{.type = EventType::miscellaneous, .code = MSC_SCAN, .value = 1},
                                 {.type = EventType::absolute, .code = ABS_X, .value = next++}});
                   std::this_thread::sleep_for(std::chrono::milliseconds(1));
                   return !taken().empty();
               }) &&
               settles();
    }
    [[nodiscard]] bool settles() {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        taken();
        give_buffers(static_cast<unsigned>(events->free_descriptors()));
        return true;
    }

    std::shared_ptr<FakeEvdev> fake;
    std::int32_t next = 1;
};

} // namespace

TEST_CASE("a guest is told what the real device says of itself") {
    EvdevRig rig(fake_keyboard());
    CHECK(rig.device.backend_name() == "/dev/input/event3");
    CHECK(rig.device.is_real());
    CHECK(rig.text(Select::id_name) == "Fake Keyboard");
    CHECK(rig.text(Select::id_serial) == "F-1");
    DevIds ids;
    std::memcpy(&ids, rig.ask(Select::id_devids).data(), sizeof ids);
    CHECK(ids == DevIds{.bustype = BUS_USB, .vendor = 0x46d, .product = 0xc31c, .version = 0x110});
    const auto keys = rig.ask(Select::ev_bits, EV_KEY);
    CHECK(has_bit(keys, KEY_A));
    CHECK_FALSE(has_bit(keys, KEY_C));
    CHECK(rig.ask(Select::ev_bits, EV_LED) == std::vector{std::byte{1 << LED_CAPSL | 1 << LED_NUML}});
    CHECK(rig.ask(Select::ev_bits, EV_REP) == std::vector{std::byte{3}});
}

TEST_CASE("a touchscreen's axes and properties are the guest's") {
    EvdevRig rig(fake_screen());
    CHECK(rig.ask(Select::id_serial).empty());
    CHECK(rig.ask(Select::prop_bits) == std::vector{std::byte{1 << INPUT_PROP_DIRECT}});
    AbsInfo info;
    REQUIRE(rig.ask(Select::abs_info, ABS_MT_POSITION_X).size() == sizeof info);
    std::memcpy(&info, rig.ask(Select::abs_info, ABS_MT_POSITION_X).data(), sizeof info);
    CHECK(info ==
          AbsInfo{.min = static_cast<std::uint32_t>(-5), .max = 4095, .fuzz = 4, .flat = 2, .res = 10});
    CHECK(rig.ask(Select::ev_bits, EV_REP).empty());
}

TEST_CASE("what is no input device, or not there, is said") {
    const auto missing = EvdevBackend::open({.path = "/dev/input/event9999"});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ErrorCode::not_found);
    CHECK(missing.error().message == "/dev/input/event9999: No such file or directory");
    const auto null = EvdevBackend::open({.path = "/dev/null"});
    REQUIRE_FALSE(null);
    CHECK(null.error().code == ErrorCode::invalid_config);
    CHECK(null.error().message.starts_with("/dev/null: this is no input device: "));
}

TEST_CASE("what is typed reaches the guest while its driver runs, and nobody else") {
    const auto grab = GENERATE(true, false);
    EvdevRig rig(fake_keyboard(), grab);
    REQUIRE(rig.is_lent());
    CHECK(rig.fake->is_grabbed() == grab);
    const Event scan{.type = EventType::miscellaneous, .code = MSC_SCAN, .value = 0x70004};
    rig.fake->happen({scan, key(KEY_A, 1)});
    rig.fake->happen({key(KEY_A, 2)}); // the guest repeats it itself
    rig.fake->happen({key(KEY_A, 0), key(KEY_C, 1)});
    CHECK(rig.take(5) == Events{scan, key(KEY_A, 1), report, key(KEY_A, 0), report});
    rig.driver.reset();
    CHECK(kit::eventually([&] { return !rig.fake->is_grabbed(); }));
}

TEST_CASE("a key that is down when the driver comes is left to those who saw it go down") {
    auto fake = fake_keyboard();
    fake->set_key(KEY_ENTER, true);
    EvdevRig rig(fake);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK_FALSE(fake->is_grabbed());
    fake->happen({key(KEY_ENTER, 0)});
    CHECK(kit::eventually([&] { return fake->is_grabbed(); }));
    rig.give_buffers(8);
    CHECK(rig.taken().empty());
}

TEST_CASE("LEDs of the guest are those of the keyboard") {
    EvdevRig rig(fake_keyboard());
    REQUIRE(rig.is_lent());
    rig.send_status({.type = EV_LED, .code = LED_CAPSL, .value = 1});
    rig.send_status({.type = EV_LED, .code = LED_SCROLLL, .value = 1}); // it has none
    CHECK(kit::eventually([&] { return rig.fake->written().contains({EV_SYN, SYN_REPORT}); }));
    CHECK(rig.fake->written().at({EV_LED, LED_CAPSL}) == 1);
    CHECK_FALSE(rig.fake->written().contains({EV_LED, LED_SCROLLL}));
    rig.send_status({.type = EV_LED, .code = LED_CAPSL, .value = 0});
    CHECK(kit::eventually([&] { return rig.fake->written().at({EV_LED, LED_CAPSL}) == 0; }));
}

TEST_CASE("a keyboard that is pulled out leaves no key down, and is the guest's again when it comes back") {
    kit::CapturedLog log;
    EvdevRig rig(fake_keyboard());
    REQUIRE(rig.is_lent());
    rig.send_status({.type = EV_LED, .code = LED_CAPSL, .value = 1});
    rig.fake->happen({key(KEY_A, 1)});
    CHECK(rig.take(2) == Events{key(KEY_A, 1), report});
    rig.fake->unplug();
    CHECK(rig.take(2) == Events{key(KEY_A, 0), report});
    CHECK_FALSE(rig.needs_reset());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    rig.fake->plug();
    CHECK(kit::eventually([&] { return rig.fake->is_grabbed(); }));
    // Its LEDs are as the guest set them.
    CHECK(kit::eventually([&] { return rig.fake->written().contains({EV_LED, LED_CAPSL}); }));
    REQUIRE(rig.is_lent());
    rig.fake->happen({key(KEY_B, 1)});
    CHECK(rig.take(2) == Events{key(KEY_B, 1), report});
    CHECK(rig.fake->opened() == 2);
    CHECK(log.text().contains("/dev/input/event3 is gone; the zone has it again when it is back"));
    CHECK(log.text().contains("/dev/input/event3 is back"));
}

TEST_CASE("a driver that comes while the keyboard is out has it when it is back") {
    kit::CapturedLog log;
    EvdevRig rig(fake_keyboard());
    REQUIRE(rig.is_lent());
    rig.driver.reset();
    CHECK(kit::eventually([&] { return !rig.fake->is_grabbed(); }));
    rig.fake->unplug();
    rig.events->reset();
    rig.status->reset();
    rig.start();
    CHECK(kit::eventually(
        [&] { return log.text().contains("No such file or directory; the zone has it again"); }));
    rig.fake->plug();
    CHECK(rig.is_lent());
    // It goes with the zone, wherever the keyboard is.
    rig.fake->unplug();
    rig.device.quiesce();
    rig.device.disconnect();
    CHECK_FALSE(rig.fake->is_grabbed());
}

TEST_CASE("a keyboard that somebody else has alone is the guest's when it is free") {
    kit::CapturedLog log;
    auto fake = fake_keyboard();
    fake->take_away(true);
    EvdevRig rig(fake);
    CHECK(kit::eventually([&] {
        return log.text().contains("/dev/input/event3 cannot be had alone: Device or resource busy");
    }));
    fake->take_away(false);
    CHECK(rig.is_lent());
    CHECK(fake->is_grabbed());
}

TEST_CASE("when the kernel has thrown events away, the guest learns how all keys are") {
    EvdevRig rig(fake_keyboard());
    REQUIRE(rig.is_lent());
    rig.fake->happen({key(KEY_A, 1)});
    CHECK(rig.take(2) == Events{key(KEY_A, 1), report});
    rig.fake->set_key(KEY_A, false);
    rig.fake->set_key(KEY_LEFTCTRL, true);
    // What follows up to the next report is a part of a group, and of no use.
    rig.fake->send({{.type = EventType::synchronization, .code = SYN_DROPPED, .value = 0}, key(KEY_B, 0)});
    rig.fake->happen({});
    CHECK(rig.take(3) == Events{key(KEY_LEFTCTRL, 1), key(KEY_A, 0), report});
}

TEST_CASE("a group without an end costs bounded memory, and is made up for") {
    EvdevRig rig(fake_keyboard());
    REQUIRE(rig.is_lent());
    for (int i = 0; i < 100; ++i) {
        Events some(20, {.type = EventType::miscellaneous, .code = MSC_SCAN, .value = i});
        rig.fake->send(some);
        std::this_thread::sleep_for(std::chrono::microseconds(300)); // its socket holds some hundred
    }
    rig.fake->happen({key(KEY_B, 1)});
    CHECK(rig.take(2) == Events{key(KEY_B, 1), report});
}

TEST_CASE("fingers that were lifted unseen are lifted in the guest") {
    EvdevRig rig(fake_screen());
    REQUIRE(rig.is_lent());
    rig.fake->happen({axis(ABS_MT_SLOT, 1), axis(ABS_MT_TRACKING_ID, 7), axis(ABS_MT_POSITION_X, 9)});
    CHECK(rig.take(4).size() == 4);
    rig.fake->set_contacts({-1, -1, 8});
    rig.fake->send({{.type = EventType::synchronization, .code = SYN_DROPPED, .value = 0}});
    rig.fake->happen({});
    // Of every slot who is in it, and at the end which one it is about now.
    const auto events = rig.take(8);
    std::map<std::int32_t, std::int32_t> ids;
    std::int32_t slot = -1;
    for (const auto& event : events) {
        if (event.code == ABS_MT_SLOT) {
            slot = event.value;
        } else if (event.code == ABS_MT_TRACKING_ID) {
            ids[slot] = event.value;
        }
    }
    CHECK(ids == std::map<std::int32_t, std::int32_t>{{0, -1}, {1, -1}, {2, 8}});
    CHECK(slot == 1);
}

} // namespace input_evdev_test
