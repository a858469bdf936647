// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "files.hpp"
#include "progress.hpp"

#include <CLI/CLI.hpp>

#include <format>
#include <memory>
#include <optional>
#include <string>

namespace hvisor::cli {
namespace {

struct Arguments {
    std::string zone;   ///< a file, or the name of a configured zone
    std::string virtio; ///< a file, or ""
};

Outcome<void> discard_path(Outcome<sdbus::ObjectPath> path) {
    if (!path) {
        return std::unexpected(std::move(path.error()));
    }
    return {};
}

/// How far the daemon is with the zone that it is starting; it starts one at a
/// time. By a connection of its own: the other one waits for the reply.
Progress::Percent percent_of_start(const Client& client) {
    return [other = std::make_shared<Client>(client.address())]() -> std::optional<unsigned> {
        const auto rows = other->zones();
        if (!rows) {
            return std::nullopt;
        }
        for (const ZoneRow& row : *rows) {
            if (row.state == "starting" && row.progress != 0) {
                return row.progress;
            }
        }
        return std::nullopt;
    };
}

Outcome<void> start_configured(Client& client, const std::string& name) {
    const Progress progress(std::format("starting {}", name), percent_of_start(client));
    return discard_path(client.manager([&](ManagerProxy& proxy) { return proxy.StartZone(name, {}); }));
}

Outcome<void> start_file(Client& client, const Arguments& arguments) {
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
    const auto files = merge_files(*zone, virtio);
    if (!files) {
        return std::unexpected(files.error());
    }
    const Progress progress(std::format("starting {}", arguments.zone), percent_of_start(client));
    return discard_path(client.manager([&](ManagerProxy& proxy) {
        return proxy.StartZoneFromConfig(zone->name, zone->text, virtio.name, virtio.text, *files, {});
    }));
}

} // namespace

void add_zone_start(CLI::App& zone, Command& command) {
    auto arguments = std::make_shared<Arguments>();
    auto* verb = zone.add_subcommand("start", "Start a zone");
    verb->add_option("zone", arguments->zone, "A zone JSON file, or the name of a configured zone")
        ->type_name("FILE|NAME")
        ->required();
    verb->add_option("--virtio", arguments->virtio, "The virtio JSON file with the zone's devices")
        ->type_name("FILE");
    verb->callback([&command, arguments] {
        if (names_a_file(arguments->zone)) {
            command = [arguments](Client& client) { return start_file(client, *arguments); };
            return;
        }
        if (!arguments->virtio.empty()) {
            throw CLI::ValidationError("--virtio",
                                       "needs a zone JSON file, not the name of a configured zone");
        }
        command = [arguments](Client& client) { return start_configured(client, arguments->zone); };
    });
}

} // namespace hvisor::cli
