// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"
#include "json.hpp"

#include <CLI/CLI.hpp>

#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

Outcome<void> list_zones(Client& client, const Output& output) {
    if (output.json) {
        client.tell(manager_path, ManagerProxy::INTERFACE_NAME, "ListZones");
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
    Table table({{.title = "ID", .align_right = true},
                 {.title = "NAME"},
                 {.title = "STATE", .is_state = true},
                 {.title = "CPUS"}});
    for (const auto& row : *rows) {
        // Nobody knows the number of one whose file cannot be read.
        const bool has_number = row.id != 0 || row.state != "defined";
        table.add({has_number ? std::to_string(row.id) : "-", row.name, row.state, cpu_list(row.cpus)});
    }
    output.print(table);
    return {};
}

void add_zone_list(CLI::App& zone, Command& command, const Output& output) {
    zone.add_subcommand("list", "List all zones, also the root zone and those that are only configured")
        ->callback([&command, &output] {
            command = [&output](Client& client) { return list_zones(client, output); };
        });
}

} // namespace

void add_zone_commands(CLI::App& app, Command& command, const Output& output) {
    auto* zone = app.add_subcommand("zone", "Zones: list, show, start, shutdown, restart, wait, console, "
                                            "send-key, log, stats, define, undefine, enable, disable, hold");
    zone->require_subcommand(1);
    add_zone_start(*zone, command, output);
    add_zone_end(*zone, command, output);
    add_zone_wait(*zone, command);
    add_zone_define(*zone, command, output);
    add_zone_boot(*zone, command, output);
    add_zone_stats(*zone, command, output);
    add_log(*zone, command, output);
    add_zone_list(*zone, command, output);
    add_zone_show(*zone, command, output);
    add_zone_console(*zone, command);
    add_zone_send_key(*zone, command);
    add_zone_hold(*zone, command);
}

} // namespace hvisor::cli
