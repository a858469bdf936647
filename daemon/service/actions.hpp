// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/control_thread.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hvisor::service {

using BusFiles = std::map<std::string, sdbus::UnixFd>;

/// The methods that take their time: each runs on the control thread, and is
/// answered on the main loop after the objects have been brought up to date,
/// so that a caller finds in them what the reply says.
class Actions {
  public:
    /// `update_objects` runs on the main loop before each reply.
    Actions(zone::ZoneManager& zones, ControlThread& control, std::function<void()> update_objects);

    void start_configured(std::string name, sdbus::Result<sdbus::ObjectPath>&& reply);
    void start(zone::ConfigText zone, zone::ConfigText virtio, BusFiles files,
               sdbus::Result<sdbus::ObjectPath>&& reply);
    void configure_virtio(zone::ConfigText config, BusFiles files,
                          sdbus::Result<std::vector<std::uint32_t>>&& reply);
    void shutdown(std::string name, sdbus::Result<>&& reply);
    /// Replies with the bytes the disk has; 0 bytes only looks.
    void resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                     sdbus::Result<std::uint64_t>&& reply);

  private:
    template <class T, class... Values>
    void run(std::string what, std::move_only_function<Result<T>()> work, sdbus::Result<Values...>&& reply);

    zone::ZoneManager& zones_;
    ControlThread& control_;
    std::function<void()> update_objects_;
};

} // namespace hvisor::service
