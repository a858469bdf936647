// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "device_name.hpp"
#include "device_text.hpp"
#include "format.hpp"
#include "objects.hpp"
#include "output.hpp"

#include "base/error_table.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

Outcome<std::vector<ZoneObjects>> zones_of(Client& client, const std::string& name) {
    if (name.empty()) {
        return all_zones(client);
    }
    return zone_objects(client, name).transform([](ZoneObjects&& zone) {
        return std::vector{std::move(zone)};
    });
}

Outcome<void> list(Client& client, const std::string& name, const Output& output) {
    const auto zones = zones_of(client, name);
    if (!zones) {
        return std::unexpected(zones.error());
    }
    std::vector<JsonObject> objects;
    Table table({{.title = "ZONE"},
                 {.title = "DEVICE"},
                 {.title = "TYPE"},
                 {.title = "ADDRESS", .align_right = true},
                 {.title = "IRQ", .align_right = true},
                 {.title = "DRIVER", .is_state = true},
                 {.title = "BACKEND"}});
    for (const auto& zone : *zones) {
        const auto zone_name = value_of<std::string>(zone.zone.properties, "Name");
        for (const Object& each : zone.devices) {
            const JsonObject& device = each.properties;
            auto object = each.json();
            object.emplace("Zone", sdbus::Variant(zone_name));
            objects.push_back(std::move(object));
            table.add({zone_name, value_of<std::string>(device, "Id"), value_of<std::string>(device, "Type"),
                       std::format("{:#x}", value_of<std::uint64_t>(device, "Address")),
                       std::to_string(value_of<std::uint32_t>(device, "Interrupt")),
                       driver_state(value_of<std::uint32_t>(device, "Status")),
                       value_of<std::string>(device, "Backend")});
        }
    }
    if (output.json) {
        std::print("{}", to_json(objects));
    } else {
        output.print(table);
    }
    return {};
}

Outcome<void> show(Client& client, const DeviceName& name, const Output& output) {
    const auto device = find_device(client, name);
    if (!device) {
        return std::unexpected(device.error());
    }
    if (output.json) {
        std::print("{}", to_json(device->json()));
    } else {
        print_device(*device);
    }
    return {};
}

void add_list(CLI::App& device, Command& command, const Output& output) {
    auto* verb = device.add_subcommand("list", "List the devices of a zone, or of all");
    auto name = std::make_shared<std::string>();
    verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE");
    verb->callback([&command, &output, name] {
        command = [name, &output](Client& client) { return list(client, *name, output); };
    });
}

void add_show(CLI::App& device, Command& command, const Output& output) {
    auto* verb = device.add_subcommand("show", "Show a device and its queues");
    const auto name = add_device_name(*verb, "Id of the device, as 'device list' has it");
    verb->callback([&command, &output, name] {
        command = [name, &output](Client& client) { return show(client, *name, output); };
    });
}

} // namespace

void add_device_commands(CLI::App& app, Command& command, const Output& output) {
    auto* device =
        app.add_subcommand("device", "Devices of zones: list, show, attach, detach, resize, swap, link");
    device->require_subcommand(1);
    add_list(*device, command, output);
    add_show(*device, command, output);
    add_device_changes(*device, command, output);
}

} // namespace hvisor::cli
