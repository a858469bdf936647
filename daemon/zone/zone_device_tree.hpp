// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/zone_file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hvisor::zone {

/// The device tree that a zone with "dtb": "generate" or "patch" gets.
/// `source` is what its dtb_filepath holds, for "patch"; `initrd_size` that of
/// its initial RAM disk, 0 for none. The error names the place in the zone's file.
[[nodiscard]] Result<std::vector<std::byte>>
zone_device_tree(const ZoneFile& zone, std::span<const std::byte> source, std::uint64_t initrd_size);

} // namespace hvisor::zone
