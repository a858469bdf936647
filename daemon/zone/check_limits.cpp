// SPDX-License-Identifier: Apache-2.0
#include "zone/check_limits.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <format>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace hvisor::zone {
namespace {

void check_page(std::uint64_t number, const std::string& pointer, Problems& problems) {
    if (number % page_size != 0) {
        problems.add(pointer,
                     std::format("{:#x} is not a multiple of the page size {:#x}", number, page_size));
    }
}

/// Code for x86_64, the ITS and the IOMMU has tables for this many zones (section 6.2).
void check_small_id(const ZoneConfig& zone, std::string_view why, Problems& problems) {
    constexpr std::uint32_t most = 3;
    if (zone.zone_id > most) {
        problems.add("/zone_id", std::format("{} is above {}, which is the highest id of a zone {}",
                                             zone.zone_id, most, why));
    }
}

void check_cpus(const ZoneConfig& zone, Problems& problems) {
    for (std::size_t i = 0; i < zone.cpus.size(); ++i) {
        if (std::ranges::contains(zone.cpus.begin(), zone.cpus.begin() + static_cast<std::ptrdiff_t>(i),
                                  zone.cpus[i])) {
            problems.add(std::format("/cpus/{}", i),
                         std::format("CPU {} is in the list already", zone.cpus[i]));
        }
    }
}

/// The hypervisor looks a CPU up in tables of the board's CPUs, and panics behind their end.
void check_arm64_cpus(const ZoneFile& zone, const Aarch64Config& arch, Problems& problems) {
    // The distributor of a GICv2 knows 8 CPU interfaces (IHI 0048B, 1.3); each CPU has a frame
    // of two 64 KiB pages in the region of a GICv3's redistributors (IHI 0069, 12.10).
    constexpr std::uint64_t most_gic_v2 = 8;
    constexpr std::uint64_t frame_size = 0x20000;
    const auto* v3 = std::get_if<GicV3>(&arch.gic);
    for (std::size_t i = 0; i < zone.config.cpus.size(); ++i) {
        const std::uint32_t cpu = zone.config.cpus[i];
        const std::string key = std::format("/cpus/{}", i);
        if (!arch.mpidr_mappings.empty()) {
            if (cpu >= arch.mpidr_mappings.size()) {
                problems.add(key, std::format("the board has no CPU {}; expected 0 to {}, the CPUs of "
                                              "/arch_config/mpidr_mappings",
                                              cpu, arch.mpidr_mappings.size() - 1));
            }
        } else if (v3 == nullptr && cpu >= most_gic_v2) {
            problems.add(key, std::format("a GICv2 has no CPU {}; expected 0 to {}", cpu, most_gic_v2 - 1));
        } else if (v3 != nullptr && zone.form == Form::one_file && cpu >= v3->gicr_size / frame_size) {
            problems.add(key, std::format("CPU {} has no redistributor in /arch_config/gicr_size, {:#x}; "
                                          "expected another CPU, or {:#x} for each of the board's",
                                          cpu, v3->gicr_size, frame_size));
        }
    }
}

void check_ivc_limits(const ZoneConfig& zone, Problems& problems) {
    for (std::size_t i = 0; i < zone.ivc_configs.size(); ++i) {
        const IvcConfig& ivc = zone.ivc_configs[i];
        const std::string key = std::format("/ivc_configs/{}", i);
        check_page(ivc.control_table_ipa, key + "/control_table_ipa", problems);
        check_page(ivc.shared_mem_ipa, key + "/shared_mem_ipa", problems);
        check_page(ivc.rw_sec_size, key + "/rw_sec_size", problems);
        check_page(ivc.out_sec_size, key + "/out_sec_size", problems);
        if (ivc.peer_id >= ivc.max_peers) {
            problems.add(key + "/peer_id",
                         std::format("peer {} is none of the channel's {} peers; expected 0 "
                                     "to max_peers - 1",
                                     ivc.peer_id, ivc.max_peers));
        }
    }
}

void check_pci(const ZoneConfig& zone, Problems& problems) {
    constexpr std::uint32_t last_bus = 255;
    constexpr std::uint8_t last_device = 31;
    constexpr std::uint8_t last_function = 7;
    for (std::size_t i = 0; i < zone.pci_config.size(); ++i) {
        const PciBus& bus = zone.pci_config[i];
        if (bus.bus_range_begin > bus.bus_range_end || bus.bus_range_end > last_bus) {
            problems.add(std::format("/pci_config/{}", i),
                         std::format("buses {} to {} are no range of PCI buses; expected bus_range_begin, "
                                     "bus_range_end of 0 to {}",
                                     bus.bus_range_begin, bus.bus_range_end, last_bus));
        }
    }
    for (std::size_t i = 0; i < zone.alloc_pci_devs.size(); ++i) {
        const PciDevice& device = zone.alloc_pci_devs[i];
        if (std::max(device.device, device.v_device) > last_device ||
            std::max(device.function, device.v_function) > last_function) {
            problems.add(
                std::format("/alloc_pci_devs/{}", i),
                std::format("{:02x}.{} seen as {:02x}.{} is no place on a PCI bus; expected a device "
                            "of 0 to {} and a function of 0 to {}",
                            device.device, device.function, device.v_device, device.v_function, last_device,
                            last_function));
        }
    }
}

/// Where the guest sees the RAM at `physical`.
std::optional<std::uint64_t> guest_address_of(const ZoneConfig& zone, std::uint64_t physical) {
    const auto region = std::ranges::find_if(zone.memory_regions, [physical](const MemoryRegion& each) {
        return each.type == RegionType::ram && range_inside(physical, 1, each.physical_start, each.size);
    });
    return region == zone.memory_regions.end()
               ? std::nullopt
               : std::optional(region->virtual_start + (physical - region->physical_start));
}

void check_x86_64(const ZoneConfig& zone, const X8664Config& arch, Problems& problems) {
    check_small_id(zone, "on x86_64", problems);
    if (arch.setup_load_gpa == 0) {
        problems.add("/arch_config/setup_load_gpa",
                     "the hypervisor writes the boot parameters there and panics without; expected a guest "
                     "address above 0, with setup_filepath and setup_load_hpa");
    }
    // The boot stub and the hypervisor follow the guest's addresses; the files go to the machine's.
    const auto check_address = [&](std::uint64_t physical, std::uint64_t seen, const std::string& key) {
        const auto address = guest_address_of(zone, physical);
        if (address && *address != seen) {
            problems.add(key + "_gpa",
                         std::format("{:#x} is not where the guest sees {}_hpa, {:#x}; expected {:#x}", seen,
                                     key, physical, *address));
        }
    };
    if (const ImageFile* setup = zone.image(ImageRole::setup)) {
        check_address(setup->load_paddr, arch.setup_load_gpa, "/arch_config/setup_load");
    }
    if (const ImageFile* initrd = zone.image(ImageRole::initrd)) {
        check_address(initrd->load_paddr, arch.initrd_load_gpa, "/arch_config/initrd_load");
    }
    if (arch.cmdline) {
        check_address(arch.cmdline_load_hpa, arch.cmdline_load_gpa, "/arch_config/cmdline_load");
    }
    const auto check_region = [&](std::uint64_t index, std::string_view key) {
        if (index >= zone.memory_regions.size()) {
            problems.add(std::format("/arch_config/{}", key),
                         std::format("there is no memory region {}; expected 0 to {}", index,
                                     zone.memory_regions.size() - 1));
        }
    };
    check_region(arch.rsdp_memory_region_id, "rsdp_memory_region_id");
    check_region(arch.acpi_memory_region_id, "acpi_memory_region_id");
    check_region(arch.uefi_memory_region_id, "uefi_memory_region_id");
    if (arch.screen_base > UINT32_MAX) {
        problems.add("/arch_config/screen_base",
                     std::format("{:#x} is not below 4 GiB; expected a lower address, or 0 for no screen",
                                 arch.screen_base));
    }
}

/// The hypervisor also maps a page at the virtual address of such a region (section 9.2).
void check_loongarch64(const ZoneConfig& zone, Problems& problems) {
    for (std::size_t i = 0; i < zone.memory_regions.size(); ++i) {
        const MemoryRegion& region = zone.memory_regions[i];
        if (region.type == RegionType::virtio && region.virtual_start != region.physical_start) {
            problems.add(std::format("/memory_regions/{}/virtual_start", i),
                         std::format("{:#x} differs from physical_start, {:#x}; expected the same for a "
                                     "region of the type \"virtio\"",
                                     region.virtual_start, region.physical_start));
        }
    }
}

} // namespace

