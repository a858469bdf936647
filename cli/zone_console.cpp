// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "console.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace hvisor::cli {
namespace {

struct ConsoleArguments {
    std::string zone;
    std::string device;
    std::string port;
    std::optional<std::uint64_t> replay;
    bool read_only = false;
    bool force = false;
};

Outcome<void> open_console(Client& client, const ConsoleArguments& arguments) {
    const auto row = client.find_zone(arguments.zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    Dictionary options;
    if (!arguments.port.empty()) {
        options["port"] = sdbus::Variant(arguments.port);
    }
    const Dictionary resize_options = options;
    if (arguments.force) {
        options["force"] = sdbus::Variant(true);
    }
    if (arguments.replay) {
        options["replay"] = sdbus::Variant(*arguments.replay);
    }
    if (arguments.read_only) {
        options["read-only"] = sdbus::Variant(true);
    }
    const auto opened = client.zone(
        row->path, [&](ZoneProxy& proxy) { return proxy.OpenConsole(arguments.device, options); });
    if (!opened) {
        return std::unexpected(opened.error());
    }
    const auto& [stream, results] = *opened;
    const auto device = value_of<std::string>(results, "Device");
    auto title = row->name + ' ' + device;
    if (!arguments.port.empty()) {
        title += ' ' + arguments.port;
    }
    return copy_console(stream.get(), {.title = std::move(title),
                                       .read_only = arguments.read_only,
                                       .resize = [&](std::uint16_t columns, std::uint16_t rows) {
                                           // A console whose size is not known is still of use.
                                           [[maybe_unused]] const auto told =
                                               client.zone(row->path, [&](ZoneProxy& proxy) {
                                                   proxy.ResizeConsole(device, columns, rows, resize_options);
                                               });
                                       }});
}

} // namespace

void add_zone_console(CLI::App& zone, Command& command) {
    auto arguments = std::make_shared<ConsoleArguments>();
    auto* verb =
        zone.add_subcommand("console", "Connect to a zone's console; ^] three times within a second leaves");
    verb->add_option("zone", arguments->zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb->add_option("--device", arguments->device, "Id of the console, when there are several")
        ->type_name("ID");
    verb->add_option("--port", arguments->port, "Name of one of the console's further ports")
        ->type_name("NAME");
    verb->add_option("--replay", arguments->replay,
                     "Show at most N bytes of history first; the default is all of it")
        ->type_name("N");
    verb->add_flag("--read-only", arguments->read_only, "Only watch: send no input");
    verb->add_flag("--force", arguments->force, "Take the input from the client that has it")
        ->excludes("--read-only");
    verb->callback([&command, arguments] {
        command = [arguments](Client& client) { return open_console(client, *arguments); };
    });
}

} // namespace hvisor::cli
