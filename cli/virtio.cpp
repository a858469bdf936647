// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "files.hpp"
#include "progress.hpp"

#include <CLI/CLI.hpp>

#include <format>
#include <memory>
#include <string>

namespace hvisor::cli {
namespace {

Outcome<void> start(Client& client, const std::string& path) {
    const auto config = open_config(path);
    if (!config) {
        return std::unexpected(config.error());
    }
    const Progress progress(std::format("setting the devices of {}", path));
    const auto zones = client.manager([&](ManagerProxy& proxy) {
        return proxy.ConfigureVirtio(config->name, config->text, config->files, {});
    });
    if (!zones) {
        return std::unexpected(zones.error());
    }
    return {};
}

} // namespace

void add_virtio_commands(CLI::App& app, Command& command) {
    auto* virtio = app.add_subcommand("virtio", "Virtio devices, in upstream's spelling: start");
    virtio->require_subcommand(1);
    auto path = std::make_shared<std::string>();
    auto* verb = virtio->add_subcommand("start", "Set the devices that zones get when they are started next");
    verb->add_option("file", *path, "A virtio JSON file")->type_name("FILE")->required();
    verb->callback([&command, path] { command = [path](Client& client) { return start(client, *path); }; });
}

} // namespace hvisor::cli
