// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "service/action_calls.hpp"
#include "service/picture_files.hpp"
#include "zone/config_text.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hvisor::service {

/// The methods that change the devices of a zone that runs; see ActionCalls.
class DeviceActions {
  public:
    /// `calls` and `file_calls` are of different threads.
    DeviceActions(zone::ZoneManager& zones, ActionCalls& calls, ActionCalls& file_calls)
        : zones_(zones), calls_(calls), file_calls_(file_calls) {}

    /// Replies with the path of the device's object, and its "Id".
    void attach(std::string zone, zone::ConfigText device, BusFiles files,
                Reply<sdbus::ObjectPath, Dictionary>&& reply);
    void detach(std::string zone, std::string device, bool force, Reply<>&& reply);
    /// Replies with the bytes the disk has; 0 bytes only looks.
    void resize_disk(std::string zone, std::string device, std::uint64_t bytes, Reply<std::uint64_t>&& reply);
    /// Replies with the bytes the new image has.
    void swap_image(std::string zone, std::string device, std::string path, sdbus::UnixFd image,
                    Reply<std::uint64_t>&& reply);
    void set_link(std::string zone, std::string device, bool plugged, Reply<>&& reply);
    void resize_display(std::string zone, std::string device, std::uint32_t display, devices::gpu::Size size,
                        Reply<>&& reply);

    // These change nothing, and take a while: they wait for no zone that starts or ends.
    /// Replies with a memory file that has a PNG, and its "Width" and "Height".
    void take_screenshot(std::string zone, std::string device, std::uint32_t display, bool with_cursor,
                         Reply<sdbus::UnixFd, Dictionary>&& reply);
    /// Replies with what the XML says of ListConnectors().
    void list_connectors(Reply<std::vector<Dictionary>>&& reply);

  private:
    /// Like ActionCalls::call() on the other thread, or `resource_busy` at once.
    template <class T, class... Values>
    void look(std::move_only_function<Result<T>()> work, Reply<Values...>&& reply);

    zone::ZoneManager& zones_;
    ActionCalls& calls_;
    ActionCalls& file_calls_;
    std::size_t looks_ = 0; ///< that have not been answered
    PictureFiles pictures_; ///< the other thread's
};

} // namespace hvisor::service
