// SPDX-License-Identifier: Apache-2.0
//
// Zone start, in the order of the hvisor interface, 9.2. What the real
// hypervisor does not check but trips over is a panic here as well.
#include "config.hpp"
#include "errno.hpp"
#include "gic.hpp"
#include "psci.hpp"
#include "root_memory.hpp"
#include "uart.hpp"
#include "zone.hpp"

namespace testvisor {
namespace {

// Of the root zone's devices on this board: UART, virtio-mmio slots 29 and 31, wake-up.
constexpr unsigned root_spis[] = {33, gic::wakeup_interrupt, 77, 79};

constexpr std::uint64_t no_device_tree = ~0UL;

std::uint64_t expected_size() {
    return layout() == Layout::V5a ? sizeof(ConfigV5a) : sizeof(ConfigV6);
}

void check_counts(const ConfigPrefix& config) {
    const ConfigPci* pci = nullptr;
    if (layout() == Layout::V5a) {
        pci = &reinterpret_cast<const ConfigV5a&>(config).pci;
    } else {
        const auto& v6 = reinterpret_cast<const ConfigV6&>(config);
        pci = &v6.pci;
        if (v6.uefi_tag != uefi_tag_none) {
            panic("zone ", config.zone_id, " asks for UEFI: the tag is ", v6.uefi_tag);
        }
    }
    if (config.region_count > max_regions || config.ivc_count > max_ivc || pci->bus_count > max_pci_buses ||
        pci->device_count > max_pci_devices) {
        panic("zone ", config.zone_id, " has bad counts: regions ", config.region_count, ", IVC ",
              config.ivc_count, ", PCI buses ", pci->bus_count, ", PCI devices ", pci->device_count);
    }
    if (config.is_aarch32 != 0 || config.gic_tag != gic_tag_v3) {
        panic("zone ", config.zone_id, " is not for this board: AArch64 with a GICv3");
    }
}

void map_regions(Zone& zone, const ConfigPrefix& config) {
    for (unsigned i = 0; i < config.region_count; ++i) {
        const ConfigRegion& region = config.regions[i];
        switch (region.type) {
        case region_ram:
            zone.stage2.map(region.guest, region.physical, region.size, Stage2::Kind::Memory);
            break;
        case region_io:
            zone.stage2.map(region.guest, region.physical, region.size, Stage2::Kind::Device);
            break;
        case region_virtio:
            // The real one takes the physical address for the guest's.
            zone.virtio[zone.virtio_count++] = {region.physical, region.size};
            break;
        default:
            panic("zone ", config.zone_id, " has a region of unknown type ", region.type);
        }
    }
    zone.gic = {{config.gic.gicd_base, config.gic.gicd_size},
                {config.gic.gicr_base, config.gic.gicr_size},
                {config.gic.gits_base, config.gic.gits_size}};
}

/// The last region that contains it decides.
std::uint64_t device_tree_for_guest(const ConfigPrefix& config) {
    std::uint64_t address = no_device_tree;
    for (unsigned i = 0; i < config.region_count; ++i) {
        const ConfigRegion& region = config.regions[i];
        if (config.dtb_load_paddr >= region.physical &&
            config.dtb_load_paddr - region.physical < region.size) {
            address = region.guest + (config.dtb_load_paddr - region.physical);
        }
    }
    return address;
}

bool belongs_to_another(unsigned spi) {
    for (const unsigned root_spi : root_spis) {
        if (spi == root_spi) {
            return true;
        }
    }
    for (const Cpu& cpu : cpus) {
        if (cpu.zone != nullptr && cpu.zone->owns_spi(spi)) {
            return true;
        }
    }
    return false;
}

/// Zones use the machine's interrupts directly, so one that is taken cannot be
/// had twice; files written for the real hypervisor may list more than they use.
void take_interrupts(Zone& zone, const ConfigPrefix& config) {
    for (unsigned spi = gic::first_spi; spi < gic::spi_end; ++spi) {
        if ((config.interrupts[spi / 32] >> spi % 32 & 1) == 0) {
            continue;
        }
        if (belongs_to_another(spi)) {
            say("zone ", config.zone_id, " does not get interrupt ", spi, ", which another zone has");
            continue;
        }
        zone.spis[spi / 32] |= 1U << spi % 32;
        gic::reset_spi(spi, zone.first_cpu());
    }
}

bool cpus_are_free(const ConfigPrefix& config) {
    if (config.cpus == 0 || config.cpus >> cpu_count != 0) {
        panic("zone ", config.zone_id, " has impossible CPUs ", Hex{config.cpus});
    }
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        if ((config.cpus >> cpu & 1) != 0 && cpus[cpu].zone != nullptr) {
            return false;
        }
    }
    return true;
}

} // namespace

std::int64_t start_zone(std::uint64_t config_address, std::uint64_t size) {
    if (size != expected_size()) {
        say("zone start with ", size, " bytes of configuration, not ", expected_size());
        return -error::invalid;
    }
    const ConfigPrefix& config =
        *reinterpret_cast<const ConfigPrefix*>(from_root<std::uint8_t>(config_address, size));
    const ZonesGuard guard;
    if (find_zone(config.zone_id) != nullptr) {
        return -error::invalid;
    }
    check_counts(config);
    Zone* zone = new_zone();
    zone->id = config.zone_id;
    for (unsigned i = 0; i < sizeof(zone->name); ++i) {
        zone->name[i] = config.name[i];
    }
    zone->stage2.reset(static_cast<unsigned>(zone->vmid()));
    map_regions(*zone, config);
    if (!cpus_are_free(config)) {
        return -error::busy;
    }
    zone->cpu_mask = config.cpus;
    take_interrupts(*zone, config);
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        if (zone->owns_cpu(cpu)) {
            cpus[cpu].zone = zone;
        }
    }
    append(*zone);
    // Cannot say "already on": a CPU without a zone is off or on its way there.
    if (power_on(cpus[zone->first_cpu()], config.entry_point, device_tree_for_guest(config)) !=
        psci::success) {
        panic("CPU ", zone->first_cpu(), " does not start");
    }
    say("zone ", zone->id, " started: ", Text{zone->name, sizeof(zone->name)}, ", CPUs ",
        Hex{zone->cpu_mask});
    return 0;
}

} // namespace testvisor
