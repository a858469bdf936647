// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/virtio_config.hpp"

namespace hvisor::zone {

/// The keys of a GPU device in a virtio JSON: upstream's "width" and "height",
/// which are required there and tell nothing, and ours, "backend", "card",
/// "connector", "refresh", "vnc", "displays", "memory", "resources" and "renderer".
[[nodiscard]] GpuConfig read_gpu_config(const ConfigReader& device);

} // namespace hvisor::zone
