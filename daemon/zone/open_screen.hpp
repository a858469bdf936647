// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/reactor.hpp"
#include "devices/gpu/renderer.hpp"
#include "devices/gpu/screen.hpp"
#include "virtio/device.hpp"
#include "zone/kept_files.hpp"
#include "zone/zone_devices.hpp"
#include "zone/zone_inputs.hpp"

#include <cstddef>
#include <memory>

namespace hvisor::zone {

/// The back end of display `number` of a zone's GPU device. Who looks at it from
/// elsewhere types on `inputs`. What it needs of a display outlives the process in `kept`, which
/// outlives it. Errors name the connector or the address.
[[nodiscard]] Result<std::unique_ptr<devices::gpu::Screen>>
open_screen(Reactor& owner, const GpuSettings& gpu, std::size_t number, const virtio::DeviceContext& context,
            const std::shared_ptr<ZoneInputs>& inputs, KeptFiles& kept);

/// hvisor-gpu-render for a zone's GPU device; null, and a warning, when it is not there:
/// then the device draws in two dimensions. Waits for it.
[[nodiscard]] std::unique_ptr<devices::gpu::Renderer> open_renderer(Reactor& owner,
                                                                    const virtio::DeviceContext& context);

} // namespace hvisor::zone
