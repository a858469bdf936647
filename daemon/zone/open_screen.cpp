// SPDX-License-Identifier: Apache-2.0
#include "zone/open_screen.hpp"

#include "base/log.hpp"
#include "base/runtime_directory.hpp"
#include "devices/gpu/backend_drm.hpp"
#include "devices/gpu/backend_headless.hpp"
#include "zone/kept_display.hpp"

#include <format>
#include <utility>

namespace hvisor::zone {

using devices::gpu::Screen;

namespace {

/// Hz, as people write it, and mHz, as displays have it.
constexpr std::uint32_t millihertz = 1000;

/// Whoever looks at a screen from elsewhere types on the zone's own keyboard.
devices::gpu::RemoteInput remote_input(const std::shared_ptr<ZoneInputs>& inputs) {
    return {.key = [inputs](std::uint16_t code, bool is_pressed) { inputs->key(code, is_pressed); },
            .point =
                [inputs](const viewer::Pointer& pointer, devices::gpu::Size picture) {
                    inputs->point({.x = pointer.x,
                                   .y = pointer.y,
                                   .width = picture.width,
                                   .height = picture.height,
                                   .buttons = pointer.buttons,
                                   .wheel = pointer.wheel,
                                   .horizontal_wheel = pointer.horizontal_wheel});
                },
            .resize = {}};
}

/// Of display `number`. Its name and its usual address are the zone's, with its number unless that is 0.
devices::gpu::VncSettings vnc_settings(const VncConfig& vnc, std::string password, std::size_t number,
                                       const virtio::DeviceContext& context) {
    const auto name = number == 0 ? context.zone_name : std::format("{}-{}", context.zone_name, number);
    return {.helper = runtime_directory() / "vnc-server",
            .address = vnc.listen.empty() ? (runtime_directory() / "vnc" / name).string() : vnc.listen,
            .name = name,
            .keymap = vnc.keymap,
            .password = std::move(password),
            .about = {.zone = context.zone_name, .device = context.id}};
}

Result<std::unique_ptr<Screen>> open_headless(Reactor& owner, const GpuSettings& gpu, std::size_t number,
                                              const virtio::DeviceContext& context,
                                              const std::shared_ptr<ZoneInputs>& inputs) {
    const DisplayConfig& display = gpu.config.displays[number];
    auto screen = std::make_unique<devices::gpu::HeadlessScreen>(
        owner, devices::gpu::Size{.width = display.width, .height = display.height},
        display.refresh * millihertz);
    if (display.vnc) {
        if (auto served = screen->serve(vnc_settings(*display.vnc, gpu.passwords[number], number, context),
                                        remote_input(inputs));
            !served) {
            return std::unexpected(std::move(served).error());
        }
    }
    return screen;
}

} // namespace

Result<std::unique_ptr<Screen>> open_screen(Reactor& owner, const GpuSettings& gpu, std::size_t number,
                                            const virtio::DeviceContext& context,
                                            const std::shared_ptr<ZoneInputs>& inputs, KeptFiles& kept) {
    if (gpu.config.backend == GpuBackend::headless) {
        return open_headless(owner, gpu, number, context, inputs);
    }
    const DisplayConfig& display = gpu.config.displays[number];
    return devices::gpu::DrmScreen::open(owner, {.card = gpu.config.card,
                                                 .connector = display.connector,
                                                 .size = {.width = display.width, .height = display.height},
                                                 .about = {.zone = context.zone_name, .device = context.id},
                                                 .keeper = keep_display(kept, number),
                                                 .inherited = take_display(kept, number)});
}

std::unique_ptr<devices::gpu::Renderer> open_renderer(Reactor& owner, const virtio::DeviceContext& context) {
    auto renderer = devices::gpu::Renderer::open(
        owner, {.connect = [socket = runtime_directory() /
                                     "gpu-render"] { return devices::gpu::connect_renderer(socket); },
                .name = context.zone_name});
    if (!renderer) {
        log::write_later(
            log::Level::warning, {.zone = context.zone_name, .device = context.id},
            std::format("no 3D for the zone, which draws in two dimensions: {}", renderer.error().message));
        return nullptr;
    }
    return std::move(*renderer);
}

} // namespace hvisor::zone
