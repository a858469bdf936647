// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"
#include "json.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <print>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

Outcome<void> list_zones(Client& client, const Output& output) {
    if (output.json) {
        const auto zones = client.manager([](ManagerProxy& proxy) { return proxy.ListZones(); });
        if (!zones) {
            return std::unexpected(zones.error());
        }
        std::print("{}", to_json(*zones));
        return {};
    }
    const auto rows = client.zones();
    if (!rows) {
        return std::unexpected(rows.error());
    }
    Table table(
        {{.title = "ID", .align_right = true}, {.title = "NAME"}, {.title = "STATE"}, {.title = "CPUS"}});
    for (const auto& row : *rows) {
        // Nobody knows the number of one whose file cannot be read.
        const bool has_number = row.id != 0 || row.state != "defined";
        table.add({has_number ? std::to_string(row.id) : "-", row.name, row.state, cpu_list(row.cpus)});
    }
    output.print(table);
    return {};
}

Outcome<void> shut_down(Client& client, const std::string& zone) {
    const auto row = client.find_zone(zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    return client.manager([&](ManagerProxy& proxy) { proxy.ShutdownZone(row->name, {}); });
}

void add_zone_list(CLI::App& zone, Command& command, const Output& output) {
    zone.add_subcommand("list", "List all zones, also the root zone and those that are only configured")
        ->callback([&command, &output] {
            command = [&output](Client& client) { return list_zones(client, output); };
        });
}

void add_zone_shutdown(CLI::App& zone, Command& command) {
    auto name = std::make_shared<std::string>();
    auto* verb = zone.add_subcommand("shutdown", "Take a zone's CPUs away from it, at once");
    auto* positional = verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE");
    auto* id = verb->add_option("--id", *name, "Number of the zone; also written -id")->type_name("N");
    positional->excludes(id);
    verb->callback([&command, name] {
        if (name->empty()) {
            throw CLI::RequiredError("zone");
        }
        command = [name](Client& client) { return shut_down(client, *name); };
    });
}

} // namespace

void add_zone_commands(CLI::App& app, Command& command, const Output& output) {
    auto* zone = app.add_subcommand("zone", "Zones: start, shutdown, list, show, console, hold");
    zone->require_subcommand(1);
    add_zone_start(*zone, command);
    add_zone_shutdown(*zone, command);
    add_zone_list(*zone, command, output);
    add_zone_show(*zone, command, output);
    add_zone_console(*zone, command);
    add_zone_hold(*zone, command);
}

} // namespace hvisor::cli
