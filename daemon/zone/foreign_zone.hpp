// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/hypervisor.hpp"
#include "zone/zone_plan.hpp"
#include "zone/zone_state.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace hvisor::zone {

/// What the hypervisor's list says of zones, also of those that another tool started.

/// The CPUs of a mask, ascending.
[[nodiscard]] std::vector<std::uint32_t> cpu_list(std::uint64_t mask);

/// The name of a zone that another tool started, who may write there what he
/// likes, as what the bus can carry.
[[nodiscard]] std::string foreign_name(const hypervisor::ZoneInfo& info);

[[nodiscard]] ZoneState foreign_state(const hypervisor::ZoneInfo& info);

/// What is known of a running zone without its zone JSON.
[[nodiscard]] ZoneConfig foreign_config(const hypervisor::ZoneInfo& info,
                                        const std::vector<MemoryRange>& ranges, const VirtioZone& zone);

[[nodiscard]] bool is_same_list(const std::vector<hypervisor::ZoneInfo>& a,
                                const std::vector<hypervisor::ZoneInfo>& b);

/// The zone of that id, nullptr for none.
[[nodiscard]] const hypervisor::ZoneInfo* find(const std::vector<hypervisor::ZoneInfo>& list,
                                               std::uint32_t id);

} // namespace hvisor::zone
