// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/virtio_config.hpp"
#include "zone/zone_file.hpp"

#include <span>
#include <string>

namespace hvisor::zone {

/// A zone in the one-file form: read again it is the same zone. Addresses and
/// sizes are hexadecimal strings, as all of upstream's files have them.
[[nodiscard]] std::string write_zone_file(const ZoneFile& zone, std::span<const VirtioDevice> devices);

} // namespace hvisor::zone
