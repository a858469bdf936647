// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
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

struct Arguments {
    std::string zone;
    std::string device;
    std::uint64_t size = 0;
};

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
                 {.title = "DRIVER"},
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

Outcome<Object> find(Client& client, const Arguments& arguments) {
    const auto zone = zone_objects(client, arguments.zone);
    if (!zone) {
        return std::unexpected(zone.error());
    }
    return device_object(*zone, arguments.device);
}

Outcome<void> show(Client& client, const Arguments& arguments, const Output& output) {
    const auto device = find(client, arguments);
    if (!device) {
        return std::unexpected(device.error());
    }
    if (output.json) {
        std::print("{}", to_json(device->json()));
    } else {
        print_device(device->properties);
    }
    return {};
}

Outcome<void> resize(Client& client, const Arguments& arguments, const Output& output) {
    const auto device = find(client, arguments);
    if (!device) {
        return std::unexpected(device.error());
    }
    if (!device->is_disk) {
        return fail(error_row(ErrorCode::no_such_device).exit_status,
                    std::format("device {} is no disk, and has no size", arguments.device));
    }
    client.tell(device->path, DiskProxy::INTERFACE_NAME, "Resize",
                {"ta{sv}", std::to_string(arguments.size), "0"});
    const auto size =
        client.disk(device->path, [&](DiskProxy& disk) { return disk.Resize(arguments.size, {}); });
    if (!size) {
        return std::unexpected(size.error());
    }
    if (output.json) {
        std::print("{}", to_json({{"Size", sdbus::Variant(*size)}}));
    } else {
        std::println("{} bytes", *size);
    }
    return {};
}

std::shared_ptr<Arguments> add_names(CLI::App& verb, const char* what) {
    auto arguments = std::make_shared<Arguments>();
    verb.add_option("zone", arguments->zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb.add_option("device", arguments->device, what)->type_name("DEVICE")->required();
    return arguments;
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
    const auto arguments = add_names(*verb, "Id of the device, as 'device list' has it");
    verb->callback([&command, &output, arguments] {
        command = [arguments, &output](Client& client) { return show(client, *arguments, output); };
    });
}

void add_resize(CLI::App& device, Command& command, const Output& output) {
    auto* verb = device.add_subcommand("resize", "Make a disk larger, or tell its zone that it is");
    const auto arguments = add_names(*verb, "Id of the disk, as 'device list' has it");
    verb->add_option("size", arguments->size,
                     "Bytes, or with K, M, G or T a power of 1024; without it the size the image has counts")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false));
    verb->callback([&command, &output, arguments] {
        command = [arguments, &output](Client& client) { return resize(client, *arguments, output); };
    });
}

} // namespace

void add_device_commands(CLI::App& app, Command& command, const Output& output) {
    auto* device = app.add_subcommand("device", "Devices of zones: list, show, resize");
    device->require_subcommand(1);
    add_list(*device, command, output);
    add_show(*device, command, output);
    add_resize(*device, command, output);
}

} // namespace hvisor::cli
