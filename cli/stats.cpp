// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"
#include "json.hpp"
#include "objects.hpp"
#include "openmetrics.hpp"
#include "queue_numbers.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <print>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

constexpr double half = 0.5;
constexpr double nearly_all = 0.99;

JsonObject json_row(const std::string& zone, const std::string& device, std::size_t index,
                    const QueueNumbers& queue) {
    return {{"Zone", sdbus::Variant(zone)},
            {"Device", sdbus::Variant(device)},
            {"Queue", sdbus::Variant(static_cast<std::uint64_t>(index))},
            {"Notifications", sdbus::Variant(queue.notifications)},
            {"Requests", sdbus::Variant(queue.requests)},
            {"Bytes", sdbus::Variant(queue.bytes)},
            {"Errors", sdbus::Variant(queue.errors)},
            {"Interrupts", sdbus::Variant(queue.interrupts)},
            {"Latency", sdbus::Variant(queue.latency)}};
}

Outcome<void> print_metrics(Client& client, const std::vector<ZoneObjects>& zones) {
    const auto bridge = client.manager([](ManagerProxy& proxy) { return proxy.Statistics(); });
    if (!bridge) {
        return std::unexpected(bridge.error());
    }
    std::print("{}", openmetrics(zones, *bridge));
    return {};
}

void print_queues(const std::vector<ZoneObjects>& zones, const Output& output) {
    std::vector<JsonObject> objects;
    Table table({{.title = "ZONE"},
                 {.title = "DEVICE"},
                 {.title = "QUEUE", .align_right = true},
                 {.title = "REQUESTS", .align_right = true},
                 {.title = "BYTES", .align_right = true},
                 {.title = "ERRORS", .align_right = true},
                 {.title = "NOTIFIED", .align_right = true},
                 {.title = "INTERRUPTS", .align_right = true},
                 {.title = "HALF", .align_right = true},
                 {.title = "99 %", .align_right = true}});
    for (const auto& [zone, devices] : zones) {
        const auto name = value_of<std::string>(zone.properties, "Name");
        for (const Object& device : devices) {
            const auto id = value_of<std::string>(device.properties, "Id");
            std::size_t index = 0;
            for (const QueueNumbers& queue : queue_numbers(device)) {
                table.add({name, id, std::to_string(index), std::to_string(queue.requests),
                           std::to_string(queue.bytes), std::to_string(queue.errors),
                           std::to_string(queue.notifications), std::to_string(queue.interrupts),
                           quantile_text(queue, half), quantile_text(queue, nearly_all)});
                objects.push_back(json_row(name, id, index++, queue));
            }
        }
    }
    if (output.json) {
        std::print("{}", to_json(objects));
    } else {
        output.print(table);
    }
}

Outcome<void> stats(Client& client, const std::string& name, const Output& output) {
    auto zones =
        name.empty() ? all_zones(client) : zone_objects(client, name).transform([](ZoneObjects&& zone) {
            return std::vector{std::move(zone)};
        });
    if (!zones) {
        return std::unexpected(zones.error());
    }
    if (output.openmetrics) {
        return print_metrics(client, *zones);
    }
    print_queues(*zones, output);
    return {};
}

} // namespace

void add_stats(CLI::App& app, Command& command, const Output& output) {
    app.add_subcommand("stats", "Show what all queues have counted; -o openmetrics for node_exporter")
        ->callback([&command, &output] {
            command = [&output](Client& client) { return stats(client, "", output); };
        });
}

void add_zone_stats(CLI::App& zone, Command& command, const Output& output) {
    auto name = std::make_shared<std::string>();
    auto* verb = zone.add_subcommand("stats", "Show what the queues of a zone have counted");
    verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE")->required();
    verb->callback([&command, &output, name] {
        command = [name, &output](Client& client) { return stats(client, *name, output); };
    });
}

} // namespace hvisor::cli
