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

Outcome<ZoneObjects> zone_objects(Client& client, const std::string& name_or_id) {
    const auto row = client.find_zone(name_or_id);
    if (!row) {
        return std::unexpected(row.error());
    }
    const auto objects = client.objects();
    if (!objects) {
        return std::unexpected(objects.error());
    }
    const auto zone = objects->find(row->path);
    if (zone == objects->end()) {
        return fail(error_row(ErrorCode::no_such_zone).exit_status,
                    std::format("zone {} has just gone", row->name));
    }
    ZoneObjects found{.zone = make_object(zone->first, zone->second), .devices = {}};
    for (const auto& [path, interfaces] : *objects) {
        if (path.starts_with(row->path + "/device/")) {
            found.devices.push_back(make_object(path, interfaces));
        }
    }
    return found;
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
