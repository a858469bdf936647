// SPDX-License-Identifier: Apache-2.0
#include "service/actions.hpp"

#include "base/log.hpp"
#include "service/bus_values.hpp"
#include "service/object_path.hpp"

#include <format>
#include <type_traits>
#include <utility>

namespace hvisor::service {
namespace {

/// The caller's files become the daemon's; it opens nothing by itself, because
/// its rights are not the caller's.
zone::FileTable adopt(BusFiles files) {
    zone::FileTable table;
    for (auto& [path, fd] : files) {
        table.files.emplace(path, UniqueFd(fd.release()));
    }
    return table;
}

template <class T, class... Values>
void send(const Result<T>& result, sdbus::Result<Values...>& reply) {
    if (!result) {
        reply.returnError(to_bus_error(result.error()));
    } else if constexpr (std::is_void_v<T>) {
        reply.returnResults();
    } else if constexpr (std::is_same_v<T, std::string>) {
        reply.returnResults(zone_path(*result));
    } else {
        reply.returnResults(*result);
    }
}

} // namespace

Actions::Actions(zone::ZoneManager& zones, ControlThread& control, std::function<void()> update_objects)
    : zones_(zones), control_(control), update_objects_(std::move(update_objects)) {}

template <class T, class... Values>
void Actions::run(std::string what, std::move_only_function<Result<T>()> work,
                  sdbus::Result<Values...>&& reply) {
    control_.submit<T>(std::move(work),
                       [this, what = std::move(what), reply = std::move(reply)](Result<T> result) mutable {
                           update_objects_();
                           if (!result) {
                               log::warning("{}: {}", what, result.error().message);
                           }
                           try {
                               send(result, reply);
                           } catch (const sdbus::Error& error) {
                               log::info("who has asked has left without the answer: {}", error.getMessage());
                           }
                       });
}

void Actions::start_configured(std::string name, sdbus::Result<sdbus::ObjectPath>&& reply) {
    auto what = std::format("cannot start zone {}", name);
    run<std::string>(
        std::move(what), [this, name = std::move(name)] { return zones_.start_configured(name); },
        std::move(reply));
}

void Actions::start(zone::ConfigText zone, zone::ConfigText virtio, BusFiles files,
                    sdbus::Result<sdbus::ObjectPath>&& reply) {
    auto what = std::format("cannot start the zone of {}", zone.name);
    run<std::string>(
        std::move(what),
        [this, zone = std::move(zone), virtio = std::move(virtio),
         files = adopt(std::move(files))]() mutable { return zones_.start(zone, virtio, std::move(files)); },
        std::move(reply));
}

void Actions::configure_virtio(zone::ConfigText config, BusFiles files,
                               sdbus::Result<std::vector<std::uint32_t>>&& reply) {
    auto what = std::format("cannot set the devices of {}", config.name);
    run<std::vector<std::uint32_t>>(
        std::move(what),
        [this, config = std::move(config), files = adopt(std::move(files))]() mutable {
            return zones_.configure_virtio(config, std::move(files));
        },
        std::move(reply));
}

void Actions::shutdown(std::string name, sdbus::Result<>&& reply) {
    auto what = std::format("cannot shut down zone {}", name);
    run<void>(
        std::move(what), [this, name = std::move(name)] { return zones_.shutdown(name); }, std::move(reply));
}

void Actions::resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                          sdbus::Result<std::uint64_t>&& reply) {
    auto what = std::format("cannot resize {} of zone {}", device, zone);
    run<std::uint64_t>(
        std::move(what),
        [this, zone = std::move(zone), device = std::move(device), bytes] {
            return zones_.devices(zone).and_then(
                [&](const auto& devices) { return devices->resize_disk(device, bytes); });
        },
        std::move(reply));
}

} // namespace hvisor::service
