// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/problems.hpp"
#include "zone/zone_file.hpp"

namespace hvisor::zone {

/// What the hypervisor does not check and panics at, besides memory and CPUs
/// (hvisor interface, sections 2.3, 4.6, 6.2, 6.3 and 9.2).
void check_limits(const ZoneFile& zone, Problems& problems);

} // namespace hvisor::zone
