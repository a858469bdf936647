// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "hypervisor/hypervisor.hpp"
#include "zone/reserved_memory.hpp"
#include "zone/root_linux.hpp"
#include "zone/zone_claims.hpp"
#include "zone/zone_file.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::zone {

/// What a zone has to fit in with.
struct Machine {
    std::vector<hypervisor::ZoneInfo> zones;            ///< that exist, the root zone first
    std::vector<ZoneClaims> claims;                     ///< of the zones that this daemon has started
    std::optional<std::vector<ReservedRange>> reserved; ///< nothing: not known here
    RootLinux root{};
    bool is_described = false; ///< by a device tree of the root zone, so that `reserved` and `root` say all
};

/// Whether the zone can be started on this machine now with the devices that
/// `virtio`, which may be null, has for it. Names of files start in the folder
/// `here`; disks of files without an absolute name cannot be compared. The error
/// holds every problem, a line each.
[[nodiscard]] Result<void> check_machine(const ZoneFile& zone, const VirtioFile* virtio,
                                         const Machine& machine, const std::filesystem::path& here = {});

} // namespace hvisor::zone
