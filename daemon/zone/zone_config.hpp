// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hvisor::zone {

/// What one zone is, as upstream's zone JSON says it (hvisor interface,
/// section 6.2). Plain data; element n of a list is element n of the file, so
/// that a check can name the place by its JSON pointer.

enum class RegionType : std::uint32_t { ram = 0, io = 1, virtio = 2 };

/// The word for it in a zone file.
[[nodiscard]] constexpr std::string_view to_string(RegionType type) {
    switch (type) {
    case RegionType::ram:
        return "ram";
    case RegionType::io:
        return "io";
    case RegionType::virtio:
        return "virtio";
    }
    std::unreachable();
}

/// The hypervisor maps guest memory in pages of this size.
inline constexpr std::uint64_t page_size = 4096;

/// A range the guest sees at `virtual_start`. The hypervisor takes the guest
/// address of a virtio region from `physical_start` and ignores the other.
struct MemoryRegion {
    RegionType type = RegionType::ram;
    std::uint64_t physical_start = 0;
    std::uint64_t virtual_start = 0;
    std::uint64_t size = 0;
};

struct IvcConfig {
    std::uint32_t ivc_id = 0;
    std::uint32_t peer_id = 0;
    std::uint64_t control_table_ipa = 0;
    std::uint64_t shared_mem_ipa = 0;
    std::uint32_t rw_sec_size = 0;
    std::uint32_t out_sec_size = 0;
    std::uint32_t interrupt_num = 0;
    std::uint32_t max_peers = 0;
};

struct GicV2 {
    std::uint64_t gicd_base = 0, gicd_size = 0;
    std::uint64_t gicc_base = 0, gicc_size = 0, gicc_offset = 0;
    std::uint64_t gich_base = 0, gich_size = 0;
    std::uint64_t gicv_base = 0, gicv_size = 0;
};

struct GicV3 {
    std::uint64_t gicd_base = 0, gicd_size = 0;
    std::uint64_t gicr_base = 0, gicr_size = 0;
    std::uint64_t gits_base = 0, gits_size = 0; ///< 0 without an ITS
};

struct UefiConfig {
    std::uint64_t memory_map_addr = 0, memory_map_size = 0, sys_map_addr = 0;
};

struct Aarch64Config {
    bool is_aarch32 = false;
    std::variant<GicV2, GicV3> gic = GicV3{}; ///< the index is the structure's tag
    std::optional<UefiConfig> uefi;
    std::vector<std::uint64_t>
        mpidr_mappings; ///< element n is the MPIDR of the board's CPU n; none: not said
};

struct Riscv64Config {
    std::uint64_t plic_base = 0, plic_size = 0;
    std::uint64_t aplic_base = 0, aplic_size = 0;
};

struct Loongarch64Config {};

struct X8664Config {
    std::uint64_t ioapic_base = 0, ioapic_size = 0;
    std::uint64_t kernel_entry_gpa = 0;
    std::uint64_t cmdline_load_gpa = 0, cmdline_load_hpa = 0;
    std::uint64_t setup_load_gpa = 0;
    std::uint64_t initrd_load_gpa = 0;
    std::uint64_t rsdp_memory_region_id = 0, acpi_memory_region_id = 0, uefi_memory_region_id = 0;
    std::uint64_t screen_base = 0;
    std::optional<std::string> cmdline;
};

using ArchConfig = std::variant<Aarch64Config, Riscv64Config, Loongarch64Config, X8664Config>;

struct PciBus {
    std::uint64_t ecam_base = 0, ecam_size = 0;
    std::uint64_t io_base = 0, io_size = 0, pci_io_base = 0;
    std::uint64_t mem32_base = 0, mem32_size = 0, pci_mem32_base = 0;
    std::uint64_t mem64_base = 0, mem64_size = 0, pci_mem64_base = 0;
    std::uint32_t bus_range_begin = 0, bus_range_end = 0;
    std::uint8_t domain = 0;
};

struct PciDevice {
    std::uint8_t domain = 0, bus = 0, device = 0, function = 0;
    std::uint8_t v_bus = 0, v_device = 0, v_function = 0;
    std::uint32_t dev_type = 0;
};

/// What goes into the zone's RAM, and is to the zone.
enum class ImageRole { kernel, dtb, module, boot, setup, initrd, cmdline };

/// A file that is loaded before the zone starts.
struct ImageFile {
    ImageRole role = ImageRole::kernel;
    std::string path;             ///< as it is written in the file
    std::uint64_t load_paddr = 0; ///< physical, as the root zone sees it
    std::string path_key;         ///< JSON pointer of the path
    std::string address_key;      ///< JSON pointer of the load address
};

struct ZoneConfig {
    std::uint32_t zone_id = 0;
    std::string name;
    std::vector<std::uint32_t> cpus;
    std::vector<MemoryRegion> memory_regions;
    std::vector<std::uint32_t> interrupts;
    std::vector<IvcConfig> ivc_configs;
    std::uint64_t kernel_load_paddr = 0;
    std::uint64_t dtb_load_paddr = 0;
    std::uint64_t entry_point = 0;
    std::vector<ImageFile> images; ///< none for a kernel or device tree called "null"
    ArchConfig arch;
    std::vector<PciBus> pci_config;
    std::vector<PciDevice> alloc_pci_devs;

    [[nodiscard]] const ImageFile* image(ImageRole role) const;
    [[nodiscard]] std::uint64_t cpu_mask() const;
    /// What the hardware calls the hypervisor's CPU `cpu`; nothing where the file does not say.
    [[nodiscard]] std::optional<std::uint64_t> hardware_id(std::uint32_t cpu) const;
};

/// The limits of the structure the hypervisor takes; it panics above them (sections 2.3, 5.1).
inline constexpr std::size_t max_memory_regions = 64;
inline constexpr std::size_t max_interrupts = 1024;
inline constexpr std::size_t max_ivc_configs = 2;
inline constexpr std::size_t max_pci_buses = 4;
inline constexpr std::size_t max_pci_devices = 32;
inline constexpr std::size_t max_name_length = 32;

} // namespace hvisor::zone
