// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "hypervisor/hypervisor.hpp"
#include "zone/reserved_memory.hpp"
#include "zone/zone_file.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hvisor::zone {

/// RAM that a zone started by this daemon has.
struct UsedRam {
    std::string zone;
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};

/// What a zone has to fit in with.
struct Machine {
    std::vector<hypervisor::ZoneInfo> zones; ///< that exist, the root zone first
    std::vector<UsedRam> used_ram;
    std::optional<std::vector<ReservedRange>> reserved; ///< nothing: not known here
};

/// Whether the zone can be started on this machine now. The error holds every problem, a line each.
[[nodiscard]] Result<void> check_machine(const ZoneFile& zone, const Machine& machine);

} // namespace hvisor::zone
