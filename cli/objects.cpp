// SPDX-License-Identifier: Apache-2.0
#include "objects.hpp"

#include "base/error_table.hpp"

#include <algorithm>
#include <format>

namespace hvisor::cli {
namespace {

using Interfaces = std::map<sdbus::InterfaceName, std::map<sdbus::PropertyName, sdbus::Variant>>;

Object make_object(const sdbus::ObjectPath& path, const Interfaces& interfaces) {
    Object object{.path = path, .properties = {}};
    for (const auto& [name, properties] : interfaces) {
        object.is_disk |= name == DiskProxy::INTERFACE_NAME;
        object.is_net |= name == NetProxy::INTERFACE_NAME;
        object.is_gpu |= name == GpuProxy::INTERFACE_NAME;
        for (const auto& [key, value] : properties) {
            object.properties.emplace(key, value);
        }
    }
    return object;
}

} // namespace

JsonObject Object::json() const {
    auto all = properties;
    all.emplace("Path", sdbus::Variant(path));
    return all;
}

Outcome<std::vector<ZoneObjects>> all_zones(Client& client) {
    const auto objects = client.objects();
    if (!objects) {
        return std::unexpected(objects.error());
    }
    std::vector<ZoneObjects> zones;
    for (const auto& [path, interfaces] : *objects) {
        if (interfaces.contains(sdbus::InterfaceName(ZoneProxy::INTERFACE_NAME))) {
            zones.push_back({.zone = make_object(path, interfaces), .devices = {}});
        } else if (!zones.empty() && path.starts_with(zones.back().zone.path + "/device/")) {
            // In order of the paths a zone is followed by what is below it.
            zones.back().devices.push_back(make_object(path, interfaces));
        }
    }
    return zones;
}

Outcome<ZoneObjects> zone_objects(Client& client, const std::string& name_or_id) {
    const auto row = client.find_zone(name_or_id);
    if (!row) {
        return std::unexpected(row.error());
    }
    auto zones = all_zones(client);
    if (!zones) {
        return std::unexpected(std::move(zones.error()));
    }
    const auto found =
        std::ranges::find(*zones, row->path, [](const ZoneObjects& each) { return each.zone.path; });
    if (found == zones->end()) {
        return fail(error_row(ErrorCode::no_such_zone).exit_status,
                    std::format("zone {} has just gone", row->name));
    }
    return std::move(*found);
}

Outcome<Object> device_object(const ZoneObjects& zone, const std::string& id) {
    std::string known;
    for (const auto& device : zone.devices) {
        const auto name = value_of<std::string>(device.properties, "Id");
        if (name == id) {
            return device;
        }
        known += (known.empty() ? "" : ", ") + name;
    }
    return fail(error_row(ErrorCode::no_such_device).exit_status,
                std::format("zone {} has no device '{}'; it has {}",
                            value_of<std::string>(zone.zone.properties, "Name"), id,
                            known.empty() ? "none" : known));
}

} // namespace hvisor::cli
