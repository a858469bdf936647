// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "device_text.hpp"
#include "json.hpp"
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <format>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

Outcome<void> status(Client& client, const Output& output) {
    const auto object = client.manager([](ManagerProxy& manager) {
        return JsonObject{{"Version", sdbus::Variant(manager.Version())},
                          {"HypervisorState", sdbus::Variant(manager.HypervisorState())},
                          {"HypervisorMagic", sdbus::Variant(manager.HypervisorMagic())},
                          {"Statistics", sdbus::Variant(manager.Statistics())}};
    });
    if (!object) {
        return std::unexpected(object.error());
    }
    if (output.json) {
        std::print("{}", to_json(*object));
        return {};
    }
    const auto magic = value_of<std::uint64_t>(*object, "HypervisorMagic");
    std::println("hvisord {}", value_of<std::string>(*object, "Version"));
    print_field("Hypervisor", value_of<std::string>(*object, "HypervisorState"));
    print_field("Magic", magic == 0 ? "it does not tell" : std::format("{:#x}", magic));
    for (const auto& [name, number] : value_of<std::map<std::string, std::uint64_t>>(*object, "Statistics")) {
        print_field(name, std::to_string(number));
    }
    return {};
}

Outcome<void> version(Client& client, const Output& output) {
    const auto daemon = client.manager([](ManagerProxy& manager) { return manager.Version(); });
    if (!daemon) {
        return std::unexpected(daemon.error());
    }
    if (output.json) {
        std::print("{}", to_json({{"Client", sdbus::Variant(std::string(HVISORD_VERSION))},
                                  {"Daemon", sdbus::Variant(*daemon)}}));
        return {};
    }
    std::println("hvisorctl {}\nhvisord {}", HVISORD_VERSION, *daemon);
    return {};
}

} // namespace

void add_daemon_commands(CLI::App& app, Command& command, const Output& output) {
    app.add_subcommand("status", "Show the daemon, the hypervisor, and what passed between them")
        ->callback(
            [&command, &output] { command = [&output](Client& client) { return status(client, output); }; });
    app.add_subcommand("version", "Print the versions of this program and of the daemon")
        ->callback(
            [&command, &output] { command = [&output](Client& client) { return version(client, output); }; });
    add_log(app, command, output);
}

} // namespace hvisor::cli
