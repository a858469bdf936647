// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/action_calls.hpp"
#include "zone/config_text.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>

namespace hvisor::service {

/// The methods that change the devices of a zone that runs; see ActionCalls.
class DeviceActions {
  public:
    DeviceActions(zone::ZoneManager& zones, ActionCalls& calls) : zones_(zones), calls_(calls) {}

    /// Replies with the path of the device's object, and its "Id".
    void attach(std::string zone, zone::ConfigText device, BusFiles files,
                sdbus::Result<sdbus::ObjectPath, Dictionary>&& reply);
    void detach(std::string zone, std::string device, bool force, sdbus::Result<>&& reply);
    /// Replies with the bytes the disk has; 0 bytes only looks.
    void resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                     sdbus::Result<std::uint64_t>&& reply);
    /// Replies with the bytes the new image has.
    void swap_image(std::string zone, std::string device, std::string path, sdbus::UnixFd image,
                    sdbus::Result<std::uint64_t>&& reply);
    void set_link(std::string zone, std::string device, bool plugged, sdbus::Result<>&& reply);

  private:
    zone::ZoneManager& zones_;
    ActionCalls& calls_;
};

} // namespace hvisor::service
