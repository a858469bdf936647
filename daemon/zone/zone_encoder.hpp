// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/zone_config.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hvisor::zone {

/// The forms of the hypervisor's zone_config structure that are in use. One
/// magic covers several of them (hvisor interface, section 5.4); the sizes differ,
/// so a wrong guess is refused before it does anything.
enum class Layout {
    v5a,                ///< magic 5: PCI devices of 8 bytes (hvisor v0.4)
    v5b,                ///< magic 5: PCI devices of 12 bytes
    v5a_before_uefi_id, ///< magic 5 on x86_64 before 2026-02: v5a without uefi_memory_region_id
    v6,                 ///< magic 6: UEFI parameters on aarch64
};

/// Sizes of the loaded files in bytes; 0 where there is none.
struct ImageSizes {
    std::uint64_t kernel = 0;
    std::uint64_t dtb = 0;
    std::uint64_t initrd = 0; ///< of x86_64's boot chain
};

/// The layouts a hypervisor with this magic may use for that architecture, the
/// likeliest first. `incompatible`, naming both versions, when there is none.
[[nodiscard]] Result<std::vector<Layout>> layouts_for_magic(std::uint64_t magic, const ArchConfig& arch);

/// The structure of section 5 as the hypervisor reads it.
[[nodiscard]] std::vector<std::byte> encode(const ZoneConfig& config, const ImageSizes& sizes, Layout layout);

} // namespace hvisor::zone
