// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "files.hpp"
#include "format.hpp"
#include "zone/check_files.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

struct CheckArguments {
    std::vector<std::string> paths;
    bool no_machine = false;
};

/// They name zones of others, too.
std::vector<std::string> lines_of(const Dictionary& results, const char* key) {
    auto lines = value_of<std::vector<std::string>>(results, key);
    std::ranges::transform(lines, lines.begin(), printable);
    return lines;
}

/// What the daemon says of the same files. It opens none of them: what is in
/// them has been looked at here, with the caller's rights.
Outcome<zone::Findings> ask_daemon(Client& client, const std::vector<zone::ConfigText>& texts) {
    std::vector<sdbus::Struct<std::string, std::string>> files;
    files.reserve(texts.size());
    for (const zone::ConfigText& text : texts) {
        files.emplace_back(text.name, text.text);
    }
    const Dictionary options{{"folder", sdbus::Variant(std::filesystem::current_path().string())}};
    return client.manager([&](ManagerProxy& proxy) { return proxy.CheckZones(files, options); })
        .transform([](const Dictionary& results) {
            return zone::Findings{.problems = lines_of(results, "Problems"),
                                  .warnings = lines_of(results, "Warnings"),
                                  .left_out = lines_of(results, "NotChecked")};
        });
}

/// Why the machine is not looked at.
zone::Findings without_machine(const zone::Candidates& report, const std::string& reason) {
    zone::Findings findings{.left_out = zone::left_to_machine(report.zones)};
    findings.left_out.push_back("this machine, with its CPUs, memory, interrupts, zones and hypervisor: " +
                                reason);
    return findings;
}

zone::Findings look_at_machine(Client& client, const std::vector<zone::ConfigText>& texts,
                               const zone::Candidates& report, bool no_machine) {
    if (no_machine) {
        return without_machine(report, "--no-machine says so");
    }
    if (report.zones.empty()) {
        return without_machine(report, "there is no zone to compare it with");
    }
    auto found = ask_daemon(client, texts);
    return found ? std::move(*found) : without_machine(report, found.error().message);
}

/// First of each kind what the files say themselves.
void print(const zone::Findings& files, const zone::Findings& machine) {
    for (const zone::Findings* findings : {&files, &machine}) {
        print_lines("", findings->problems);
    }
    for (const zone::Findings* findings : {&files, &machine}) {
        print_lines("warning: ", findings->warnings);
    }
    for (const zone::Findings* findings : {&files, &machine}) {
        print_lines("not looked at: ", findings->left_out);
    }
}

Outcome<void> check(Client& client, const CheckArguments& arguments) {
    std::vector<zone::ConfigText> texts;
    for (const std::string& path : arguments.paths) {
        auto text = read_config(path);
        if (!text) {
            return std::unexpected(std::move(text.error()));
        }
        texts.push_back(std::move(*text));
    }
    const zone::Candidates report = zone::check_files(texts);
    const zone::Findings machine = look_at_machine(client, texts, report, arguments.no_machine);
    print(report.findings, machine);
    if (!report.findings.problems.empty() || !machine.problems.empty()) {
        return fail(Error{ErrorCode::invalid_config, "a configuration is wrong, see above"});
    }
    std::println("no problem in {} file{}, {} zone{}", texts.size(), texts.size() == 1 ? "" : "s",
                 report.zones.size(), report.zones.size() == 1 ? "" : "s");
    return {};
}

} // namespace

void add_config_check(CLI::App& config, Command& command) {
    auto arguments = std::make_shared<CheckArguments>();
    auto* verb = config.add_subcommand(
        "check", "Say what is wrong with files whose zones run together, and on this machine");
    verb->add_option("files", arguments->paths, "Zone files and virtio JSON files")
        ->type_name("FILE")
        ->required();
    verb->add_flag("--no-machine", arguments->no_machine, "Do not ask hvisord: they are for another machine");
    verb->callback([&command, arguments] {
        command = [arguments](Client& client) { return check(client, *arguments); };
    });
}

} // namespace hvisor::cli