void check_limits(const ZoneFile& zone, Problems& problems) {
    const auto check = [&](std::initializer_list<std::string_view> keys, auto how) {
        if (problems.are_sound(keys)) {
            how();
        }
    };
    const ZoneConfig& config = zone.config;
    check({"cpus"}, [&] { check_cpus(config, problems); });
    check({"ivc_configs"}, [&] { check_ivc_limits(config, problems); });
    check({"pci_config", "alloc_pci_devs"}, [&] { check_pci(config, problems); });
    if (!problems.are_sound({"arch", "arch_config"})) {
        return;
    }
    if (const auto* x86_64 = std::get_if<X8664Config>(&config.arch)) {
        check({"memory_regions", "zone_id"}, [&] { check_x86_64(config, *x86_64, problems); });
    } else if (const auto* arm64 = std::get_if<Aarch64Config>(&config.arch)) {
        check({"cpus"}, [&] { check_arm64_cpus(zone, *arm64, problems); });
        const auto* gic = std::get_if<GicV3>(&arm64->gic);
        if (gic != nullptr && gic->gits_size != 0) {
            check({"zone_id"}, [&] { check_small_id(config, "with an ITS", problems); });
        }
    } else if (std::holds_alternative<Loongarch64Config>(config.arch)) {
        check({"memory_regions"}, [&] { check_loongarch64(config, problems); });
    }
}

} // namespace hvisor::zone
