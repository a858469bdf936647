// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "device_text.hpp"
#include "json.hpp"
#include "output.hpp"

#include "base/errno_text.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <unistd.h>
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

struct LogArguments {
    std::string zone;
    std::string device;
    std::string lines;
    bool follow = false;
};

/// The journal knows best how to show itself, so journalctl takes over.
Outcome<void> show_log(const LogArguments& arguments, const Output& output) {
    std::vector<std::string> words{"journalctl", "--unit=hvisord.service"};
    if (!arguments.zone.empty()) {
        words.push_back("HVISOR_ZONE=" + arguments.zone);
    }
    if (!arguments.device.empty()) {
        words.push_back("HVISOR_DEVICE=" + arguments.device);
    }
    if (!arguments.lines.empty()) {
        words.push_back("--lines=" + arguments.lines);
    }
    if (arguments.follow) {
        words.emplace_back("--follow");
    }
    if (output.json) {
        words.emplace_back("--output=json");
    }
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    ::execvp(argv.front(), argv.data());
    return fail(1, std::format("cannot run journalctl: {}", errno_text()));
}

void add_log(CLI::App& app, Command& command, const Output& output) {
    auto arguments = std::make_shared<LogArguments>();
    auto* verb = app.add_subcommand("log", "Show what hvisord logged, of a zone or of all");
    verb->add_option("zone", arguments->zone, "Name of the zone")->type_name("ZONE");
    verb->add_option("--device", arguments->device, "Only of this device")->type_name("ID")->needs("zone");
    verb->add_option("-n,--lines", arguments->lines, "Only the last N messages")
        ->type_name("N")
        ->check(CLI::NonNegativeNumber);
    verb->add_flag("-f,--follow", arguments->follow, "Go on with new messages as they come");
    verb->callback([&command, &output, arguments] {
        command = [arguments, &output](Client&) { return show_log(*arguments, output); };
    });
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
