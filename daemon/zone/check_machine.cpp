// SPDX-License-Identifier: Apache-2.0
#include "zone/check_machine.hpp"

#include "base/checked.hpp"
#include "zone/check_zone.hpp"

#include <algorithm>
#include <format>
#include <iterator>

namespace hvisor::zone {
namespace {

/// "0x50000000 to 0x7fffffff (zones@50000000)", one after the other.
std::string describe(const std::vector<ReservedRange>& ranges) {
    std::string text;
    for (const ReservedRange& range : ranges) {
        std::format_to(std::back_inserter(text), "{}{:#x} to {:#x} ({})", text.empty() ? "" : ", ",
                       range.address, range.address + range.size - 1, range.name);
    }
    return text;
}

std::string describe(const std::vector<std::uint64_t>& ids) {
    std::string text;
    for (const std::uint64_t id : ids) {
        std::format_to(std::back_inserter(text), "{}{:#x}", text.empty() ? "" : ", ", id);
    }
    return text;
}

void check_machine_identity(const ZoneConfig& zone, const Machine& machine, Problems& problems) {
    for (const hypervisor::ZoneInfo& other : machine.zones) {
        if (other.id == zone.zone_id) {
            problems.add(
                "/zone_id",
                std::format("zone {} runs already and is called {}; shut it down first, or choose another id",
                            other.id, other.name),
                ErrorCode::zone_exists);
        } else if (other.name == zone.name) {
            problems.add("/name",
                         std::format("a zone called {} runs already with the id {}; shut it down first, or "
                                     "choose another name",
                                     other.name, other.id),
                         ErrorCode::zone_exists);
        }
    }
}

void check_cpus(const ZoneConfig& zone, const Machine& machine, Problems& problems) {
    for (std::size_t i = 0; i < zone.cpus.size(); ++i) {
        for (const hypervisor::ZoneInfo& other : machine.zones) {
            if (((other.cpus >> zone.cpus[i]) & 1U) != 0) {
                problems.add(
                    std::format("/cpus/{}", i),
                    std::format("CPU {} belongs to {}; expected CPUs that no zone uses", zone.cpus[i],
                                other.id == 0 ? "the root zone" : std::format("zone {}", other.name)),
                    ErrorCode::resource_busy);
            }
        }
    }
}

/// RAM and registers that a zone has for itself are not the root zone's.
void check_memory(const ZoneConfig& zone, const Machine& machine, Problems& problems) {
    for (std::size_t i = 0; i < zone.memory_regions.size(); ++i) {
        const MemoryRegion& region = zone.memory_regions[i];
        const std::string key = std::format("/memory_regions/{}/physical_start", i);
        const bool is_ram = region.type == RegionType::ram && !is_firmware(zone, region);
        if (region.type == RegionType::virtio) {
            continue;
        }
        if (is_ram && machine.reserved &&
            std::ranges::none_of(*machine.reserved, [&region](const ReservedRange& range) {
                return range_inside(region.physical_start, region.size, range.address, range.size);
            })) {
            problems.add(
                key,
                std::format(
                    "RAM {:#x}, size {:#x}, is not reserved for zones; expected it inside {}",
                    region.physical_start, region.size,
                    machine.reserved->empty()
                        ? "a no-map child of /reserved-memory, of which the root zone's device tree has none"
                        : describe(*machine.reserved)));
        }
        for (const ReservedRange& used : machine.root.system_ram) {
            if (ranges_overlap(region.physical_start, region.size, used.address, used.size)) {
                problems.add(key,
                             std::format("{} {:#x}, size {:#x}, overlaps {:#x} to {:#x}, which the root "
                                         "zone's Linux uses; {}",
                                         region.type == RegionType::ram ? "RAM" : "the registers at",
                                         region.physical_start, region.size, used.address,
                                         used.address + used.size - 1,
                                         region.type == RegionType::ram
                                             ? "reserve it in the root zone's device tree"
                                             : "expected those of a device"),
                             ErrorCode::resource_busy);
            }
        }
    }
}

void check_root_interrupts(const ZoneConfig& zone, const ZoneClaims& mine, const Machine& machine,
                           Problems& problems) {
    for (std::size_t i = 0; i < zone.interrupts.size(); ++i) {
        const auto used = std::ranges::find(machine.root.interrupts, zone.interrupts[i], &UsedInterrupt::id);
        if (used != machine.root.interrupts.end() && std::ranges::contains(mine.interrupts, used->id)) {
            problems.add(
                std::format("/interrupts/{}", i),
                std::format("interrupt {} is in use by the root zone ({}); expected those of devices "
                            "that the root zone leaves alone",
                            used->id, used->user),
                ErrorCode::resource_busy);
        }
    }
}

/// Whether the CPUs of the root zone's device tree are those that the file says,
/// or, where it says none, whether a CPU's number can be its hardware id.
void check_hardware_ids(const ZoneFile& zone, const Machine& machine, Problems& problems) {
    const auto* arm64 = std::get_if<Aarch64Config>(&zone.config.arch);
    const auto& ids = machine.root.cpu_ids;
    const bool is_said = arm64 != nullptr && !arm64->mpidr_mappings.empty();
    if (ids.empty() || machine.zones.empty() ||
        (!is_said && (arm64 == nullptr || zone.start.dtb != DtbSource::generate))) {
        return;
    }
    for (std::uint32_t cpu = 0; cpu < 64; ++cpu) {
        const std::uint64_t id = zone.config.hardware_id(cpu).value_or(cpu);
        if (((machine.zones.front().cpus >> cpu) & 1U) == 0 || std::ranges::contains(ids, id)) {
            continue;
        }
        if (is_said) {
            problems.add(
                "/arch_config/mpidr_mappings",
                std::format("CPU {} of the root zone would have the id {:#x}, and its device tree has "
                            "{}; expected the BOARD_MPIDR_MAPPINGS of the hypervisor's board",
                            cpu, id, describe(ids)));
        } else {
            problems.add("/dtb",
                         std::format("the ids (MPIDR) of this board's CPUs are not their numbers: the root "
                                     "zone's have {}; expected \"mpidr_mappings\" in arch_config, the "
                                     "BOARD_MPIDR_MAPPINGS of the hypervisor's board",
                                     describe(ids)));
        }
        return;
    }
}

} // namespace

Result<void> check_machine(const ZoneFile& zone, const VirtioFile* virtio, const Machine& machine,
                           const std::filesystem::path& here) {
    Problems problems(zone.document);
    check_machine_identity(zone.config, machine, problems);
    if (!problems.empty()) {
        return problems.result(); // of a zone that is there already everything else is taken, too
    }
    check_cpus(zone.config, machine, problems);
    check_memory(zone.config, machine, problems);
    check_hardware_ids(zone, machine, problems);
    const JsonDocument& document = virtio != nullptr ? virtio->document : zone.document;
    const auto devices =
        virtio != nullptr ? virtio->config.devices_of(zone.config.zone_id) : std::span<const VirtioDevice>{};
    const std::string folder = (here / document.name()).parent_path();
    check_root_interrupts(zone.config, claims_of(zone.config, devices, folder), machine, problems);
    Problems device_problems(document);
    for (const ZoneClaims& other : machine.claims) {
        check_claims(zone.config, devices, folder, other, problems, device_problems);
    }
    return join(problems.result(), device_problems.result());
}

} // namespace hvisor::zone
