// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/virtio_config.hpp"

namespace hvisor::zone {

/// The value of the key "vnc" of a display: where it can be looked at from elsewhere.
[[nodiscard]] VncConfig read_vnc_config(const ConfigReader& value);

} // namespace hvisor::zone
