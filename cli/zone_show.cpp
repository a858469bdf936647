// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <format>
#include <map>
#include <memory>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

using Properties = std::map<sdbus::PropertyName, sdbus::Variant>;

void print_field(std::string_view name, std::string_view value) {
    std::println("  {:<14} {}", std::format("{}:", name), printable(value));
}

std::string queue_line(const Dictionary& queue) {
    if (!value_of<bool>(queue, "Ready")) {
        return "not ready";
    }
    auto line =
        std::format("{} entries, took {}, published {}, {} requests", value_of<std::uint16_t>(queue, "Size"),
                    value_of<std::uint16_t>(queue, "AvailIndex"), value_of<std::uint16_t>(queue, "UsedIndex"),
                    value_of<std::uint64_t>(queue, "Requests"));
    if (const auto errors = value_of<std::uint64_t>(queue, "Errors"); errors != 0) {
        line += std::format(", {} failed", errors);
    }
    return line;
}

std::string port_line(const Dictionary& port) {
    const auto terminal = value_of<std::string>(port, "Terminal");
    const auto clients = value_of<std::uint32_t>(port, "Clients");
    return std::format("{}, {} by {}, {} in the zone, {} client{}{}",
                       terminal.empty() ? "no terminal" : terminal, value_of<std::uint16_t>(port, "Columns"),
                       value_of<std::uint16_t>(port, "Rows"),
                       value_of<bool>(port, "Open") ? "open" : "not open", clients, clients == 1 ? "" : "s",
                       value_of<bool>(port, "HasInput") ? ", one has the input" : "");
}

std::string interrupt_line(const Properties& device) {
    std::string line = std::format("{} sent, {} repeated", value_of<std::uint64_t>(device, "InterruptsSent"),
                                   value_of<std::uint64_t>(device, "InterruptsRepeated"));
    if (const auto age = value_of<std::uint64_t>(device, "UnacknowledgedUSec"); age != 0) {
        line += std::format(", not acknowledged for {}", duration(age));
    }
    return line;
}

void print_device(const Properties& device) {
    const auto status = value_of<std::uint32_t>(device, "Status");
    const auto last_register = value_of<std::string>(device, "LastRegister");
    std::println("\n{}", printable(value_of<std::string>(device, "Id")));
    print_field("Address",
                std::format("{:#x}, {:#x} bytes, interrupt {}", value_of<std::uint64_t>(device, "Address"),
                            value_of<std::uint64_t>(device, "Length"),
                            value_of<std::uint32_t>(device, "Interrupt")));
    print_field("Backend", value_of<std::string>(device, "Backend"));
    print_field("Status", std::format("{} ({:#x})", status_names(status), status));
    int index = 0;
    for (const auto& queue : value_of<std::vector<Dictionary>>(device, "Queues")) {
        print_field(std::format("Queue {}", index++), queue_line(queue));
    }
    for (const auto& port : value_of<std::vector<Dictionary>>(device, "Ports")) {
        const auto name = value_of<std::string>(port, "Name");
        print_field(name.empty() ? "Terminal" : "Port " + printable(name), port_line(port));
    }
    print_field("Last register", last_register.empty() ? "none was touched" : last_register);
    print_field("Accesses", std::to_string(value_of<std::uint64_t>(device, "Accesses")));
    print_field("Interrupts", interrupt_line(device));
}

void print_zone(const Properties& zone) {
    std::println("{} (zone {})", printable(value_of<std::string>(zone, "Name")),
                 value_of<std::uint32_t>(zone, "Id"));
    print_field("State", value_of<std::string>(zone, "State"));
    if (const auto reason = value_of<std::string>(zone, "Reason"); !reason.empty()) {
        print_field("Reason", reason);
    }
    print_field("CPUs", cpu_list(value_of<std::vector<std::uint32_t>>(zone, "Cpus")));
    print_field("Started by", value_of<bool>(zone, "Managed") ? "hvisord" : "others");
    if (const auto diagnosis = value_of<std::string>(zone, "Diagnosis"); !diagnosis.empty()) {
        print_field("Diagnosis", diagnosis);
    }
}

Outcome<void> show(Client& client, const std::string& name) {
    const auto row = client.find_zone(name);
    if (!row) {
        return std::unexpected(row.error());
    }
    const auto objects = client.objects();
    if (!objects) {
        return std::unexpected(objects.error());
    }
    const std::string device_prefix = row->path + "/device/";
    const sdbus::InterfaceName zone_interface{ZoneProxy::INTERFACE_NAME};
    const sdbus::InterfaceName device_interface{org::syswonder::hvisor1::Device_proxy::INTERFACE_NAME};
    for (const auto& [path, interfaces] : *objects) {
        // A path sorts before the paths below it, so the zone comes first.
        if (const auto zone = interfaces.find(zone_interface);
            zone != interfaces.end() && path == row->path) {
            print_zone(zone->second);
        }
        const auto device = interfaces.find(device_interface);
        if (device != interfaces.end() && path.starts_with(device_prefix)) {
            print_device(device->second);
        }
    }
    return {};
}

} // namespace

void add_zone_show(CLI::App& zone, Command& command) {
    auto name = std::make_shared<std::string>();
    auto* verb =
        zone.add_subcommand("show", "Show a zone, its devices, and what is probably wrong with them");
    verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE")->required();
    verb->callback([&command, name] { command = [name](Client& client) { return show(client, *name); }; });
}

} // namespace hvisor::cli
