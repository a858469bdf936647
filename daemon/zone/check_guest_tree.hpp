// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/images.hpp"
#include "zone/problems.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_file.hpp"

#include <span>
#include <vector>

namespace hvisor::zone {

/// Check the open device tree that the guest gets as it is in its file, see
/// check_device_tree(). Nothing is done where there is none, or one that is made.
void check_guest_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices,
                      const std::vector<OpenImage>& images, Problems& problems);

} // namespace hvisor::zone
