// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "device_text.hpp"
#include "format.hpp"
#include "objects.hpp"
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

void print_zone(const JsonObject& zone) {
    std::println("{} (zone {})", printable(value_of<std::string>(zone, "Name")),
                 value_of<std::uint32_t>(zone, "Id"));
    print_field("State", value_of<std::string>(zone, "State"));
    if (const auto reason = value_of<std::string>(zone, "Reason"); !reason.empty()) {
        print_field("Reason", reason);
    }
    print_field("CPUs", cpu_list(value_of<std::vector<std::uint32_t>>(zone, "Cpus")));
    if (value_of<std::string>(zone, "State") != "defined") {
        print_field("Started by", value_of<bool>(zone, "Managed") ? "hvisord" : "others");
    }
    if (const auto diagnosis = value_of<std::string>(zone, "Diagnosis"); !diagnosis.empty()) {
        print_field("Diagnosis", diagnosis);
    }
}

Outcome<void> show(Client& client, const std::string& name, const Output& output) {
    const auto found = zone_objects(client, name);
    if (!found) {
        return std::unexpected(found.error());
    }
    if (output.json) {
        auto object = found->zone.json();
        std::vector<JsonObject> devices;
        for (const auto& device : found->devices) {
            devices.push_back(device.json());
        }
        object.emplace("Devices", sdbus::Variant(devices));
        std::print("{}", to_json(object));
        return {};
    }
    print_zone(found->zone.properties);
    for (const auto& device : found->devices) {
        std::println();
        print_device(device);
    }
    return {};
}

} // namespace

void add_zone_show(CLI::App& zone, Command& command, const Output& output) {
    auto name = std::make_shared<std::string>();
    auto* verb =
        zone.add_subcommand("show", "Show a zone, its devices, and what is probably wrong with them");
    verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE")->required();
    verb->callback([&command, &output, name] {
        command = [name, &output](Client& client) { return show(client, *name, output); };
    });
}

} // namespace hvisor::cli
