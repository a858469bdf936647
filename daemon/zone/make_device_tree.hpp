// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_config.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// An initial RAM disk where the guest sees it.
struct GuestInitrd {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};

/// What goes into a guest's device tree. The references outlive its use.
struct TreeContent {
    const ZoneConfig& zone;
    const std::vector<VirtioDevice>& devices;
    std::optional<std::string> cmdline{}; ///< none leaves the one that is there
    std::optional<GuestInitrd> initrd{};
};

/// A whole device tree for Linux in an arm64 zone: RAM, CPUs, interrupt
/// controller, timer, PSCI, virtio devices. A CPU's hardware id (MPIDR) is that of
/// mpidr_mappings, or without them the hypervisor's number of it, as on boards of one cluster.
[[nodiscard]] Result<std::vector<std::byte>> generate_device_tree(const TreeContent& content);

/// `source` with the RAM, the CPUs and the virtio devices of the zone in place
/// of those it has, its command line and initial RAM disk. CPU nodes stay as
/// they are: those with the hardware ids of the zone's. Where mpidr_mappings does
/// not say them, all of a tree that has as many as the zone, else the zone's by
/// their position, which is the hypervisor's number.
[[nodiscard]] Result<std::vector<std::byte>> patch_device_tree(std::span<const std::byte> source,
                                                               const TreeContent& content);

} // namespace hvisor::zone
