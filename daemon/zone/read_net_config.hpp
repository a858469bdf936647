// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/virtio_config.hpp"

namespace hvisor::zone {

/// The keys of a network device in a virtio JSON: upstream's "tap" and "mac",
/// and ours, "bridge", "mtu", "queue_pairs" and "rate_limit".
[[nodiscard]] NetConfig read_net_config(const ConfigReader& device);

} // namespace hvisor::zone
