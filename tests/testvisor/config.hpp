// SPDX-License-Identifier: Apache-2.0
//
// The zone configuration structure of the hvisor interface, section 5, for
// aarch64. Layouts v5a and v6 differ behind gic.
#pragma once

#include <cstddef>
#include <cstdint>

#include "options.hpp"

namespace testvisor {

struct ConfigRegion {
    std::uint32_t type;
    std::uint32_t padding;
    std::uint64_t physical;
    std::uint64_t guest;
    std::uint64_t size;
};

inline constexpr std::uint32_t region_ram = 0;
inline constexpr std::uint32_t region_io = 1;
inline constexpr std::uint32_t region_virtio = 2;

inline constexpr unsigned max_regions = 64;
inline constexpr unsigned max_ivc = 2;
inline constexpr unsigned max_pci_buses = 4;
inline constexpr unsigned max_pci_devices = 32;

struct ConfigGicV3 {
    std::uint64_t gicd_base;
    std::uint64_t gicd_size;
    std::uint64_t gicr_base;
    std::uint64_t gicr_size;
    std::uint64_t gits_base;
    std::uint64_t gits_size;
    std::uint64_t unused[3];
};

struct ConfigPrefix {
    std::uint32_t zone_id;
    std::uint32_t padding0;
    std::uint64_t cpus;
    std::uint32_t region_count;
    std::uint32_t padding1;
    ConfigRegion regions[max_regions];
    std::uint32_t interrupts[32];
    std::uint32_t ivc_count;
    std::uint32_t padding2;
    std::uint8_t ivc[max_ivc][40];
    std::uint64_t entry_point;
    std::uint64_t kernel_load_paddr;
    std::uint64_t kernel_size;
    std::uint64_t dtb_load_paddr;
    std::uint64_t dtb_size;
    char name[32];
    std::uint8_t is_aarch32;
    std::uint8_t padding3[7];
    std::uint64_t gic_tag;
    ConfigGicV3 gic;
};

inline constexpr std::uint64_t gic_tag_v3 = 1;

struct ConfigPci {
    std::uint64_t bus_count;
    std::uint8_t buses[max_pci_buses][104];
    std::uint64_t device_count;
};

struct ConfigV5a {
    ConfigPrefix prefix;
    ConfigPci pci;
    std::uint8_t devices[max_pci_devices][8];
};

inline constexpr std::uint64_t uefi_tag_none = 1;

struct ConfigV6 {
    ConfigPrefix prefix;
    std::uint64_t uefi_tag;
    std::uint64_t uefi[3];
    ConfigPci pci;
    std::uint8_t devices[max_pci_devices][12];
};

static_assert(offsetof(ConfigPrefix, interrupts) == 2072);
static_assert(offsetof(ConfigPrefix, entry_point) == 2288);
static_assert(offsetof(ConfigPrefix, name) == 2328);
static_assert(sizeof(ConfigPrefix) == 2448);
static_assert(sizeof(ConfigV5a) == 3136);
static_assert(offsetof(ConfigV5a, pci.device_count) == 2872);
static_assert(sizeof(ConfigV6) == 3296);
static_assert(offsetof(ConfigV6, pci.device_count) == 2904);

} // namespace testvisor
