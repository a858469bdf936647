// SPDX-License-Identifier: Apache-2.0
#include "zone/foreign_zone.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_manager_impl.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace hvisor::zone {
/// Whether this daemon serves, or is about to serve, the devices of that zone.
bool ZoneManager::Impl::has_devices_of(std::uint32_t id) {
    return std::ranges::any_of(zones_now(), [id](const auto& entry) {
        return entry.second->id() == id && entry.second->state() != State::stopped;
    });
}

/// Open the disks of all zones of `virtio`, and give those that run already,
/// started by somebody else, their devices. All of them or none.
Result<std::vector<std::shared_ptr<Zone>>> ZoneManager::Impl::adopt_running(const VirtioSource& virtio) {
    const auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(list.error());
    }
    std::vector<std::shared_ptr<Zone>> adopted;
    const auto give_up = [&adopted](Error error) {
        for (const auto& zone : adopted) {
            zone->abandon();
        }
        return std::unexpected(std::move(error));
    };
    for (const VirtioZone& zone : virtio.file.config.zones) {
        // For a zone that is not there yet they are opened again when it
        // starts; this is for whoever waits for an answer now.
        auto devices = open_devices(virtio, zone);
        if (!devices) {
            return give_up(std::move(devices).error());
        }
        const auto* info = find(*list, zone.id);
        // A name that the bus cannot carry is nothing to know a zone by.
        if (info == nullptr || info->name != foreign_name(*info) || devices->empty() ||
            has_devices_of(zone.id)) {
            continue;
        }
        const auto ranges = memory_ranges(virtio, zone);
        if (ranges.empty()) {
            return give_up({ErrorCode::invalid_config,
                            std::format("{}: zone {} runs already, so only this file can say where its RAM "
                                        "is; expected memory_region",
                                        virtio.file.document.locate(zone.pointer), zone.id)});
        }
        ZoneConfig config = foreign_config(*info, ranges, zone);
        auto mine = std::make_shared<Zone>(std::move(config), described_devices(virtio.file, zone.id),
                                           origin_of(virtio), world());
        if (auto done = mine->adopt(std::move(*devices), ranges); !done) {
            return give_up(std::move(done).error());
        }
        adopted.push_back(std::move(mine));
    }
    return adopted;
}

} // namespace hvisor::zone
