// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_claims.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <iterator>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

/// Interrupts that come from a virtio device or from another zone are made by the hypervisor.
bool is_machines(std::uint32_t interrupt, const ZoneConfig& zone, std::span<const VirtioDevice> devices) {
    return !std::ranges::contains(devices, interrupt, &VirtioDevice::interrupt) &&
           !std::ranges::contains(zone.ivc_configs, interrupt, &IvcConfig::interrupt_num);
}

std::string_view describe(RegionType type) {
    return type == RegionType::ram ? "RAM" : "the registers at";
}

ClaimedRange claim_of(const ZoneConfig& zone, const MemoryRegion& region) {
    const bool has_image = std::ranges::any_of(zone.images, [&region](const ImageFile& image) {
        return range_inside(image.load_paddr, 1, region.physical_start, region.size);
    });
    return {region.type, region.physical_start, region.size, has_image};
}

/// Upstream's files for x86_64 give the registers of the HPET to every zone,
/// and those for loongarch64 registers of the bridge and the firmware's RAM.
bool is_shared(const ZoneConfig& zone, const ClaimedRange& mine, const ClaimedRange& other) {
    const bool shares = std::holds_alternative<X8664Config>(zone.arch) ||
                        std::holds_alternative<Loongarch64Config>(zone.arch);
    return shares && mine.type == other.type && mine.address == other.address && mine.size == other.size &&
           !mine.has_image && !other.has_image;
}

void check_ranges(const ZoneConfig& zone, const ZoneClaims& other, Problems& problems) {
    for (std::size_t i = 0; i < zone.memory_regions.size(); ++i) {
        const MemoryRegion& region = zone.memory_regions[i];
        if (region.type == RegionType::virtio) {
            continue;
        }
        const ClaimedRange mine = claim_of(zone, region);
        for (const ClaimedRange& claimed : other.ranges) {
            if (ranges_overlap(mine.address, mine.size, claimed.address, claimed.size) &&
                !is_shared(zone, mine, claimed)) {
                problems.add(std::format("/memory_regions/{}/physical_start", i),
                             std::format("{} {:#x}, size {:#x}, overlaps {} {:#x}, size {:#x}, of zone {}; "
                                         "expected memory that no zone uses",
                                         describe(region.type), region.physical_start, region.size,
                                         describe(claimed.type), claimed.address, claimed.size, other.zone),
                             ErrorCode::resource_busy);
            }
        }
    }
}

/// Where a display is listened at, in words that are equal for what is the same.
std::vector<std::string> remote_addresses(const VirtioDevice& device) {
    std::vector<std::string> addresses;
    for (const DisplayConfig& display : device.gpu.displays) {
        if (display.vnc && !display.vnc->listen.empty()) {
            addresses.push_back(display.vnc->listen);
        }
    }
    return addresses;
}

void check_remote_addresses(const VirtioDevice& device, const ZoneClaims& other, Problems& problems) {
    for (const DisplayConfig& display : device.gpu.displays) {
        if (display.vnc && std::ranges::contains(other.remote_addresses, display.vnc->listen)) {
            problems.add(display.vnc->pointer + "/listen",
                         std::format("zone {} can be looked at by {}; expected an address that no zone uses",
                                     other.zone, display.vnc->listen),
                         ErrorCode::resource_busy);
        }
    }
}

void check_connectors(const VirtioDevice& device, const ZoneClaims& other, Problems& problems) {
    for (const DisplayConfig& display : device.gpu.displays) {
        if (std::ranges::contains(other.connectors, display.connector)) {
            problems.add(display.pointer + "/connector",
                         std::format("the connector {} shows zone {}; expected one that no zone uses",
                                     display.connector, other.zone),
                         ErrorCode::resource_busy);
        }
    }
}

/// One that nobody has alone, several can have.
void check_input(const VirtioDevice& device, const ZoneClaims& other, Problems& problems) {
    const auto claimed = std::ranges::find(other.inputs, device.input.path, &ClaimedInput::path);
    if (!device.input.path.empty() && claimed != other.inputs.end() &&
        (claimed->is_grabbed || device.input.grab)) {
        problems.add(device.pointer + "/path",
                     std::format("{} is an input device of zone {}; expected one that no zone uses, or "
                                 "\"grab\": false in both",
                                 device.input.path, other.zone),
                     ErrorCode::resource_busy);
    }
}

} // namespace

std::string absolute_path(const std::string& path, const std::string& folder) {
    const fs::path full = (fs::path(folder) / path).lexically_normal();
    return full.is_absolute() ? full.string() : "";
}

