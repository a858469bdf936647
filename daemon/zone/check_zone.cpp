// SPDX-License-Identifier: Apache-2.0
#include "zone/check_zone.hpp"

#include "base/checked.hpp"
#include "zone/check_limits.hpp"
#include "zone/config_reader.hpp"

#include <algorithm>
#include <format>
#include <optional>
#include <string_view>
#include <vector>

namespace hvisor::zone {
namespace {

constexpr std::uint32_t max_zone_id = 31;
constexpr std::uint32_t max_cpu = 31; // the bridge page has a slot for each of 32 CPUs

std::string region_key(std::size_t index, std::string_view key = {}) {
    return std::format("/memory_regions/{}{}{}", index, key.empty() ? "" : "/", key);
}

/// A range of guest addresses that the zone claims, and where the file says so.
struct GuestRange {
    std::uint64_t start = 0;
    std::uint64_t size = 0;
    std::string pointer;
    std::string what;
};

void check_own_identity(const ZoneConfig& zone, Problems& problems) {
    if (!problems.are_sound({"zone_id"})) {
        // Its number is wrong in another way.
    } else if (zone.zone_id == 0) {
        problems.add("/zone_id", "zone 0 is the root zone, which runs already; expected 1 to 31");
    } else if (zone.zone_id > max_zone_id) {
        problems.add("/zone_id", std::format("zone ids above {} have no devices; expected 1 to {}",
                                             max_zone_id, max_zone_id));
    }
    if (!problems.are_sound({"cpus"})) {
        return;
    }
    if (zone.cpus.empty()) {
        problems.add("/cpus", "the zone has no CPU; expected at least one");
    }
    for (std::size_t i = 0; i < zone.cpus.size(); ++i) {
        if (zone.cpus[i] > max_cpu) {
            problems.add(
                std::format("/cpus/{}", i),
                std::format("CPU {} cannot reach virtio devices; expected 0 to {}", zone.cpus[i], max_cpu));
        }
    }
}

/// Whether the region's numbers can be computed with.
bool check_region(const MemoryRegion& region, std::size_t index, Problems& problems) {
    if (region.size == 0) {
        problems.add(region_key(index, "size"), "the region is empty; expected a size above 0");
        return false;
    }
    const auto check = [&](std::uint64_t start, std::string_view key) {
        if (!checked_add(start, region.size - 1)) {
            problems.add(
                region_key(index, key),
                std::format("{:#x} with the size {:#x} ends beyond the last address", start, region.size));
            return false;
        }
        return true;
    };
    const bool physical = check(region.physical_start, "physical_start");
    const bool is_sound = check(region.virtual_start, "virtual_start") && physical;
    if (region.type != RegionType::virtio) {
        const auto check_page = [&](std::uint64_t number, std::string_view key) {
            if (number % page_size != 0) {
                problems.add(
                    region_key(index, key),
                    std::format("{:#x} is not a multiple of the page size {:#x}", number, page_size));
            }
        };
        check_page(region.physical_start, "physical_start");
        check_page(region.virtual_start, "virtual_start");
        check_page(region.size, "size");
    }
    return is_sound;
}

std::vector<GuestRange> guest_ranges(const ZoneConfig& zone, Problems& problems) {
    std::vector<GuestRange> ranges;
    for (std::size_t i = 0; i < zone.memory_regions.size(); ++i) {
        const MemoryRegion& region = zone.memory_regions[i];
        if (check_region(region, i, problems)) {
            ranges.push_back({guest_address(region), region.size, region_key(i),
                              std::format("the {} region", to_string(region.type))});
        }
    }
    const std::size_t channels = problems.are_sound({"ivc_configs"}) ? zone.ivc_configs.size() : 0;
    for (std::size_t i = 0; i < channels; ++i) {
        const IvcConfig& ivc = zone.ivc_configs[i];
        const std::string key = std::format("/ivc_configs/{}", i);
        ranges.push_back(
            {ivc.control_table_ipa, page_size, key + "/control_table_ipa", "the IVC control table"});
        const std::uint64_t shared = ivc.rw_sec_size + (std::uint64_t{ivc.out_sec_size} * ivc.max_peers);
        ranges.push_back({ivc.shared_mem_ipa, shared, key + "/shared_mem_ipa", "the IVC shared memory"});
    }
    return ranges;
}

void check_memory(const ZoneConfig& zone, Problems& problems) {
    if (!problems.are_sound({"memory_regions"})) {
        return;
    }
    if (std::ranges::find(zone.memory_regions, RegionType::ram, &MemoryRegion::type) ==
        zone.memory_regions.end()) {
        problems.add("/memory_regions", R"(the zone has no RAM; expected a region of the type "ram")");
    }
    const std::vector<GuestRange> ranges = guest_ranges(zone, problems);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            const GuestRange& one = ranges[i];
            const GuestRange& other = ranges[j];
            if (ranges_overlap(one.start, one.size, other.start, other.size)) {
                problems.add(
                    one.pointer,
                    std::format(
                        "{} at guest address {:#x}, size {:#x}, overlaps {} of {} at {:#x}, size {:#x}",
                        one.what, one.start, one.size, other.what, other.pointer, other.start, other.size));
            }
        }
    }
}

