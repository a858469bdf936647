// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "hypervisor/hypervisor.hpp"
#include "zone/images.hpp"
#include "zone/zone_file.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace hvisor::zone {

/// Told how much of the work is done, in bytes, again and again while it is done; an
/// error ends it.
using LoadProgress = std::function<Result<void>(std::uint64_t done, std::uint64_t total)>;

/// Clear guest RAM where the zone wants that, and copy the images to it. Packed kernels are unpacked on the
/// way.
[[nodiscard]] Result<void> load_images(const ZoneFile& zone, const std::vector<OpenImage>& images,
                                       hypervisor::Hypervisor& hypervisor, const LoadProgress& progress = {});

} // namespace hvisor::zone
