// SPDX-License-Identifier: Apache-2.0
#include "devices/input/models.hpp"

#include <linux/input.h>

namespace hvisor::devices::input {
namespace {

/// Who made them, as virtio's PCI devices have it.
constexpr std::uint16_t virtio_vendor = 0x1af4;
constexpr std::uint16_t model_version = 1;

DevIds model_ids(std::uint16_t product) {
    return {.bustype = BUS_VIRTUAL, .vendor = virtio_vendor, .product = product, .version = model_version};
}

void add_buttons_and_wheels(Capabilities& model) {
    model.add(EventType::key, {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA});
    model.add(EventType::relative, {REL_WHEEL, REL_HWHEEL});
}

} // namespace

Capabilities keyboard() {
    Capabilities model;
    model.name = "hvisor keyboard";
    model.ids = model_ids(1);
    // One block in Linux's numbers: the letters, F1 to F24, the keys of Japanese
    // and Korean keyboards, power and sleep, multimedia.
    for (std::uint16_t code = KEY_ESC; code <= KEY_MICMUTE; ++code) {
        model.add(EventType::key, code);
    }
    model.add(EventType::led, {LED_NUML, LED_CAPSL, LED_SCROLLL});
    // Linux repeats keys itself, of a keyboard that says it can.
    model.add(EventType::repeat, {REP_DELAY, REP_PERIOD});
    return model;
}

Capabilities tablet() {
    Capabilities model;
    model.name = "hvisor tablet";
    model.ids = model_ids(2);
    add_buttons_and_wheels(model);
    const AbsInfo range{.min = 0, .max = tablet_range, .fuzz = 0, .flat = 0, .res = 0};
    model.add_axis(ABS_X, range);
    model.add_axis(ABS_Y, range);
    return model;
}

Capabilities mouse() {
    Capabilities model;
    model.name = "hvisor mouse";
    model.ids = model_ids(3);
    add_buttons_and_wheels(model);
    model.add(EventType::relative, {REL_X, REL_Y});
    return model;
}

} // namespace hvisor::devices::input