void check_ivc(const ZoneConfig& zone, Problems& problems) {
    for (std::size_t i = 0; i < zone.ivc_configs.size(); ++i) {
        const std::uint32_t interrupt = zone.ivc_configs[i].interrupt_num;
        if (!std::ranges::contains(zone.interrupts, interrupt)) {
            problems.add(
                std::format("/ivc_configs/{}/interrupt_num", i),
                std::format("interrupt {} is not in the zone's list /interrupts; add it there", interrupt));
        }
    }
}

/// "0x3010b00", and how the file has it where a 0x may have been forgotten.
std::string written(const JsonDocument& document, std::uint64_t number, std::string_view pointer) {
    const JsonValue* value = document.find(pointer);
    const bool is_decimal = value != nullptr && value->kind == JsonValue::Kind::string && number > 9 &&
                            std::ranges::all_of(value->text, [](char c) { return c >= '0' && c <= '9'; });
    return is_decimal ? std::format("{:#x}, written in decimal,", number) : std::format("{:#x}", number);
}

/// The kernel's address must be RAM; how much of the image fits is known when the file is open.
void check_image_addresses(const ZoneFile& file, Problems& problems) {
    const ZoneConfig& zone = file.config;
    if (!problems.are_sound({"memory_regions", "arch_config", "arch"})) {
        return; // what lies in it cannot be told
    }
    const auto check = [&](std::uint64_t address, const std::string& key) {
        const bool is_in_ram =
            std::ranges::any_of(zone.memory_regions, [address](const MemoryRegion& region) {
                return region.type == RegionType::ram &&
                       range_inside(address, 1, region.physical_start, region.size);
            });
        if (!is_in_ram && problems.are_sound({std::string_view(key).substr(1)})) {
            problems.add(key,
                         std::format("{} is not in the zone's RAM; expected a physical address in a region "
                                     "of the type \"ram\"",
                                     written(file.document, address, key)));
        }
    };
    for (const ImageFile& image : zone.images) {
        check(image.load_paddr, image.address_key);
    }
    if (file.start.dtb == DtbSource::generate && problems.are_sound({"dtb"})) {
        check(zone.dtb_load_paddr, "/dtb_load_paddr"); // one that is made has no file
    }
    const bool is_in_ram = std::ranges::any_of(zone.memory_regions, [&zone](const MemoryRegion& region) {
        return region.type == RegionType::ram &&
               range_inside(zone.entry_point, 1, region.virtual_start, region.size);
    });
    if (has_plain_entry(zone) && !is_in_ram && problems.are_sound({"entry_point"})) {
        problems.add("/entry_point",
                     std::format("{} is not in the zone's RAM; expected a guest address in a region of "
                                 "the type \"ram\"",
                                 written(file.document, zone.entry_point, "/entry_point")));
    }
}