void check_device_claims(std::span<const VirtioDevice> devices, const std::string& folder,
                         const ZoneClaims& other, Problems& problems) {
    for (const VirtioDevice& device : devices) {
        if (device.type == DeviceType::net && std::ranges::contains(other.taps, device.net.tap)) {
            problems.add(device.pointer + "/tap",
                         std::format("{} is the tap of zone {}; expected one that no zone uses",
                                     device.net.tap, other.zone),
                         ErrorCode::resource_busy);
        }
        if (device.type == DeviceType::vsock && std::ranges::contains(other.cids, device.cid)) {
            problems.add(device.pointer + "/cid",
                         std::format("{} is the cid of zone {}; expected one that no zone uses", device.cid,
                                     other.zone),
                         ErrorCode::resource_busy);
        }
        if (device.type == DeviceType::gpu) {
            check_connectors(device, other, problems);
            check_remote_addresses(device, other, problems);
        }
        if (device.type == DeviceType::input) {
            check_input(device, other, problems);
        }
        if (device.type != DeviceType::block) {
            continue;
        }
        const auto disk =
            std::ranges::find(other.disks, absolute_path(device.block.image, folder), &ClaimedDisk::path);
        if (disk != other.disks.end() && (disk->writable || !device.block.read_only)) {
            problems.add(device.pointer + "/img",
                         std::format("{} is a disk of zone {}; expected one that no zone uses, or "
                                     "\"readonly\": true in both",
                                     device.block.image, other.zone),
                         ErrorCode::resource_busy);
        }
    }
}

std::string folder_of(const JsonDocument& document) {
    return fs::path(document.name()).parent_path();
}

ZoneClaims claims_of(const ZoneConfig& zone, std::span<const VirtioDevice> devices,
                     const std::string& folder) {
    ZoneClaims claims{.zone = zone.name,
                      .ranges = {},
                      .interrupts = {},
                      .taps = {},
                      .cids = {},
                      .connectors = {},
                      .inputs = {},
                      .remote_addresses = {},
                      .disks = {}};
    for (const MemoryRegion& region : zone.memory_regions) {
        if (region.type != RegionType::virtio) {
            claims.ranges.push_back(claim_of(zone, region));
        }
    }
    for (const std::uint32_t interrupt : zone.interrupts) {
        if (is_machines(interrupt, zone, devices)) {
            claims.interrupts.push_back(interrupt);
        }
    }
    for (const VirtioDevice& device : devices) {
        if (device.type == DeviceType::net) {
            claims.taps.push_back(device.net.tap);
        }
        if (device.type == DeviceType::vsock) {
            claims.cids.push_back(device.cid);
        }
        if (device.type == DeviceType::input && !device.input.path.empty()) {
            claims.inputs.push_back({.path = device.input.path, .is_grabbed = device.input.grab});
        }
        for (const DisplayConfig& display : device.gpu.displays) {
            if (!display.connector.empty()) {
                claims.connectors.push_back(display.connector);
            }
        }
        std::ranges::move(remote_addresses(device), std::back_inserter(claims.remote_addresses));
        const std::string path =
            device.type == DeviceType::block ? absolute_path(device.block.image, folder) : "";
        if (!path.empty()) {
            claims.disks.push_back({path, !device.block.read_only});
        }
    }
    return claims;
}

void check_claims(const ZoneConfig& zone, std::span<const VirtioDevice> devices, const std::string& folder,
                  const ZoneClaims& other, Problems& zone_problems, Problems& device_problems) {
    check_ranges(zone, other, zone_problems);
    for (std::size_t i = 0; i < zone.interrupts.size(); ++i) {
        if (is_machines(zone.interrupts[i], zone, devices) &&
            std::ranges::contains(other.interrupts, zone.interrupts[i])) {
            zone_problems.add(std::format("/interrupts/{}", i),
                              std::format("interrupt {} belongs to zone {}; expected interrupts that no zone "
                                          "uses, or those of the zone's own virtio devices",
                                          zone.interrupts[i], other.zone),
                              ErrorCode::resource_busy);
        }
    }
    check_device_claims(devices, folder, other, device_problems);
}

void check_identity(const ZoneConfig& zone, const ZoneConfig& other, Problems& problems) {
    if (zone.zone_id == other.zone_id) {
        problems.add("/zone_id", std::format("{} is the number of zone {}, too; expected another one",
                                             zone.zone_id, other.name));
    }
    if (zone.name == other.name) {
        problems.add("/name", std::format("zone {} is called {}, too; expected another name", other.zone_id,
                                          zone.name));
    }
    for (std::size_t i = 0; i < zone.cpus.size(); ++i) {
        if (std::ranges::contains(other.cpus, zone.cpus[i])) {
            problems.add(std::format("/cpus/{}", i),
                         std::format("CPU {} belongs to zone {}, too; expected CPUs "
                                     "that no zone uses",
                                     zone.cpus[i], other.name));
        }
    }
}

} // namespace hvisor::zone
