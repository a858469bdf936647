// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "files.hpp"
#include "schema.hpp"
#include "zone/config_files.hpp"
#include "zone/print_json.hpp"
#include "zone/write_zone_file.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <memory>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

struct ImportArguments {
    std::string zone;
    std::string virtio; ///< "" for a zone without devices
    std::string output; ///< "" for stdout
};

/// The devices of the zone in upstream's virtio JSON.
Outcome<std::vector<zone::VirtioDevice>> read_devices(const std::string& path, const zone::ZoneConfig& zone) {
    const auto text = read_config(path);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto file = zone::read_virtio_config(*text);
    if (!file) {
        return fail(std::move(file.error()));
    }
    print_lines("warning: ", file->warnings);
    const zone::VirtioZone* mine = file->config.zone(zone.zone_id);
    if (mine == nullptr) {
        return fail(
            Error{ErrorCode::invalid_config,
                  std::format("{}: there is no element with the id {} of zone {}; expected its devices",
                              file->document.locate("/zones"), zone.zone_id, zone.name)});
    }
    for (const std::string& device : mine->disabled) {
        std::println(stderr, "warning: {}: this device is disabled, and left out of the zone's file",
                     file->document.locate(device));
    }
    return mine->devices;
}

Outcome<void> write_text(const std::string& path, const std::string& text) {
    if (path.empty()) {
        std::print("{}", text);
        return {};
    }
    std::ofstream file(path);
    file << text << std::flush;
    if (!file) {
        return fail(Error{ErrorCode::io_error, std::format("{}: cannot be written", path)});
    }
    return {};
}

Outcome<void> import(const ImportArguments& arguments) {
    const auto text = read_config(arguments.zone);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto file = zone::read_zone_file(*text);
    if (!file) {
        return fail(std::move(file.error()));
    }
    if (file->form == zone::Form::one_file) {
        return fail(Error{ErrorCode::invalid_config,
                          std::format("{}: this is a whole zone in one file already", arguments.zone)});
    }
    print_lines("warning: ", file->warnings);
    std::vector<zone::VirtioDevice> devices;
    if (!arguments.virtio.empty()) {
        auto read = read_devices(arguments.virtio, file->config);
        if (!read) {
            return std::unexpected(std::move(read.error()));
        }
        devices = std::move(*read);
    }
    return write_text(arguments.output, zone::write_zone_file(*file, devices));
}

Outcome<void> cat(const std::string& name) {
    const auto files = zone::find_config(zone::config_directories(), name);
    if (!files) {
        return fail(Error(files.error()));
    }
    auto merged = zone::merge_config(*files);
    if (!merged) {
        return fail(std::move(merged.error()));
    }
    std::print("{}", zone::print_with_origins(*merged));
    return {};
}

} // namespace

void add_config_commands(CLI::App& app, Command& command) {
    auto* config = app.add_subcommand("config", "Files that describe zones: check, import, cat, dtb, schema");
    config->require_subcommand(1);

    add_config_check(*config, command);
    auto arguments = std::make_shared<ImportArguments>();
    auto* import_verb = config->add_subcommand("import", "Make one file of upstream's two");
    import_verb->add_option("zone", arguments->zone, "Upstream's zone JSON file")
        ->type_name("FILE")
        ->required();
    import_verb->add_option("virtio", arguments->virtio, "Upstream's virtio JSON file")->type_name("FILE");
    import_verb->add_option("--to", arguments->output, "Write it there")->type_name("FILE");
    import_verb->callback(
        [&command, arguments] { command = [arguments](Client&) { return import(*arguments); }; });

    auto name = std::make_shared<std::string>();
    auto* cat_verb = config->add_subcommand("cat", "Print a configured zone with its drop-ins");
    cat_verb->add_option("name", *name, "The name of a configured zone")->type_name("NAME")->required();
    cat_verb->callback([&command, name] { command = [name](Client&) { return cat(*name); }; });

    auto* schema_verb = config->add_subcommand("schema", "Print the JSON schema of a zone in one file");
    schema_verb->callback([&command] {
        command = [](Client&) -> Outcome<void> {
            std::print("{}", zone_schema);
            return {};
        };
    });
    add_config_dtb(*config, command);
}

} // namespace hvisor::cli
