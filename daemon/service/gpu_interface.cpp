// SPDX-License-Identifier: Apache-2.0
#include "service/gpu_interface.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace hvisor::service {
namespace {

/// All but what is counted, which changes with every frame.
bool is_same(const zone::DisplayState& one, const zone::DisplayState& other) {
    const auto shape = [](const zone::DisplayState& display) {
        return std::tie(display.connector, display.is_connected, display.is_on, display.width, display.height,
                        display.refresh);
    };
    return shape(one) == shape(other);
}

bool is_seen_alike(const zone::DisplayState& one, const zone::DisplayState& other) {
    return one.remote == other.remote && one.viewers == other.viewers;
}

} // namespace

GpuInterface::GpuInterface(const ObjectContext& context, OpenCalls& calls, sdbus::ObjectPath path,
                           std::string zone, std::string device, zone::GpuState state, Sampler sampler)
    : AdaptorInterfaces(context.connection, std::move(path)),
      context_(context),
      calls_(calls),
      zone_(std::move(zone)),
      device_(std::move(device)),
      state_(std::move(state)),
      sampler_(std::move(sampler)) {
    registerAdaptor();
}

GpuInterface::~GpuInterface() {
    unregisterAdaptor();
}

void GpuInterface::update(const zone::GpuState& state) {
    std::vector<sdbus::PropertyName> changed;
    if (!std::ranges::equal(state.displays, state_.displays, is_same)) {
        changed.emplace_back("Displays");
    }
    if (!std::ranges::equal(state.displays, state_.displays, is_seen_alike)) {
        changed.emplace_back("Viewers");
    }
    state_ = state;
    if (!changed.empty()) {
        announce([this, &changed] { getObject().emitPropertiesChangedSignal(INTERFACE_NAME, changed); });
    }
}

void GpuInterface::Screenshot(sdbus::Result<sdbus::UnixFd, Dictionary>&& result, std::uint32_t display,
                              Dictionary options) {
    check_options(options, {"cursor"});
    authorise(context_.authority, Action::open_console, zone_, Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = zone_, device = device_, display,
               with_cursor = option<bool>(options, "cursor", "b").value_or(false)](auto& reply) {
                  actions.take_screenshot(zone, device, display, with_cursor, std::move(reply));
              });
}

void GpuInterface::Resize(sdbus::Result<>&& result, std::uint32_t display, std::uint32_t width,
                          std::uint32_t height, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::manage_devices, zone_, Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = zone_, device = device_, display,
               size = devices::gpu::Size{.width = width, .height = height}](auto& reply) {
                  actions.resize_display(zone, device, display, size, std::move(reply));
              });
}

// Not sampled: it is announced when it changes, and must not be newer than that.
std::vector<GpuInterface::Display> GpuInterface::Displays() {
    std::vector<Display> displays;
    displays.reserve(state_.displays.size());
    for (const auto& display : state_.displays) {
        displays.emplace_back(display.connector, display.is_connected, display.is_on, display.width,
                              display.height, display.refresh);
    }
    return displays;
}

std::vector<GpuInterface::FrameCounts> GpuInterface::Frames() {
    std::vector<FrameCounts> counts;
    for (const auto& display : sample().displays) {
        counts.emplace_back(display.frames, display.frames_per_second);
    }
    return counts;
}

std::vector<GpuInterface::Viewing> GpuInterface::Viewers() {
    std::vector<Viewing> viewings;
    for (const auto& display : state_.displays) {
        viewings.emplace_back(display.remote, static_cast<std::uint32_t>(display.viewers));
    }
    return viewings;
}

std::uint64_t GpuInterface::MemoryUsed() {
    return sample().memory_used;
}

std::uint64_t GpuInterface::MemoryLimit() {
    return state_.memory_limit;
}

std::string GpuInterface::Renderer() {
    return state_.renderer;
}

zone::GpuState GpuInterface::sample() const {
    return sampler_().value_or(state_);
}

} // namespace hvisor::service
