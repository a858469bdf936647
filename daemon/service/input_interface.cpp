// SPDX-License-Identifier: Apache-2.0
#include "service/input_interface.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace hvisor::service {
namespace {

/// As the kernel calls them in /sys/class/leds, in the order of their numbers.
constexpr std::array<std::string_view, 11> led_names{"numlock", "capslock", "scrolllock", "compose",
                                                     "kana",    "sleep",    "suspend",    "mute",
                                                     "misc",    "mail",     "charging"};

} // namespace

InputInterface::InputInterface(const ObjectContext& context, sdbus::ObjectPath path, zone::InputState state,
                               Sampler sampler)
    : AdaptorInterfaces(context.connection, std::move(path)),
      state_(std::move(state)),
      sampler_(std::move(sampler)) {
    registerAdaptor();
}

InputInterface::~InputInterface() {
    unregisterAdaptor();
}

void InputInterface::update(const zone::InputState& state) {
    const bool changed = state.leds != state_.leds;
    state_ = state;
    if (changed) {
        announce([this] {
            getObject().emitPropertiesChangedSignal(INTERFACE_NAME, {sdbus::PropertyName("Leds")});
        });
    }
}

std::string InputInterface::Model() {
    return state_.model;
}

std::string InputInterface::Name() {
    return state_.name;
}

// Not sampled: it is announced when it changes, and must not be newer than that.
std::vector<std::string> InputInterface::Leds() {
    std::vector<std::string> lit;
    for (std::size_t led = 0; led < led_names.size(); ++led) {
        if ((state_.leds >> led & 1) != 0) {
            lit.emplace_back(led_names.at(led));
        }
    }
    return lit;
}

std::uint64_t InputInterface::EventsDropped() {
    return sampler_().value_or(state_).dropped;
}

} // namespace hvisor::service
