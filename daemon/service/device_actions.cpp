// SPDX-License-Identifier: Apache-2.0
#include "service/device_actions.hpp"

#include "service/object_path.hpp"

#include <format>
#include <tuple>
#include <utility>

namespace hvisor::service {

void DeviceActions::attach(std::string zone, zone::ConfigText device, BusFiles files,
                           sdbus::Result<sdbus::ObjectPath, Dictionary>&& reply) {
    using Values = std::tuple<sdbus::ObjectPath, Dictionary>;
    auto failure = std::format("cannot attach a device to zone {}", zone);
    calls_.call<Values>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device),
         files = adopt(std::move(files))]() mutable {
            return zones_.attach_device(zone, device, std::move(files)).transform([&](const auto& id) {
                return Values{device_path(zone_path(zone), id), {{"Id", sdbus::Variant(id)}}};
            });
        },
        std::move(reply));
}

void DeviceActions::detach(std::string zone, std::string device, bool force, sdbus::Result<>&& reply) {
    auto failure = std::format("cannot detach {} of zone {}", device, zone);
    calls_.call<void>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), force] {
            return zones_.detach_device(zone, device, force);
        },
        std::move(reply));
}

void DeviceActions::resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                                sdbus::Result<std::uint64_t>&& reply) {
    auto failure = std::format("cannot resize {} of zone {}", device, zone);
    calls_.call<std::uint64_t>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), bytes] {
            return zones_.devices(zone).and_then(
                [&](const auto& devices) { return devices->resize_disk(device, bytes); });
        },
        std::move(reply));
}

void DeviceActions::swap_image(std::string zone, std::string device, std::string path, sdbus::UnixFd image,
                               sdbus::Result<std::uint64_t>&& reply) {
    auto failure = std::format("cannot put another image into {} of zone {}", device, zone);
    calls_.call<std::uint64_t>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), path = std::move(path),
         image = UniqueFd(image.release())]() mutable {
            return zones_.swap_image(zone, device, path, std::move(image));
        },
        std::move(reply));
}

void DeviceActions::set_link(std::string zone, std::string device, bool plugged, sdbus::Result<>&& reply) {
    auto failure = std::format("cannot set the link of {} of zone {}", device, zone);
    calls_.call<void>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), plugged] {
            return zones_.devices(zone).and_then(
                [&](const auto& devices) { return devices->set_link(device, plugged); });
        },
        std::move(reply));
}

} // namespace hvisor::service
