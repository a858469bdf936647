// SPDX-License-Identifier: Apache-2.0
#include "zone/foreign_zone.hpp"

#include <algorithm>
#include <bit>
#include <format>
#include <tuple>

namespace hvisor::zone {

std::vector<std::uint32_t> cpu_list(std::uint64_t mask) {
    std::vector<std::uint32_t> cpus;
    for (; mask != 0; mask &= mask - 1) {
        cpus.push_back(static_cast<std::uint32_t>(std::countr_zero(mask)));
    }
    return cpus;
}

std::string foreign_name(const hypervisor::ZoneInfo& info) {
    std::string name = info.name;
    std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '?');
    return name.empty() ? std::format("zone-{}", info.id) : name;
}

ZoneState foreign_state(const hypervisor::ZoneInfo& info) {
    ZoneState zone;
    zone.id = info.id;
    zone.name = foreign_name(info);
    zone.state = info.has_error ? State::failed : State::running;
    zone.cpus = cpu_list(info.cpus);
    if (info.has_error) {
        zone.reason = "the hypervisor has marked it as failed";
    }
    return zone;
}

ZoneConfig foreign_config(const hypervisor::ZoneInfo& info, const std::vector<MemoryRange>& ranges,
                          const VirtioZone& zone) {
    ZoneConfig config;
    config.zone_id = info.id;
    config.name = info.name;
    config.cpus = cpu_list(info.cpus);
    for (const auto& [range, document] : ranges) {
        config.memory_regions.push_back({RegionType::ram, range.zone0_ipa, range.zonex_ipa, range.size});
    }
    for (const VirtioDevice& device : zone.devices) {
        config.memory_regions.push_back({RegionType::virtio, device.address, device.address, device.length});
        config.interrupts.push_back(device.interrupt);
    }
    return config;
}

bool is_same_list(const std::vector<hypervisor::ZoneInfo>& a, const std::vector<hypervisor::ZoneInfo>& b) {
    return std::ranges::equal(a, b, [](const auto& one, const auto& other) {
        return std::tie(one.id, one.cpus, one.name, one.has_error) ==
               std::tie(other.id, other.cpus, other.name, other.has_error);
    });
}

const hypervisor::ZoneInfo* find(const std::vector<hypervisor::ZoneInfo>& list, std::uint32_t id) {
    const auto found = std::ranges::find(list, id, &hypervisor::ZoneInfo::id);
    return found == list.end() ? nullptr : &*found;
}

} // namespace hvisor::zone
