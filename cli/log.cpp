// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "exec.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

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
    return become(std::move(words));
}

} // namespace

void add_log(CLI::App& parent, Command& command, const Output& output) {
    auto arguments = std::make_shared<LogArguments>();
    auto* verb = parent.add_subcommand("log", "Show what hvisord logged, of a zone or of all");
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

} // namespace hvisor::cli
