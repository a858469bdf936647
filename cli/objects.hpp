// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "json.hpp"

#include <string>
#include <vector>

namespace hvisor::cli {

/// One object of the daemon: its path, and the properties of all its interfaces.
struct Object {
    sdbus::ObjectPath path;
    JsonObject properties;
    bool is_disk = false; ///< it has Device.Block
    bool is_net = false;  ///< it has Device.Net
    bool is_gpu = false;  ///< it has Device.Gpu

    /// The same with the path as "Path".
    [[nodiscard]] JsonObject json() const;
};

/// A zone with its devices, in the order of their paths.
struct ZoneObjects {
    Object zone;
    std::vector<Object> devices;
};

/// Every zone, in the order of their paths, as they are now.
[[nodiscard]] Outcome<std::vector<ZoneObjects>> all_zones(Client& client);

/// The zone called `name_or_id` and all below it, as they are now.
[[nodiscard]] Outcome<ZoneObjects> zone_objects(Client& client, const std::string& name_or_id);

/// One of its devices, by its id; the failure names those that are there.
[[nodiscard]] Outcome<Object> device_object(const ZoneObjects& zone, const std::string& id);

} // namespace hvisor::cli
