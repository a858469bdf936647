// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/check_machine.hpp"
#include "zone/file_table.hpp"
#include "zone/images.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_devices.hpp"
#include "zone/zone_encoder.hpp"
#include "zone/zone_file.hpp"

#include <memory>
#include <vector>

namespace hvisor::zone {

/// A virtio JSON with its open files, remembered until its zones start.
struct VirtioSource {
    VirtioFile file;
    FileTable files;
};

/// Guest RAM that a zone's devices may reach, and the place in a file that says so.
struct MemoryRange {
    RamMapping range;
    const JsonDocument* document = nullptr;
};

/// Everything a zone is started with. As long as it is being made, nothing outside this process is touched.
struct ZonePlan {
    ZoneFile zone;
    std::shared_ptr<const VirtioSource> virtio; ///< none for a zone without devices
    std::vector<OpenImage> images;
    std::vector<DeviceSettings> devices;
    std::vector<Layout> layouts; ///< that the hypervisor may use, the likeliest first
};

/// Check `zone` against its devices and the machine, and open its files.
/// `virtio` may be none; `magic` is the hypervisor's.
[[nodiscard]] Result<ZonePlan> make_plan(ZoneFile zone, std::shared_ptr<const VirtioSource> virtio,
                                         const FileTable& files, const Machine& machine, std::uint64_t magic);

/// What the virtio JSON says of the RAM of one of its zones; the document is the virtio JSON's.
[[nodiscard]] std::vector<MemoryRange> memory_ranges(const VirtioSource& virtio, const VirtioZone& zone);

/// The same of a plan, which falls back on the RAM of the zone JSON: a zone without devices may get one
/// later.
[[nodiscard]] std::vector<MemoryRange> memory_ranges(const ZonePlan& plan);

/// The devices of a plan as its files describe them, paths absolute where that can be.
[[nodiscard]] std::vector<VirtioDevice> described_devices(const ZonePlan& plan);
/// The same of one zone of a virtio JSON.
[[nodiscard]] std::vector<VirtioDevice> described_devices(const VirtioFile& virtio, std::uint32_t zone);

/// What it takes to make a device that `document` describes, with its disk opened.
[[nodiscard]] DeviceSettings open_device(const FileTable& files, const JsonDocument& document,
                                         const VirtioDevice& device, Problems& problems);

/// The same of all devices of one zone of a virtio JSON.
[[nodiscard]] Result<std::vector<DeviceSettings>> open_devices(const VirtioSource& virtio,
                                                               const VirtioZone& zone);

} // namespace hvisor::zone
