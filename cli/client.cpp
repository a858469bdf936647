// SPDX-License-Identifier: Apache-2.0
#include "client.hpp"

#include "exec.hpp"

#include "base/error_table.hpp"

#include <algorithm>
#include <format>
#include <print>
#include <unistd.h>

namespace hvisor::cli {
namespace {

/// hvisord.socket's.
constexpr const char* default_socket = "/run/hvisor/control";

std::unique_ptr<sdbus::IConnection> connect_directly(const std::string& address) {
    try {
        // "unix:path=..." is an address, and so is whatever else has a transport before a colon.
        return sdbus::createDirectBusConnection(address.contains(':') ? address : "unix:path=" + address);
    } catch (const sdbus::Error& error) {
        throw sdbus::Error(error.getName(), std::format("{}: {}", address, error.getMessage()));
    }
}

std::unique_ptr<sdbus::IConnection> connect(const Address& address) {
    if (!address.direct.empty()) {
        return connect_directly(address.direct);
    }
    if (address.bus == "session") {
        return sdbus::createSessionBusConnection();
    }
    if (!address.bus.empty() && address.bus != "system") {
        return sdbus::createSessionBusConnectionWithAddress(address.bus);
    }
    try {
        return sdbus::createSystemBusConnection();
    } catch (const sdbus::Error&) {
        if (!address.bus.empty() || ::access(default_socket, F_OK) != 0) {
            throw;
        }
        return connect_directly(default_socket);
    }
}

} // namespace

sdbus::ObjectPath job_path(std::uint32_t id) {
    return sdbus::ObjectPath(std::format("{}/job/{}", std::string(manager_path), id));
}

std::string match_signals(const sdbus::ObjectPath& path) {
    return std::format("type='signal',sender='{}',path_namespace='{}'", std::string(service_name),
                       std::string(path));
}

std::string match_owner() {
    return std::format("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{}'",
                       std::string(service_name));
}

std::string match_disconnected() {
    return "type='signal',sender='org.freedesktop.DBus.Local',member='Disconnected'";
}

void Client::tell(const sdbus::ObjectPath& path, std::string_view interface, std::string_view member,
                  const std::vector<std::string>& words) const {
    if (!verbose_) {
        return;
    }
    std::string line = "busctl";
    if (!address_.direct.empty()) {
        line += " --address=" + shell_word(address_.direct);
    } else if (address_.bus == "session") {
        line += " --user";
    } else if (!address_.bus.empty() && address_.bus != "system") {
        line += " --address=" + shell_word(address_.bus);
    }
    line += std::format(" call {} {} {} {}", std::string(service_name), std::string(path), interface, member);
    for (const std::string& word : words) {
        line += ' ' + shell_word(word);
    }
    std::println(stderr, "{}", line);
}

sdbus::IConnection& Client::connection() {
    if (!connection_) {
        connection_ = connect(address_);
    }
    return *connection_;
}

Outcome<std::vector<ZoneRow>> Client::zones() {
    tell(manager_path, ManagerProxy::INTERFACE_NAME, "ListZones");
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

Outcome<Dictionary> Client::job_properties(const sdbus::ObjectPath& path) {
    try {
        Dictionary properties;
        JobProxy proxy(connection(), path);
        for (auto& [name, value] :
             proxy.getProxy().getAllProperties().onInterface(JobProxy::INTERFACE_NAME)) {
            properties.emplace(std::string(name), std::move(value));
        }
        return properties;
    } catch (const sdbus::Error& error) {
        if (error.getName() != "org.freedesktop.DBus.Error.UnknownObject") {
            return fail(error);
        }
        return fail(error_row(ErrorCode::no_such_device).exit_status,
                    std::format("there is no job {}: it ended more than ten seconds ago, or never was",
                                path.substr(path.rfind('/') + 1)));
    }
}

Outcome<ManagedObjects> Client::objects() {
    tell(manager_path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
    return manager([](ManagerProxy& proxy) {
        ManagedObjects objects;
        proxy.getProxy()
            .callMethod("GetManagedObjects")
            .onInterface("org.freedesktop.DBus.ObjectManager")
            .storeResultsTo(objects);
        return objects;
    });
}

Outcome<void> Client::watch(const std::function<void(sdbus::Message&)>& event) {
    try {
        auto& bus = connection();
        const auto handler = [&event](sdbus::Message message) { event(message); };
        bus.addMatch(match_signals(manager_path), handler);
        bus.addMatch(match_owner(), handler);
        bus.enterEventLoop();
        return {};
    } catch (const sdbus::Error& error) {
        return fail(error);
    }
}

} // namespace hvisor::cli
