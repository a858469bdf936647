// SPDX-License-Identifier: Apache-2.0
#include "zone/write_zone_file.hpp"

#include "zone/json_members.hpp"
#include "zone/print_json.hpp"
#include "zone/write_virtio_device.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <utility>
#include <vector>

namespace hvisor::zone {
namespace {

/// A line an element, as deep as the keys of the zone's arrays are.
std::string array(const std::vector<std::string>& elements) {
    return elements.empty() ? "[]" : "[\n        " + join(elements, ",\n        ") + "\n    ]";
}

std::string numbers(const std::vector<std::uint32_t>& list) {
    std::vector<std::string> parts;
    parts.reserve(list.size());
    for (const std::uint32_t number : list) {
        parts.push_back(std::to_string(number));
    }
    return "[" + join(parts, ", ") + "]";
}

std::string regions(const ZoneConfig& zone) {
    std::vector<std::string> list;
    for (const MemoryRegion& region : zone.memory_regions) {
        JsonMembers members;
        members.add("type", json_string(to_string(region.type)));
        members.add({{"physical_start", region.physical_start},
                     {"virtual_start", region.virtual_start},
                     {"size", region.size}});
        list.push_back(members.line());
    }
    return array(list);
}

std::string channels(const ZoneConfig& zone) {
    std::vector<std::string> list;
    for (const IvcConfig& ivc : zone.ivc_configs) {
        JsonMembers members;
        members.add_number("ivc_id", ivc.ivc_id);
        members.add_number("peer_id", ivc.peer_id);
        members.add({{"control_table_ipa", ivc.control_table_ipa},
                     {"shared_mem_ipa", ivc.shared_mem_ipa},
                     {"rw_sec_size", ivc.rw_sec_size},
                     {"out_sec_size", ivc.out_sec_size}});
        members.add_number("interrupt_num", ivc.interrupt_num);
        members.add_number("max_peers", ivc.max_peers);
        list.push_back(members.line());
    }
    return array(list);
}

std::string buses(const ZoneConfig& zone) {
    std::vector<std::string> list;
    for (const PciBus& bus : zone.pci_config) {
        JsonMembers members;
        members.add({{"ecam_base", bus.ecam_base},
                     {"ecam_size", bus.ecam_size},
                     {"io_base", bus.io_base},
                     {"io_size", bus.io_size},
                     {"pci_io_base", bus.pci_io_base},
                     {"mem32_base", bus.mem32_base},
                     {"mem32_size", bus.mem32_size},
                     {"pci_mem32_base", bus.pci_mem32_base},
                     {"mem64_base", bus.mem64_base},
                     {"mem64_size", bus.mem64_size},
                     {"pci_mem64_base", bus.pci_mem64_base}});
        members.add_number("bus_range_begin", bus.bus_range_begin);
        members.add_number("bus_range_end", bus.bus_range_end);
        members.add_number("domain", bus.domain);
        list.push_back(members.lines("        "));
    }
    return array(list);
}

std::string pci_devices(const ZoneConfig& zone) {
    std::vector<std::string> list;
    for (const PciDevice& device : zone.alloc_pci_devs) {
        JsonMembers members;
        for (const auto& [key, number] : {std::pair{"domain", device.domain},
                                          {"bus", device.bus},
                                          {"device", device.device},
                                          {"function", device.function},
                                          {"v_bus", device.v_bus},
                                          {"v_device", device.v_device},
                                          {"v_function", device.v_function}}) {
            members.add_number(key, number);
        }
        members.add_number("dev_type", device.dev_type);
        list.push_back(members.line());
    }
    return array(list);
}

void add_file(JsonMembers& members, const ZoneConfig& zone, ImageRole role, std::string_view path,
              std::string_view address) {
    if (const ImageFile* image = zone.image(role)) {
        members.add(path, json_string(image->path));
        members.add(address, hex(image->load_paddr));
    }
}

JsonMembers arch_members(const ZoneConfig&, const Aarch64Config& arch) {
    JsonMembers members;
    if (const auto* v2 = std::get_if<GicV2>(&arch.gic)) {
        members.add("gic_version", json_string("v2"));
        members.add({{"gicd_base", v2->gicd_base},
                     {"gicd_size", v2->gicd_size},
                     {"gicc_base", v2->gicc_base},
                     {"gicc_size", v2->gicc_size},
                     {"gicc_offset", v2->gicc_offset},
                     {"gich_base", v2->gich_base},
                     {"gich_size", v2->gich_size},
                     {"gicv_base", v2->gicv_base},
                     {"gicv_size", v2->gicv_size}});
    } else if (const auto* v3 = std::get_if<GicV3>(&arch.gic)) {
        members.add("gic_version", json_string("v3"));
        members.add({{"gicd_base", v3->gicd_base},
                     {"gicd_size", v3->gicd_size},
                     {"gicr_base", v3->gicr_base},
                     {"gicr_size", v3->gicr_size},
                     {"gits_base", v3->gits_base},
                     {"gits_size", v3->gits_size}});
    }
    members.add("is_aarch32", arch.is_aarch32 ? "true" : "false");
    if (arch.uefi) {
        members.add({{"memory_map_addr", arch.uefi->memory_map_addr},
                     {"memory_map_size", arch.uefi->memory_map_size},
                     {"sys_map_addr", arch.uefi->sys_map_addr}});
    }
    if (!arch.mpidr_mappings.empty()) {
        std::vector<std::string> parts;
        std::ranges::transform(arch.mpidr_mappings, std::back_inserter(parts), hex);
        members.add("mpidr_mappings", "[" + join(parts, ", ") + "]");
    }
    return members;
}

JsonMembers arch_members(const ZoneConfig&, const Riscv64Config& arch) {
    JsonMembers members;
    members.add({{"plic_base", arch.plic_base},
                 {"plic_size", arch.plic_size},
                 {"aplic_base", arch.aplic_base},
                 {"aplic_size", arch.aplic_size}});
    return members;
}

JsonMembers arch_members(const ZoneConfig&, const Loongarch64Config&) {
    return {};
}

JsonMembers arch_members(const ZoneConfig& zone, const X8664Config& arch) {
    JsonMembers members;
    members.add({{"ioapic_base", arch.ioapic_base},
                 {"ioapic_size", arch.ioapic_size},
                 {"kernel_entry_gpa", arch.kernel_entry_gpa}});
    add_file(members, zone, ImageRole::boot, "boot_filepath", "boot_load_paddr");
    if (zone.image(ImageRole::setup) != nullptr) {
        add_file(members, zone, ImageRole::setup, "setup_filepath", "setup_load_hpa");
        members.add("setup_load_gpa", hex(arch.setup_load_gpa));
    }
    if (zone.image(ImageRole::initrd) != nullptr) {
        add_file(members, zone, ImageRole::initrd, "initrd_filepath", "initrd_load_hpa");
        members.add("initrd_load_gpa", hex(arch.initrd_load_gpa));
    }
    if (arch.cmdline) {
        members.add("cmdline", json_string(*arch.cmdline));
        members.add(
            {{"cmdline_load_hpa", arch.cmdline_load_hpa}, {"cmdline_load_gpa", arch.cmdline_load_gpa}});
    }
    members.add_number("rsdp_memory_region_id", arch.rsdp_memory_region_id);
    members.add_number("acpi_memory_region_id", arch.acpi_memory_region_id);
    members.add_number("uefi_memory_region_id", arch.uefi_memory_region_id);
    members.add("screen_base", hex(arch.screen_base));
    return members;
}

void add_images(JsonMembers& members, const ZoneFile& zone) {
    const ZoneConfig& config = zone.config;
    const ImageFile* kernel = config.image(ImageRole::kernel);
    members.add("kernel_filepath", json_string(kernel != nullptr ? kernel->path : "null"));
    members.add({{"kernel_load_paddr", config.kernel_load_paddr}, {"entry_point", config.entry_point}});
    if (zone.start.dtb != DtbSource::none) {
        constexpr std::string_view words[] = {"none", "file", "patch", "generate"};
        members.add("dtb", json_string(words[std::to_underlying(zone.start.dtb)]));
        if (const ImageFile* dtb = config.image(ImageRole::dtb)) {
            members.add("dtb_filepath", json_string(dtb->path));
        }
        members.add("dtb_load_paddr", hex(config.dtb_load_paddr));
    } else if (config.dtb_load_paddr != 0 && !std::holds_alternative<X8664Config>(config.arch)) {
        members.add("dtb_load_paddr", hex(config.dtb_load_paddr)); // the hypervisor is told it all the same
    }
    if (!zone.start.cmdline.empty()) {
        members.add("cmdline", json_string(zone.start.cmdline));
    }
    if (!std::holds_alternative<X8664Config>(config.arch)) {
        add_file(members, config, ImageRole::initrd, "initrd_filepath", "initrd_load_paddr");
    }
    std::vector<std::string> modules;
    for (const ImageFile& image : config.images) {
        if (image.role == ImageRole::module) {
            JsonMembers module;
            module.add("filepath", json_string(image.path));
            module.add("load_paddr", hex(image.load_paddr));
            modules.push_back(module.line());
        }
    }
    if (!modules.empty()) {
        members.add("modules", array(modules));
    }
}

void add_keeping(JsonMembers& members, const StartOptions& start) {
    if (start.clear_ram) {
        members.add("clear_ram", "true");
    }
    if (start.restart != RestartPolicy::never) {
        members.add("restart", json_string(start.restart == RestartPolicy::always ? "always" : "on-failure"));
    }
}

} // namespace

std::string write_zone_file(const ZoneFile& zone, std::span<const VirtioDevice> devices) {
    constexpr std::string_view names[] = {"arm64", "riscv64", "loongarch64", "x86_64"};
    const ZoneConfig& config = zone.config;
    JsonMembers members;
    members.add("name", json_string(config.name));
    members.add_number("zone_id", config.zone_id);
    members.add("arch", json_string(names[config.arch.index()]));
    members.add("cpus", numbers(config.cpus));
    members.add("memory_regions", regions(config));
    members.add("interrupts", numbers(config.interrupts));
    add_images(members, zone);
    add_keeping(members, zone.start);
    const JsonMembers arch =
        std::visit([&](const auto& of) { return arch_members(config, of); }, config.arch);
    if (!arch.empty()) {
        members.add("arch_config", arch.lines("    "));
    }
    if (!config.ivc_configs.empty()) {
        members.add("ivc_configs", channels(config));
    }
    if (!config.pci_config.empty()) {
        members.add("pci_config", buses(config));
    }
    if (!config.alloc_pci_devs.empty()) {
        members.add("alloc_pci_devs", pci_devices(config));
    }
    std::vector<std::string> list;
    for (const VirtioDevice& device : devices) {
        list.push_back(write_virtio_device(device));
    }
    members.add("devices", array(list));
    return members.lines("") + "\n";
}

} // namespace hvisor::zone
