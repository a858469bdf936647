// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "device_options.hpp"
#include "files.hpp"
#include "progress.hpp"

#include <CLI/CLI.hpp>

#include <format>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

struct VirtioArguments {
    std::string path;
    std::vector<std::string> devices; ///< in place of a file
};

Outcome<OpenedConfig> open(const VirtioArguments& arguments) {
    if (arguments.devices.empty()) {
        return open_config(arguments.path);
    }
    auto text = virtio_text(arguments.devices);
    if (!text) {
        return fail(std::move(text.error()));
    }
    return open_files({.name = "--device", .text = std::move(*text)});
}

Outcome<void> start(Client& client, const VirtioArguments& arguments, const Output& output) {
    const auto config = open(arguments);
    if (!config) {
        return std::unexpected(config.error());
    }
    const Progress progress(std::format("setting the devices of {}", config->name), output.quiet);
    const auto zones = client.manager([&](ManagerProxy& proxy) {
        return proxy.ConfigureVirtio(config->name, config->text, config->files, {});
    });
    if (!zones) {
        return std::unexpected(zones.error());
    }
    return {};
}

} // namespace

void add_virtio_commands(CLI::App& app, Command& command, const Output& output) {
    auto* virtio = app.add_subcommand("virtio", "Virtio devices, in upstream's spelling: start");
    virtio->require_subcommand(1);
    auto arguments = std::make_shared<VirtioArguments>();
    auto* verb = virtio->add_subcommand("start", "Set the devices that zones get when they are started next");
    auto* file = verb->add_option("file", arguments->path, "A virtio JSON file")->type_name("FILE");
    auto* devices =
        verb->add_option("--device", arguments->devices, "A device in upstream's spelling of 2024")
            ->type_name("TYPE,KEY=VALUE,...")
            ->excludes(file);
    verb->callback([&command, &output, arguments, file, devices] {
        if (file->count() + devices->count() == 0) {
            throw CLI::RequiredError("file");
        }
        command = [arguments, &output](Client& client) { return start(client, *arguments, output); };
    });
}

} // namespace hvisor::cli
