// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include "base/error_table.hpp"

#include <algorithm>
#include <format>

namespace hvisor::cli {
Client::Client(std::string bus) : bus_(std::move(bus)) {}

sdbus::IConnection& Client::connection() {
    if (!connection_) {
        if (bus_ == "system") {
            connection_ = sdbus::createSystemBusConnection();
        } else if (bus_ == "session") {
            connection_ = sdbus::createSessionBusConnection();
        } else {
            connection_ = sdbus::createSessionBusConnectionWithAddress(bus_);
        }
    }
    return *connection_;
}

Outcome<std::vector<ZoneRow>> Client::zones() {
    auto list = manager([](ManagerProxy& proxy) { return proxy.ListZones(); });
    if (!list) {
        return std::unexpected(std::move(list.error()));
    }
    std::vector<ZoneRow> rows;
    rows.reserve(list->size());
    for (const auto& zone : *list) {
        rows.push_back({.id = value_of<std::uint32_t>(zone, "Id"),
                        .name = value_of<std::string>(zone, "Name"),
                        .state = value_of<std::string>(zone, "State"),
                        .cpus = value_of<std::vector<std::uint32_t>>(zone, "Cpus"),
                        .path = value_of<sdbus::ObjectPath>(zone, "Path")});
    }
    return rows;
}

Outcome<ZoneRow> Client::find_zone(const std::string& name_or_id) {
    auto rows = zones();
    if (!rows) {
        return std::unexpected(std::move(rows.error()));
    }
    auto found = std::ranges::find(*rows, name_or_id, &ZoneRow::name);
    if (found == rows->end()) {
        found = std::ranges::find_if(
            *rows, [&](const ZoneRow& row) { return std::to_string(row.id) == name_or_id; });
    }
    if (found == rows->end()) {
        return fail(
            error_row(ErrorCode::no_such_zone).exit_status,
            std::format("no zone has the name or number '{}': 'hvisorctl zone list' shows all", name_or_id));
    }
    return std::move(*found);
}

Outcome<sdbus::ObjectPath> Client::find_disk(const std::string& zone, const std::string& id) {
    const auto row = find_zone(zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    const auto all = objects();
    if (!all) {
        return std::unexpected(all.error());
    }
    std::string known;
    for (const auto& [path, interfaces] : *all) {
        const auto device =
            interfaces.find(sdbus::InterfaceName(org::syswonder::hvisor1::Device_proxy::INTERFACE_NAME));
        if (!interfaces.contains(
                sdbus::InterfaceName(org::syswonder::hvisor1::Device::Block_proxy::INTERFACE_NAME)) ||
            device == interfaces.end() || !path.starts_with(row->path + "/device/")) {
            continue;
        }
        const auto name = value_of<std::string>(device->second, "Id");
        if (name == id) {
            return path;
        }
        known += (known.empty() ? "" : ", ") + name;
    }
    return fail(error_row(ErrorCode::no_such_device).exit_status,
                std::format("zone {} has no disk '{}'; its disks are: {}", row->name, id,
                            known.empty() ? "none" : known));
}

Outcome<ManagedObjects> Client::objects() {
    return manager([](ManagerProxy& proxy) {
        ManagedObjects objects;
        proxy.getProxy()
            .callMethod("GetManagedObjects")
            .onInterface("org.freedesktop.DBus.ObjectManager")
            .storeResultsTo(objects);
        return objects;
    });
}

} // namespace hvisor::cli
