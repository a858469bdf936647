// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "exec.hpp"

#include "base/error_table.hpp"
#include "zone/config_files.hpp"

#include <CLI/CLI.hpp>

#include <format>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

struct BootArguments {
    std::string zone;
    bool now = false;
};

/// systemd knows how to do it; only what it cannot know is looked at here.
Outcome<void> run(const char* verb, const BootArguments& arguments, const Output& output) {
    if (std::string_view(verb) == "enable") {
        if (auto files = zone::find_config(zone::config_directories(), arguments.zone); !files) {
            return fail(std::move(files.error()));
        }
    }
    std::vector<std::string> words{"systemctl", verb};
    if (arguments.now) {
        words.emplace_back("--now");
    }
    if (output.quiet) {
        words.emplace_back("--quiet");
    }
    words.push_back(std::format("hvisor-zone@{}.service", arguments.zone));
    return become(std::move(words));
}

void add(CLI::App& zone, Command& command, const Output& output, const char* name, const char* text,
         const char* now) {
    auto arguments = std::make_shared<BootArguments>();
    auto* verb = zone.add_subcommand(name, text);
    verb->add_option("zone", arguments->zone, "Name of a configured zone")->type_name("NAME")->required();
    verb->add_flag("--now", arguments->now, now);
    verb->callback([&command, &output, arguments, name] {
        command = [arguments, name, &output](Client&) { return run(name, *arguments, output); };
    });
}

} // namespace

void add_zone_boot(CLI::App& zone, Command& command, const Output& output) {
    add(zone, command, output, "enable", "Start a configured zone when the machine boots",
        "Start it now, too");
    add(zone, command, output, "disable", "Do not start a zone when the machine boots",
        "Shut it down now, too");
}

} // namespace hvisor::cli
