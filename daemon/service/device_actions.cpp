// SPDX-License-Identifier: Apache-2.0
#include "service/device_actions.hpp"

#include "devices/gpu/list_connectors.hpp"
#include "service/object_path.hpp"
#include "service/png_file.hpp"

#include <algorithm>
#include <format>
#include <tuple>
#include <utility>

namespace hvisor::service {
namespace {

/// Each may hold a picture of a large screen.
constexpr std::size_t most_looks = 4;

Dictionary describe(const devices::gpu::ConnectorFacts& facts, const std::string& zone) {
    return {{"Card", sdbus::Variant(facts.card)},
            {"Connector", sdbus::Variant(facts.connector)},
            {"Connected", sdbus::Variant(facts.is_connected)},
            {"Width", sdbus::Variant(facts.preferred.width)},
            {"Height", sdbus::Variant(facts.preferred.height)},
            {"Refresh", sdbus::Variant(facts.refresh)},
            {"Zone", sdbus::Variant(zone)}};
}

/// The zone that has the connector; Linux gives no two of a machine the same name.
std::string user_of(const std::string& connector, const std::vector<zone::ZoneState>& zones) {
    for (const auto& zone : zones) {
        for (const auto& device : zone.devices) {
            if (device.gpu &&
                std::ranges::contains(device.gpu->displays, connector, &zone::DisplayState::connector)) {
                return zone.name;
            }
        }
    }
    return {};
}

} // namespace

void DeviceActions::attach(std::string zone, zone::ConfigText device, BusFiles files,
                           Reply<sdbus::ObjectPath, Dictionary>&& reply) {
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

void DeviceActions::detach(std::string zone, std::string device, bool force, Reply<>&& reply) {
    auto failure = std::format("cannot detach {} of zone {}", device, zone);
    calls_.call<void>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), force] {
            return zones_.detach_device(zone, device, force);
        },
        std::move(reply));
}

void DeviceActions::resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                                Reply<std::uint64_t>&& reply) {
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
                               Reply<std::uint64_t>&& reply) {
    auto failure = std::format("cannot put another image into {} of zone {}", device, zone);
    calls_.call<std::uint64_t>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), path = std::move(path),
         image = UniqueFd(image.release())]() mutable {
            return zones_.swap_image(zone, device, path, std::move(image));
        },
        std::move(reply));
}

void DeviceActions::set_link(std::string zone, std::string device, bool plugged, Reply<>&& reply) {
    auto failure = std::format("cannot set the link of {} of zone {}", device, zone);
    calls_.call<void>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), plugged] {
            return zones_.devices(zone).and_then(
                [&](const auto& devices) { return devices->set_link(device, plugged); });
        },
        std::move(reply));
}

void DeviceActions::resize_display(std::string zone, std::string device, std::uint32_t display,
                                   devices::gpu::Size size, Reply<>&& reply) {
    auto failure = std::format("cannot resize display {} of {} of zone {}", display, device, zone);
    calls_.call<void>(
        std::move(failure),
        [this, zone = std::move(zone), device = std::move(device), display, size] {
            return zones_.devices(zone).and_then(
                [&](const auto& devices) { return devices->resize_display(device, display, size); });
        },
        std::move(reply));
}

// What waits is bounded: people who look are more than those who change something.
template <class T, class... Values>
void DeviceActions::look(std::move_only_function<Result<T>()> work, Reply<Values...>&& reply) {
    if (looks_ >= most_looks) {
        send<T>(fail(ErrorCode::resource_busy,
                     "{} screens are being looked at; try again when that has ended", looks_),
                reply);
        return;
    }
    ++looks_;
    file_calls_.thread().submit<T>(std::move(work),
                                   [this, reply = std::move(reply)](const Result<T>& result) mutable {
                                       --looks_;
                                       send(result, reply);
                                   });
}

void DeviceActions::take_screenshot(std::string zone, std::string device, std::uint32_t display,
                                    bool with_cursor, Reply<sdbus::UnixFd, Dictionary>&& reply) {
    using Values = std::tuple<sdbus::UnixFd, Dictionary>;
    look<Values>(
        [this, zone = std::move(zone), device = std::move(device), display, with_cursor]() -> Result<Values> {
            const auto picture = pictures_.check_room()
                                     .and_then([&] { return zones_.devices(zone); })
                                     .and_then([&](const auto& all) {
                                         return all->take_screenshot(device, display, with_cursor);
                                     });
            if (!picture) {
                return std::unexpected(picture.error());
            }
            return png_file(*picture)
                .and_then([&](const UniqueFd& file) { return pictures_.hand_out(file); })
                .transform([&](UniqueFd file) {
                    return Values{sdbus::UnixFd(file.release(), sdbus::adopt_fd),
                                  {{"Width", sdbus::Variant(picture->size.width)},
                                   {"Height", sdbus::Variant(picture->size.height)}}};
                });
        },
        std::move(reply));
}

void DeviceActions::list_connectors(Reply<std::vector<Dictionary>>&& reply) {
    look<std::vector<Dictionary>>(
        [this] {
            return devices::gpu::list_connectors().transform([this](const auto& connectors) {
                const auto zones = zones_.zones();
                std::vector<Dictionary> all;
                all.reserve(connectors.size());
                for (const auto& facts : connectors) {
                    all.push_back(describe(facts, user_of(facts.connector, zones)));
                }
                return all;
            });
        },
        std::move(reply));
}

} // namespace hvisor::service
