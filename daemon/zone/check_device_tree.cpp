// SPDX-License-Identifier: Apache-2.0
#include "zone/check_device_tree.hpp"

#include "base/checked.hpp"
#include "zone/check_zone.hpp"

#include <algorithm>
#include <format>

namespace hvisor::zone {
namespace {

constexpr std::string_view tree_key = "/dtb_filepath";

/// The first address of the range that is not in the zone's RAM, whose regions may follow each other.
std::optional<std::uint64_t> first_outside(const ZoneConfig& zone, std::uint64_t start, std::uint64_t size) {
    std::uint64_t done = 0;
    while (done < size) {
        const auto region =
            std::ranges::find_if(zone.memory_regions, [at = start + done](const MemoryRegion& candidate) {
                return candidate.type == RegionType::ram &&
                       range_inside(at, 1, candidate.virtual_start, candidate.size);
            });
        if (region == zone.memory_regions.end()) {
            return start + done;
        }
        done += std::min(size - done, region->size - (start + done - region->virtual_start));
    }
    return std::nullopt;
}

void check_memory(const ZoneConfig& zone, const DeviceTree& tree, Problems& problems) {
    for (const TreeMemory& memory : tree.memory) {
        if (const auto address = first_outside(zone, memory.address, memory.size)) {
            problems.add(tree_key,
                         std::format("{} gives the guest {:#x}, size {:#x}, of which {:#x} is not in the "
                                     "zone's RAM; expected the zone's regions of the type \"ram\"",
                                     memory.node, memory.address, memory.size, *address));
        }
    }
    if (tree.memory.empty()) {
        problems.warn(tree_key, "the device tree names no memory");
    }
}

void check_cpus(const ZoneConfig& zone, const DeviceTree& tree, Problems& problems) {
    if (tree.cpus.size() != zone.cpus.size()) {
        problems.warn(tree_key,
                      std::format("the device tree has {} CPUs and the zone {}; the guest starts those "
                                  "that both have",
                                  tree.cpus.size(), zone.cpus.size()));
    }
    for (const TreeCpu& cpu : tree.cpus) {
        const bool is_mine = std::ranges::any_of(zone.cpus, [&](std::uint32_t mine) {
            return zone.hardware_id(mine).value_or(cpu.hardware_id) == cpu.hardware_id;
        });
        if (!is_mine) {
            problems.add(tree_key,
                         std::format("{} is the CPU with the id {:#x}, which is none of the zone's as "
                                     "/arch_config/mpidr_mappings says; expected the zone's CPUs",
                                     cpu.node, cpu.hardware_id));
        }
    }
}

void check_node(const ZoneConfig& zone, std::span<const VirtioDevice> devices, const TreeVirtio& node,
                Problems& problems) {
    const auto device = std::ranges::find(devices, node.address, &VirtioDevice::address);
    if (device == devices.end()) {
        const bool is_trapped = std::ranges::any_of(zone.memory_regions, [&node](const MemoryRegion& region) {
            return region.type == RegionType::virtio &&
                   range_inside(node.address, 4, guest_address(region), region.size);
        });
        const std::string what =
            std::format("{} is a virtio device at {:#x}, where the zone has none", node.node, node.address);
        if (is_trapped) {
            problems.warn(tree_key, what);
        } else {
            problems.add(tree_key,
                         what + " and no region of the type \"virtio\" either; the guest fails when it "
                                "looks; add the device or remove the node");
        }
        return;
    }
    if (node.interrupt && *node.interrupt != device->interrupt) {
        problems.add(tree_key,
                     std::format("{} has the interrupt {}, and the device at {:#x} of the zone has {}; "
                                 "expected the same",
                                 node.node, *node.interrupt, node.address, device->interrupt));
    }
    if (node.length > device->length) {
        problems.warn(tree_key,
                      std::format("{} has the size {:#x}, and the device at {:#x} of the zone has {:#x}",
                                  node.node, node.length, node.address, device->length));
    }
}

} // namespace

void check_device_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices, const DeviceTree& tree,
                       Problems& problems) {
    check_memory(zone.config, tree, problems);
    check_cpus(zone.config, tree, problems);
    for (const TreeVirtio& node : tree.virtio) {
        check_node(zone.config, devices, node, problems);
    }
    for (const VirtioDevice& device : devices) {
        if (!std::ranges::contains(tree.virtio, device.address, &TreeVirtio::address)) {
            problems.warn(tree_key,
                          std::format("the device tree has no virtio,mmio node for the device at {:#x}; "
                                      "the guest does not see it",
                                      device.address));
        }
    }
}

void check_device_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices,
                       std::span<const std::byte> blob, Problems& problems) {
    const auto tree = read_device_tree(blob);
    if (tree) {
        check_device_tree(zone, devices, *tree, problems);
        return;
    }
    const ImageFile* image = zone.config.image(ImageRole::dtb);
    problems.add(tree_key, std::format("{}: {}", image != nullptr ? image->path : "", tree.error().message));
}

} // namespace hvisor::zone
