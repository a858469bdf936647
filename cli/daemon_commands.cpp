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

std::string magic_text(std::uint64_t magic) {
    return magic == 0 ? "it does not tell" : std::format("{:#x}", magic);
}

Outcome<void> status(Client& client, const Output& output) {
    const auto object = client.manager([](ManagerProxy& manager) {
        return JsonObject{{"Version", sdbus::Variant(manager.Version())},
                          {"HypervisorState", sdbus::Variant(manager.HypervisorState())},
                          {"HypervisorReason", sdbus::Variant(manager.HypervisorReason())},
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
    const auto reason = value_of<std::string>(*object, "HypervisorReason");
    std::println("hvisord {}", value_of<std::string>(*object, "Version"));
    print_field("Hypervisor", value_of<std::string>(*object, "HypervisorState"));
    if (reason.empty()) {
        print_field("Magic", magic_text(value_of<std::uint64_t>(*object, "HypervisorMagic")));
    } else {
        print_field("Reason", reason);
    }
    for (const auto& [name, number] : value_of<std::map<std::string, std::uint64_t>>(*object, "Statistics")) {
        print_field(name, std::to_string(number));
    }
    return {};
}

Outcome<void> version(Client& client, const Output& output) {
    const auto object = client.manager([](ManagerProxy& manager) {
        return JsonObject{{"Client", sdbus::Variant(std::string(HVISORD_VERSION))},
                          {"Daemon", sdbus::Variant(manager.Version())},
                          {"HypervisorReason", sdbus::Variant(manager.HypervisorReason())},
                          {"HypervisorMagic", sdbus::Variant(manager.HypervisorMagic())}};
    });
    if (!object) {
        return std::unexpected(object.error());
    }
    if (output.json) {
        std::print("{}", to_json(*object));
        return {};
    }
    const auto reason = value_of<std::string>(*object, "HypervisorReason");
    std::println("hvisorctl {}\nhvisord {}", HVISORD_VERSION, value_of<std::string>(*object, "Daemon"));
    if (reason.empty()) {
        std::println("hypervisor magic {}", magic_text(value_of<std::uint64_t>(*object, "HypervisorMagic")));
    } else {
        std::println("no hypervisor: {}", reason);
    }
    return {};
}

} // namespace

void add_daemon_commands(CLI::App& app, Command& command, const Output& output) {
    app.add_subcommand("status", "Show the daemon, the hypervisor, and what passed between them")
        ->callback(
            [&command, &output] { command = [&output](Client& client) { return status(client, output); }; });
    app.add_subcommand("version", "Print the versions of this program, the daemon and the hypervisor")
        ->callback(
            [&command, &output] { command = [&output](Client& client) { return version(client, output); }; });
    add_log(app, command, output);
}

} // namespace hvisor::cli
