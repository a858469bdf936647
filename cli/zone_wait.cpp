// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "waiting.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <format>
#include <memory>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

struct WaitArguments {
    std::string zone;
    std::vector<std::string> states{"stopped", "failed"};
    Patience patience;
};

Outcome<void> wait(Client& client, const WaitArguments& arguments) {
    const auto row = client.find_zone(arguments.zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    std::string state = row->state;
    const auto is_over = [&]() -> Outcome<bool> {
        const auto rows = client.zones();
        if (!rows) {
            return std::unexpected(rows.error());
        }
        const auto now = std::ranges::find(*rows, row->path, &ZoneRow::path);
        // One that nobody has started by this daemon goes when it ends.
        state = now == rows->end() ? "stopped" : now->state;
        return std::ranges::contains(arguments.states, state);
    };
    auto outcome = wait_until(client, manager_path, arguments.patience, is_over);
    if (!outcome) {
        outcome.error().message = std::format("zone {} is {}: {}", row->name, state, outcome.error().message);
    }
    return outcome;
}

} // namespace

void add_zone_wait(CLI::App& zone, Command& command) {
    auto arguments = std::make_shared<WaitArguments>();
    auto* verb = zone.add_subcommand("wait", "Wait until a zone has ended, or is in another state");
    verb->add_option("zone", arguments->zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb->add_option("--state", arguments->states,
                     "A state to wait for, one of them if it is repeated; stopped and failed by default")
        ->type_name("STATE")
        ->check(CLI::IsMember({"defined", "starting", "running", "stopping", "stopped", "failed"}));
    add_timeout(*verb, arguments->patience);
    verb->callback([&command, arguments] {
        command = [arguments](Client& client) { return wait(client, *arguments); };
    });
}

} // namespace hvisor::cli
