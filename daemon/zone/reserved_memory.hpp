// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::zone {

/// Memory that the root zone's Linux leaves alone, so that zones can have it.
struct ReservedRange {
    std::string name; ///< of its node: "zones@50000000"
    std::uint64_t address = 0;
    std::uint64_t size = 0;
};

/// The `no-map` children of /reserved-memory in the device tree the kernel
/// shows under `device_tree`, without the hypervisor's own. Nothing where
/// there is no such device tree, as on x86_64, and where the module's
/// parameter in the file `zone_ram` names more memory, which only the module knows.
[[nodiscard]] std::optional<std::vector<ReservedRange>>
reserved_memory(const std::filesystem::path& device_tree,
                const std::filesystem::path& zone_ram = "/sys/module/hvisor/parameters/zone_ram");

} // namespace hvisor::zone
