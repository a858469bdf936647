// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/virtio_config.hpp"

namespace hvisor::zone {

/// The keys of a disk in a virtio JSON: upstream's "img", and ours,
/// "readonly", "direct", "serial", "queues" and "rate_limit".
[[nodiscard]] BlockConfig read_block_config(const ConfigReader& device);

} // namespace hvisor::zone
