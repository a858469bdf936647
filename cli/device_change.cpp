// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "device_name.hpp"
#include "files.hpp"
#include "output.hpp"

#include "base/error_table.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <filesystem>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <string_view>
#include <utility>

namespace hvisor::cli {
namespace {

constexpr const char* device_help = "Id of the device, as 'device list' has it";
constexpr const char* disk_help = "Id of the disk, as 'device list' has it";

Outcome<Object> find_disk(Client& client, const DeviceName& name) {
    auto device = find_device(client, name);
    if (device && !device->is_disk) {
        return fail(error_row(ErrorCode::no_such_device).exit_status,
                    std::format("device {} is no disk", name.device));
    }
    return device;
}

void print_size(std::uint64_t size, const Output& output) {
    if (output.json) {
        std::print("{}", to_json({{"Size", sdbus::Variant(size)}}));
    } else {
        std::println("{} bytes", size);
    }
}

Outcome<void> resize(Client& client, const DeviceName& name, std::uint64_t bytes, const Output& output) {
    const auto device = find_disk(client, name);
    if (!device) {
        return std::unexpected(device.error());
    }
    client.tell(device->path, DiskProxy::INTERFACE_NAME, "Resize", {"ta{sv}", std::to_string(bytes), "0"});
    const auto size = client.disk(device->path, [&](DiskProxy& disk) { return disk.Resize(bytes, {}); });
    if (!size) {
        return std::unexpected(size.error());
    }
    print_size(*size, output);
    return {};
}

Outcome<void> swap(Client& client, const DeviceName& name, const std::filesystem::path& file,
                   const Output& output) {
    const auto device = find_disk(client, name);
    if (!device) {
        return std::unexpected(device.error());
    }
    const auto path = std::filesystem::absolute(file).lexically_normal();
    auto image = open_disk(path, value_of<bool>(device->properties, "ReadOnly"));
    if (!image) {
        return std::unexpected(image.error());
    }
    const auto size =
        client.disk(device->path, [&](DiskProxy& disk) { return disk.SwapImage(path, *image, {}); });
    if (!size) {
        return std::unexpected(size.error());
    }
    print_size(*size, output);
    return {};
}

Outcome<void> set_link(Client& client, const DeviceName& name, bool plugged) {
    const auto device = find_device(client, name);
    if (!device) {
        return std::unexpected(device.error());
    }
    if (!device->is_net) {
        return fail(error_row(ErrorCode::no_such_device).exit_status,
                    std::format("device {} is no network device, and has no link", name.device));
    }
    client.tell(device->path, NetProxy::INTERFACE_NAME, "SetLink",
                {"ba{sv}", plugged ? "true" : "false", "0"});
    return client.net(device->path, [&](NetProxy& net) { net.SetLink(plugged, {}); });
}

Outcome<void> attach(Client& client, const std::string& zone, const std::filesystem::path& file,
                     const Output& output) {
    const auto row = client.find_zone(zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    auto config = read_config(std::filesystem::absolute(file)).and_then(open_device_files);
    if (!config) {
        return std::unexpected(config.error());
    }
    const auto attached = client.zone(row->path, [&](ZoneProxy& proxy) {
        return proxy.AttachDevice(config->name, config->text, config->files, {});
    });
    if (!attached) {
        return std::unexpected(attached.error());
    }
    const auto id = value_of<std::string>(std::get<1>(*attached), "Id");
    if (output.json) {
        std::print("{}",
                   to_json({{"Id", sdbus::Variant(id)}, {"Path", sdbus::Variant(std::get<0>(*attached))}}));
    } else {
        std::println("{}", id);
    }
    return {};
}

Outcome<void> detach(Client& client, const DeviceName& name, bool force) {
    const auto device = find_device(client, name);
    if (!device) {
        return std::unexpected(device.error());
    }
    Dictionary options;
    if (force) {
        options.emplace("force", sdbus::Variant(true));
        client.tell(device->path, DeviceProxy::INTERFACE_NAME, "Detach",
                    {"a{sv}", "1", "force", "b", "true"});
    } else {
        client.tell(device->path, DeviceProxy::INTERFACE_NAME, "Detach", {"a{sv}", "0"});
    }
    return client.device(device->path, [&](DeviceProxy& proxy) { proxy.Detach(options); });
}

void add_attach(CLI::App& device, Command& command, const Output& output) {
    auto* verb = device.add_subcommand("attach", "Give a zone that runs one more device");
    auto zone = std::make_shared<std::string>();
    auto file = std::make_shared<std::string>();
    verb->add_option("zone", *zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb->add_option("file", *file, "JSON file with the device, as an element of \"devices\"")
        ->type_name("FILE")
        ->required();
    verb->callback([&command, &output, zone, file] {
        command = [=, &output](Client& client) { return attach(client, *zone, *file, output); };
    });
}

void add_detach(CLI::App& device, Command& command) {
    auto* verb = device.add_subcommand("detach", "Take a device away from a zone that runs");
    const auto name = add_device_name(*verb, device_help);
    auto force = std::make_shared<bool>(false);
    verb->add_flag("--force", *force, "Also while the zone's driver uses it");
    verb->callback(
        [&command, name, force] { command = [=](Client& client) { return detach(client, *name, *force); }; });
}

void add_resize(CLI::App& device, Command& command, const Output& output) {
    auto* verb = device.add_subcommand("resize", "Make a disk larger, or tell its zone that it is");
    const auto name = add_device_name(*verb, disk_help);
    auto size = std::make_shared<std::uint64_t>(0);
    verb->add_option("size", *size,
                     "Bytes, or with K, M, G or T a power of 1024; without it the size the image has counts")
        ->type_name("SIZE")
        ->transform(CLI::AsSizeValue(false));
    verb->callback([&command, &output, name, size] {
        command = [=, &output](Client& client) { return resize(client, *name, *size, output); };
    });
}

void add_swap(CLI::App& device, Command& command, const Output& output) {
    auto* verb = device.add_subcommand("swap", "Put another image into a disk");
    const auto name = add_device_name(*verb, disk_help);
    auto file = std::make_shared<std::string>();
    verb->add_option("file", *file, "The image")->type_name("FILE")->required();
    verb->callback([&command, &output, name, file] {
        command = [=, &output](Client& client) { return swap(client, *name, *file, output); };
    });
}

void add_link(CLI::App& device, Command& command) {
    auto* verb = device.add_subcommand("link", "Plug the cable of a network device in, or pull it out");
    const auto name = add_device_name(*verb, "Id of the network device, as 'device list' has it");
    auto state = std::make_shared<std::string>();
    verb->add_option("state", *state, "up or down")
        ->type_name("STATE")
        ->required()
        ->check(CLI::IsMember({"up", "down"}));
    verb->callback([&command, name, state] {
        command = [=](Client& client) { return set_link(client, *name, *state == "up"); };
    });
}

} // namespace

void add_device_changes(CLI::App& device, Command& command, const Output& output) {
    add_attach(device, command, output);
    add_detach(device, command);
    add_resize(device, command, output);
    add_swap(device, command, output);
    add_link(device, command);
}

} // namespace hvisor::cli