void check_window(const ZoneConfig& zone, const VirtioDevice& device, Problems& problems) {
    // The registers and a device's configuration space; every upstream file uses this size or more.
    constexpr std::uint64_t least_length = 0x200;
    if (device.length < least_length) {
        problems.add(device.pointer + "/len",
                     std::format("{:#x} is too small; expected at least {:#x}", device.length, least_length));
    }
    if (device.address % sizeof(std::uint64_t) != 0) {
        problems.add(device.pointer + "/addr", std::format("{:#x} is not a multiple of 8", device.address));
    }
    const bool is_trapped = std::ranges::any_of(zone.memory_regions, [&device](const MemoryRegion& region) {
        return region.type == RegionType::virtio &&
               range_inside(device.address, device.length, guest_address(region), region.size);
    });
    if (!is_trapped) {
        problems.add(
            device.pointer + "/addr",
            std::format(
                "the window {:#x}, size {:#x}, is not inside a region of the type \"virtio\" of zone {}; add "
                "one to its memory_regions",
                device.address, device.length, zone.name));
    }
}

/// Section 6.2: the hypervisor ignores the list on the other two, and upstream's files leave it empty.
bool uses_interrupt_list(const ZoneConfig& zone) {
    return std::holds_alternative<Aarch64Config>(zone.arch) ||
           std::holds_alternative<Riscv64Config>(zone.arch);
}

void check_interrupts(const ZoneConfig& zone, const std::vector<VirtioDevice>& devices, Problems& problems) {
    constexpr std::uint32_t first_spi = 32;
    std::vector<std::uint32_t> distinct;
    for (const VirtioDevice& device : devices) {
        if (std::holds_alternative<Aarch64Config>(zone.arch) && device.interrupt < first_spi) {
            problems.add(
                device.pointer + "/irq",
                std::format("{} is an interrupt of a CPU's own; expected {} or more, the number of an "
                            "SPI and 32",
                            device.interrupt, first_spi));
        }
        if (uses_interrupt_list(zone) && !std::ranges::contains(zone.interrupts, device.interrupt)) {
            const bool is_spi = std::holds_alternative<Aarch64Config>(zone.arch) &&
                                std::ranges::contains(zone.interrupts, device.interrupt + first_spi);
            problems.add(
                device.pointer + "/irq",
                is_spi
                    ? std::format("interrupt {} is not in the list \"interrupts\" of zone {}, which has {}; "
                                  "expected that for SPI {}",
                                  device.interrupt, zone.name, device.interrupt + first_spi, device.interrupt)
                    : std::format(R"(interrupt {} is not in the list "interrupts" of zone {}; add it there)",
                                  device.interrupt, zone.name));
        }
        if (!std::ranges::contains(distinct, device.interrupt)) {
            distinct.push_back(device.interrupt);
            if (distinct.size() == max_device_interrupts + 1) {
                problems.add(
                    device.pointer + "/irq",
                    std::format(
                        "this is the zone's interrupt number {} for devices and the hypervisor holds {}; let "
                        "devices share one",
                        distinct.size(), max_device_interrupts));
            }
        }
    }
}

/// How much of the guest RAM from `start` lies in one region that maps it to `physical`.
std::uint64_t mapped_length(const ZoneConfig& zone, std::uint64_t start, std::uint64_t physical) {
    for (const MemoryRegion& region : zone.memory_regions) {
        if (region.type == RegionType::ram && range_inside(start, 1, region.virtual_start, region.size) &&
            physical - region.physical_start == start - region.virtual_start) {
            return region.size - (start - region.virtual_start);
        }
    }
    return 0;
}

void check_mapping(const ZoneConfig& zone, const RamMapping& mapping, Problems& problems) {
    bool is_whole = true;
    const auto check_page = [&](std::uint64_t number, std::string_view key) {
        if (number % page_size != 0) {
            problems.add(mapping.pointer + std::string(key),
                         std::format("{:#x} is not a multiple of the page size {:#x}", number, page_size));
            is_whole = false;
        }
    };
    check_page(mapping.zone0_ipa, "/zone0_ipa");
    check_page(mapping.zonex_ipa, "/zonex_ipa");
    check_page(mapping.size, "/size");
    // Regions that follow each other are as good as one.
    std::uint64_t done = 0;
    while (is_whole && done < mapping.size) {
        const std::uint64_t length = mapped_length(zone, mapping.zonex_ipa + done, mapping.zone0_ipa + done);
        if (length == 0) {
            problems.add(mapping.pointer,
                         std::format("guest address {:#x} at {:#x} is not in the RAM of zone {}; expected "
                                     "zonex_ipa, zone0_ipa "
                                     "and size of its regions of the type \"ram\"",
                                     mapping.zonex_ipa + done, mapping.zone0_ipa + done, zone.name));
            return;
        }
        done += std::min(length, mapping.size - done);
    }
}

} // namespace

