// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_devices.hpp"

#include <chrono>
#include <span>
#include <string>
#include <string_view>

namespace hvisor::zone {

/// What diagnose() has to know of a zone besides its devices.
struct DiagnosisInput {
    std::string_view zone;
    std::chrono::milliseconds running{0}; ///< since the zone was started
    bool has_virtio_regions = false;      ///< its guest is meant to find devices
    bool has_gic = false;                 ///< interrupt 32 + n is the guest device tree's SPI n
};

/// One sentence on what is probably wrong with a zone whose devices are not in
/// use, or whose interrupts do not arrive, some time after its start: which
/// address, interrupt or driver to look at. "" when nothing is.
[[nodiscard]] std::string diagnose(const DiagnosisInput& input, std::span<const DeviceState> devices);

} // namespace hvisor::zone
