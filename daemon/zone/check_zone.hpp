// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_file.hpp"

#include <string>
#include <vector>

namespace hvisor::zone {

/// What can be wrong inside a zone file that was read without a problem: the
/// hypervisor panics, or the guest never starts, where these do not hold. The
/// error holds every problem, a line each.
[[nodiscard]] Result<void> check_zone(const ZoneFile& zone);

/// The same of what `problems` has nothing against yet, for a file that was read
/// with problems; what depends on a wrong key is not judged.
void check_zone(const ZoneFile& zone, Problems& problems);

/// Whether the devices of `virtio` for this zone fit the zone file: windows
/// that trap, interrupts that arrive, memory that is the guest's.
[[nodiscard]] Result<void> check_devices(const ZoneFile& zone, const VirtioFile& virtio);

/// The same of devices that one after the other came to a zone, for the last one of them.
void check_devices(const ZoneConfig& zone, const std::vector<VirtioDevice>& devices, Problems& problems);

/// The same of a one-file zone and what `problems` has nothing against yet.
void check_own_devices(const ZoneFile& zone, Problems& problems);

/// What is allowed and seldom meant: several devices in one region, where the
/// hypervisor takes only the first one's doorbell without making the guest wait.
[[nodiscard]] std::vector<std::string> device_warnings(const ZoneFile& zone, const VirtioFile& virtio);

/// Whether entry_point is a guest address as any other; on x86_64 and loongarch64 it is none.
[[nodiscard]] bool has_plain_entry(const ZoneConfig& zone);

/// Whether the region is memory of loongarch64's firmware, which lies below the
/// first MiB and which upstream's files show to every zone: nobody reserves it,
/// loads into it, or lends it to a device.
[[nodiscard]] bool is_firmware(const ZoneConfig& zone, const MemoryRegion& region);

/// The guest address of a region. Of a virtio region the hypervisor takes the
/// physical address for it (hvisor interface, section 9.2).
[[nodiscard]] std::uint64_t guest_address(const MemoryRegion& region);

/// The hypervisor holds at most this many different pending interrupts a zone and panics at one more
/// (section 2.3).
inline constexpr std::size_t max_device_interrupts = 7;

} // namespace hvisor::zone