void check_devices(const ZoneConfig& zone, const std::vector<VirtioDevice>& devices, Problems& problems) {
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const VirtioDevice& device = devices[i];
        check_window(zone, device, problems);
        for (std::size_t j = 0; j < i; ++j) {
            const VirtioDevice& other = devices[j];
            if (ranges_overlap(device.address, device.length, other.address, other.length)) {
                problems.add(device.pointer + "/addr",
                             std::format("the window {:#x}, size {:#x}, overlaps that of {}", device.address,
                                         device.length, other.pointer));
            }
            if (!device.input.path.empty() && device.input.path == other.input.path) {
                problems.add(device.pointer + "/path",
                             std::format("{} is that of {}, too; expected another input device",
                                         device.input.path, other.pointer));
            }
        }
    }
    check_interrupts(zone, devices, problems);
}

bool has_plain_entry(const ZoneConfig& zone) {
    return std::holds_alternative<Aarch64Config>(zone.arch) ||
           std::holds_alternative<Riscv64Config>(zone.arch);
}

bool is_firmware(const ZoneConfig& zone, const MemoryRegion& region) {
    constexpr std::uint64_t firmware_end = 0x100000;
    return std::holds_alternative<Loongarch64Config>(zone.arch) && region.type == RegionType::ram &&
           range_inside(region.physical_start, region.size, 0, firmware_end);
}

std::uint64_t guest_address(const MemoryRegion& region) {
    return region.type == RegionType::virtio ? region.physical_start : region.virtual_start;
}

void check_zone(const ZoneFile& zone, Problems& problems) {
    const bool knows_channels = problems.are_sound({"ivc_configs", "interrupts"});
    check_memory(zone.config, problems);
    check_image_addresses(zone, problems);
    check_own_identity(zone.config, problems);
    if (knows_channels) {
        check_ivc(zone.config, problems);
    }
    check_limits(zone, problems);
}

Result<void> check_zone(const ZoneFile& zone) {
    Problems problems(zone.document);
    check_zone(zone, problems);
    return problems.result();
}

void check_own_devices(const ZoneFile& zone, Problems& problems) {
    if (problems.are_sound({"devices", "memory_regions", "interrupts", "arch_config", "arch"})) {
        check_devices(zone.config, zone.devices, problems);
    }
}

Result<void> check_devices(const ZoneFile& zone, const VirtioFile& virtio) {
    Problems problems(virtio.document);
    const VirtioZone* mine = virtio.config.zone(zone.config.zone_id);
    if (mine == nullptr) {
        problems.add("/zones", std::format("there is no element with the id {} of zone {}; add one",
                                           zone.config.zone_id, zone.config.name));
        return problems.result();
    }
    for (const RamMapping& mapping : mine->memory) {
        check_mapping(zone.config, mapping, problems);
    }
    check_devices(zone.config, mine->devices, problems);
    return problems.result();
}

std::vector<std::string> device_warnings(const ZoneFile& zone, const VirtioFile& virtio) {
    Problems problems(virtio.document);
    const VirtioZone* mine = virtio.config.zone(zone.config.zone_id);
    if (mine == nullptr) {
        return {};
    }
    for (const VirtioDevice& device : mine->devices) {
        // Section 3.6: a doorbell is told from other registers by its place in the region.
        const bool starts_region = std::ranges::any_of(zone.config.memory_regions, [&](const auto& region) {
            return region.type == RegionType::virtio && guest_address(region) == device.address;
        });
        if (!starts_region) {
            problems.warn(
                device.pointer + "/addr",
                std::format("no region of the type \"virtio\" starts at {:#x}, so the guest waits "
                            "each time it notifies this device; give the device a region of its own",
                            device.address));
        }
    }
    return problems.warnings();
}

} // namespace hvisor::zone
