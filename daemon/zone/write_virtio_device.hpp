// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/virtio_config.hpp"

#include <string>

namespace hvisor::zone {

/// A device as it stands in a one-file zone, on one line.
[[nodiscard]] std::string write_virtio_device(const VirtioDevice& device);

} // namespace hvisor::zone
