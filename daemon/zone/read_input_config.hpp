// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/virtio_config.hpp"

namespace hvisor::zone {

/// The keys that only input devices have.
[[nodiscard]] InputConfig read_input_config(const ConfigReader& device);

} // namespace hvisor::zone
