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

    /// The zones as update() saw them last, and the path of each one's object.
    struct Entries {
        std::shared_ptr<const std::vector<zone::ZoneState>> zones;
        std::vector<sdbus::ObjectPath> paths; ///< in the order of `zones`
    };
    [[nodiscard]] Entries entries() const;

  private:
    void take(std::vector<zone::ZoneState> zones);
    std::optional<zone::DeviceState> sample(std::uint32_t zone, const std::string& device);

    const ObjectContext& context_;
    const DeviceSampler sample_;
    /// Shared with whoever goes through it while a property's getter looks anew.
    std::shared_ptr<const std::vector<zone::ZoneState>> states_ =
        std::make_shared<const std::vector<zone::ZoneState>>();
    std::chrono::steady_clock::time_point looked_;
    std::map<std::string, std::unique_ptr<ZoneObject>> objects_;
};

} // namespace hvisor::service
