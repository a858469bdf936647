// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <print>
#include <string>

namespace hvisor::cli {
namespace {

struct Arguments {
    std::string zone;
    std::string device;
    std::uint64_t size = 0;
};

Outcome<void> resize(Client& client, const Arguments& arguments) {
    const auto path = client.find_disk(arguments.zone, arguments.device);
    if (!path) {
        return std::unexpected(path.error());
    }
    const auto size = client.disk(*path, [&](DiskProxy& disk) { return disk.Resize(arguments.size, {}); });
    if (!size) {
        return std::unexpected(size.error());
    }
    std::println("{} bytes", *size);
    return {};
}

} // namespace

void add_device_commands(CLI::App& app, Command& command) {
    auto* device = app.add_subcommand("device", "Devices of zones: resize");
    device->require_subcommand(1);
    auto arguments = std::make_shared<Arguments>();
    auto* verb = device->add_subcommand("resize", "Make a disk larger, or tell its zone that it is");
    verb->add_option("zone", arguments->zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb->add_option("device", arguments->device, "Id of the disk, as 'zone show' has it")
        ->type_name("DEVICE")
        ->required();
    verb->add_option("size", arguments->size,
                     "Bytes, or with K, M, G or T a power of 1024; without it the size the image has counts")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false));
    verb->callback([&command, arguments] {
        command = [arguments](Client& client) { return resize(client, *arguments); };
    });
}

} // namespace hvisor::cli
