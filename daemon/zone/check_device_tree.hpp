// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/device_tree.hpp"
#include "zone/problems.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_file.hpp"

#include <cstddef>
#include <span>

namespace hvisor::zone {

/// Whether what the guest's device tree tells it is there. A guest that is told
/// of too much fails when it touches it, which is a problem; one that is told of too little
/// does not use it, which is a warning.
void check_device_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices, const DeviceTree& tree,
                       Problems& problems);

/// The same of a blob, whose file is the zone's "dtb_filepath".
void check_device_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices,
                       std::span<const std::byte> blob, Problems& problems);

} // namespace hvisor::zone
