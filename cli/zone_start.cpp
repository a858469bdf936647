// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "files.hpp"
#include "job_run.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <format>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

struct StartArguments {
    std::string zone;   ///< a file, or the name of a configured zone
    std::string virtio; ///< a file, or ""
    std::shared_ptr<bool> no_wait;
};

Outcome<void> start_configured(Client& client, const StartArguments& arguments, const Output& output) {
    std::vector<std::string> words{"sa{sv}", arguments.zone};
    std::ranges::copy(job_option_words(*arguments.no_wait), std::back_inserter(words));
    client.tell(manager_path, ManagerProxy::INTERFACE_NAME, "StartZone", words);
    const BeginJob begin = [&](const Dictionary& options) {
        return client.manager([&](ManagerProxy& proxy) { return proxy.StartZone(arguments.zone, options); });
    };
    return run_job(client, begin, std::format("starting {}", arguments.zone), *arguments.no_wait, output);
}

Outcome<void> start_file(Client& client, const StartArguments& arguments, const Output& output) {
    auto zone = open_config(arguments.zone);
    if (!zone) {
        return std::unexpected(std::move(zone.error()));
    }
    OpenedConfig virtio;
    if (!arguments.virtio.empty()) {
        auto opened = open_config(arguments.virtio);
        if (!opened) {
            return std::unexpected(std::move(opened.error()));
        }
        virtio = std::move(*opened);
    }
    // Its files are open ones, which busctl cannot pass.
    const auto files = merge_files(*zone, virtio);
    if (!files) {
        return std::unexpected(files.error());
    }
    const BeginJob begin = [&](const Dictionary& options) {
        return client.manager([&](ManagerProxy& proxy) {
            return proxy.StartZoneFromConfig(zone->name, zone->text, virtio.name, virtio.text, *files,
                                             options);
        });
    };
    return run_job(client, begin, std::format("starting {}", arguments.zone), *arguments.no_wait, output);
}

} // namespace

void add_zone_start(CLI::App& zone, Command& command, const Output& output) {
    auto arguments = std::make_shared<StartArguments>();
    auto* verb = zone.add_subcommand("start", "Start a zone");
    verb->add_option("zone", arguments->zone, "A zone JSON file, or the name of a configured zone")
        ->type_name("FILE|NAME")
        ->required();
    verb->add_option("--virtio", arguments->virtio, "The virtio JSON file with the zone's devices")
        ->type_name("FILE");
    arguments->no_wait = add_no_wait(*verb);
    verb->callback([&command, &output, arguments] {
        if (names_a_file(arguments->zone)) {
            command = [arguments, &output](Client& client) { return start_file(client, *arguments, output); };
            return;
        }
        if (!arguments->virtio.empty()) {
            throw CLI::ValidationError("--virtio",
                                       "needs a zone JSON file, not the name of a configured zone");
        }
        command = [arguments, &output](Client& client) {
            return start_configured(client, *arguments, output);
        };
    });
}

} // namespace hvisor::cli
