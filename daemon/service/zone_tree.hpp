// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/zone_object.hpp"
#include "zone/zone_manager.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::service {

/// The Zone and Device objects, kept the same as what ZoneManager tells of
/// its zones. Main loop only.
class ZoneTree {
  public:
    explicit ZoneTree(const ObjectContext& context);

    /// Create, change and remove objects so that they show these zones, with the
    /// signals for it.
    void update(std::vector<zone::ZoneState> zones);

    /// The zones as update() saw them last, by their objects' paths.
    struct Entry {
        sdbus::ObjectPath path;
        zone::ZoneState state;
    };
    [[nodiscard]] std::vector<Entry> entries() const;

  private:
    void take(std::vector<zone::ZoneState> zones);
    std::optional<zone::DeviceState> sample(std::uint32_t zone, const std::string& device);

    const ObjectContext& context_;
    const DeviceSampler sample_;
    std::vector<zone::ZoneState> states_;
    std::chrono::steady_clock::time_point looked_;
    std::map<std::string, std::unique_ptr<ZoneObject>> objects_;
};

} // namespace hvisor::service
