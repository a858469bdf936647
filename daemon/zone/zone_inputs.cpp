// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_inputs.hpp"

#include "devices/input/device.hpp"
#include "devices/input/models.hpp"
#include "zone/device_slot.hpp"

#include <algorithm>
#include <array>

namespace hvisor::zone {
namespace {

using devices::input::Event;
using devices::input::EventType;

/// As the bits of Pointer::buttons.
constexpr std::array<std::uint16_t, 5> buttons{BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE, BTN_EXTRA};

/// A pixel's place on a tablet: the first one is its beginning, the last one its end.
std::int32_t place(std::uint32_t pixel, std::uint32_t pixels) {
    const std::uint64_t last = std::max<std::uint32_t>(pixels, 2) - 1;
    const auto inside = std::min<std::uint64_t>(pixel, last);
    return static_cast<std::int32_t>(inside * devices::input::tablet_range / last);
}

/// How far it is, as a driver can be told.
std::int32_t distance_between(std::uint32_t from, std::uint32_t to) {
    const auto way = std::int64_t{to} - std::int64_t{from};
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(way, INT16_MIN, INT16_MAX));
}

void add_step(std::vector<Event>& group, EventType type, std::uint16_t code, std::int32_t value) {
    if (value != 0) {
        group.push_back({.type = type, .code = code, .value = value});
    }
}

} // namespace

std::shared_ptr<devices::input::InputDevice> ZoneInputs::find(std::uint16_t type, std::uint16_t code) const {
    const std::scoped_lock guard(lock_);
    for (const auto& weak : slots_) {
        const auto slot = weak.lock();
        const bool is_virtual = slot && !slot->input()->is_real();
        if (is_virtual && slot->input()->capabilities().has(static_cast<EventType>(type), code)) {
            return {slot, slot->input()};
        }
    }
    return nullptr;
}

bool ZoneInputs::key(std::uint16_t code, bool is_pressed) {
    // Every virtual keyboard has all of its keys, and only keyboards have this one.
    const auto keyboard = find(EV_KEY, KEY_ESC);
    if (!keyboard || !keyboard->capabilities().has(EventType::key, code)) {
        return false;
    }
    const Event event{.type = EventType::key, .code = code, .value = is_pressed ? 1 : 0};
    keyboard->put({&event, 1});
    return true;
}

bool ZoneInputs::point(const Pointer& pointer) {
    if (const auto tablet = find(EV_ABS, ABS_X)) {
        move(*tablet, pointer, true);
        return true;
    }
    if (const auto mouse = find(EV_REL, REL_X)) {
        move(*mouse, pointer, false);
        return true;
    }
    return false;
}

void ZoneInputs::move(devices::input::InputDevice& device, const Pointer& pointer, bool is_absolute) {
    std::vector<Event> group;
    {
        const std::scoped_lock guard(lock_);
        const auto from = last_.value_or(std::pair(pointer.x, pointer.y));
        last_ = {pointer.x, pointer.y};
        if (!is_absolute) {
            add_step(group, EventType::relative, REL_X, distance_between(from.first, pointer.x));
            add_step(group, EventType::relative, REL_Y, distance_between(from.second, pointer.y));
        }
    }
    if (is_absolute) {
        group.push_back(
            {.type = EventType::absolute, .code = ABS_X, .value = place(pointer.x, pointer.width)});
        group.push_back(
            {.type = EventType::absolute, .code = ABS_Y, .value = place(pointer.y, pointer.height)});
    }
    for (std::size_t i = 0; i < buttons.size(); ++i) {
        const bool is_down = (pointer.buttons >> i & 1) != 0;
        group.push_back({.type = EventType::key, .code = buttons.at(i), .value = is_down ? 1 : 0});
    }
    add_step(group, EventType::relative, REL_WHEEL, pointer.wheel);
    add_step(group, EventType::relative, REL_HWHEEL, pointer.horizontal_wheel);
    device.put(group);
}

void ZoneInputs::release_all() {
    std::vector<std::shared_ptr<DeviceSlot>> slots;
    {
        const std::scoped_lock guard(lock_);
        std::ranges::transform(slots_, std::back_inserter(slots),
                               [](const auto& slot) { return slot.lock(); });
        last_.reset(); // the next one to sit here points from where it likes
    }
    for (const auto& slot : slots) {
        if (slot && !slot->input()->is_real()) {
            slot->input()->release_all();
        }
    }
}

bool ZoneInputs::has_keyboard() const {
    const auto keyboard = find(EV_KEY, KEY_ESC);
    return keyboard && keyboard->is_heard();
}

Result<void> ZoneInputs::check_keys(std::span<const std::uint16_t> codes) const {
    const auto keyboard = find(EV_KEY, KEY_ESC);
    if (!keyboard) {
        return fail(ErrorCode::no_such_device,
                    R"(the zone has no keyboard of its own; expected a device of the type "input" with the )"
                    R"(model "keyboard" in its configuration)");
    }
    for (const auto code : codes) {
        if (!keyboard->capabilities().has(EventType::key, code)) {
            return fail(ErrorCode::invalid_config, "the zone's keyboard has no key {}", code);
        }
    }
    if (!keyboard->is_heard()) {
        return fail(ErrorCode::wrong_state,
                    "no driver of the zone uses its keyboard; expected virtio_input in "
                    "a Linux that has started");
    }
    return {};
}

void ZoneInputs::set_devices(const std::vector<std::shared_ptr<DeviceSlot>>& slots) {
    const std::scoped_lock guard(lock_);
    slots_.clear();
    std::ranges::copy_if(slots, std::back_inserter(slots_),
                         [](const auto& slot) { return slot->input() != nullptr; });
}

} // namespace hvisor::zone
