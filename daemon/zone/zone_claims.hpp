// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/problems.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_config.hpp"
#include "zone/zone_file.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// Memory of the machine, or registers of one of its devices.
struct ClaimedRange {
    RegionType type = RegionType::ram;
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    bool has_image = false; ///< something is loaded there when the zone starts
};

struct ClaimedDisk {
    std::string path;
    bool writable = false;
};

/// A keyboard or pointer of the root zone.
struct ClaimedInput {
    std::string path;
    bool is_grabbed = false;
};

/// What a zone has for itself while it runs. Windows and interrupts of virtio
/// devices are not of this kind: they are the guest's, and zones repeat them.
struct ZoneClaims {
    std::string zone;
    std::vector<ClaimedRange> ranges;
    std::vector<std::uint32_t> interrupts; ///< of the machine's devices
    std::vector<std::string> taps;
    std::vector<std::uint32_t> cids; ///< addresses of sockets
    /// Of graphics cards, where the file names them. No two of a machine have
    /// the same name, because Linux counts them over all of its cards.
    std::vector<std::string> connectors;
    std::vector<ClaimedInput> inputs{};
    std::vector<std::string> remote_addresses{}; ///< that VNC viewers connect to, where the file names them
    std::vector<ClaimedDisk> disks;              ///< with an absolute path; others cannot be compared
};

/// Where the relative paths of a file start.
[[nodiscard]] std::string folder_of(const JsonDocument& document);

/// `folder` is where the relative paths of the disks start.
[[nodiscard]] ZoneClaims claims_of(const ZoneConfig& zone, std::span<const VirtioDevice> devices,
                                   const std::string& folder);

/// What `zone` and `devices` want and `other` has, each with its place in the
/// file: `zone_problems` is of the zone's document, `device_problems` of the devices'.
void check_claims(const ZoneConfig& zone, std::span<const VirtioDevice> devices, const std::string& folder,
                  const ZoneClaims& other, Problems& zone_problems, Problems& device_problems);

/// What only `devices` want and `other` has.
void check_device_claims(std::span<const VirtioDevice> devices, const std::string& folder,
                         const ZoneClaims& other, Problems& problems);

/// Where a path that stands in a file of `folder` leads; "" when that cannot be said.
[[nodiscard]] std::string absolute_path(const std::string& path, const std::string& folder);

/// Whether two zones that shall run at the same time have a number, a name or a CPU in common.
void check_identity(const ZoneConfig& zone, const ZoneConfig& other, Problems& problems);

} // namespace hvisor::zone
