// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "job_run.hpp"

#include <CLI/CLI.hpp>

#include <format>
#include <memory>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

std::vector<std::string> words_of(bool no_wait) {
    auto words = job_option_words(no_wait);
    words.insert(words.begin(), "a{sv}");
    return words;
}

Outcome<void> shut_down(Client& client, const std::string& zone, bool no_wait, const Output& output) {
    const auto row = client.find_zone(zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    client.tell(row->path, ZoneProxy::INTERFACE_NAME, "Shutdown", words_of(no_wait));
    const BeginJob begin = [&](const Dictionary& options) {
        return client.zone(row->path, [&](ZoneProxy& proxy) { return proxy.Shutdown(options); });
    };
    return run_job(client, begin, std::format("shutting {} down", row->name), no_wait, output);
}

Outcome<void> restart(Client& client, const std::string& zone, bool no_wait, const Output& output) {
    const auto row = client.find_zone(zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    client.tell(row->path, ZoneProxy::INTERFACE_NAME, "Restart", words_of(no_wait));
    const BeginJob begin = [&](const Dictionary& options) {
        return client.zone(row->path, [&](ZoneProxy& proxy) { return proxy.Restart(options); });
    };
    return run_job(client, begin, std::format("restarting {}", row->name), no_wait, output);
}

} // namespace

void add_zone_end(CLI::App& zone, Command& command, const Output& output) {
    auto name = std::make_shared<std::string>();
    auto* verb = zone.add_subcommand("shutdown", "Take a zone's CPUs away from it, at once");
    auto* positional = verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE");
    auto* id = verb->add_option("--id", *name, "Number of the zone; also written -id")->type_name("N");
    positional->excludes(id);
    const auto no_wait = add_no_wait(*verb);
    verb->callback([&command, &output, name, no_wait] {
        if (name->empty()) {
            throw CLI::RequiredError("zone");
        }
        command = [=, &output](Client& client) { return shut_down(client, *name, *no_wait, output); };
    });

    auto* again =
        zone.add_subcommand("restart", "Shut a zone down and start it again, with its files as they are now");
    auto restarted = std::make_shared<std::string>();
    again->add_option("zone", *restarted, "Name or number of the zone")->type_name("ZONE")->required();
    const auto leaves = add_no_wait(*again);
    again->callback([&command, &output, restarted, leaves] {
        command = [=, &output](Client& client) { return restart(client, *restarted, *leaves, output); };
    });
}

} // namespace hvisor::cli
