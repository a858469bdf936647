// SPDX-License-Identifier: Apache-2.0
#include "display.hpp"
#include "command.hpp"
#include "format.hpp"
#include "json.hpp"
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <print>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

std::string mode_text(std::uint32_t width, std::uint32_t height, std::uint32_t millihertz) {
    constexpr double hertz = 1000;
    if (width == 0 || height == 0) {
        return "-";
    }
    return millihertz == 0 ? std::format("{}x{}", width, height)
                           : std::format("{}x{} {:.4g} Hz", width, height, millihertz / hertz);
}

std::string state_text(const Display& display) {
    if (!display.is_connected) {
        return "unplugged";
    }
    return display.is_on ? "on" : "off";
}

JsonObject json_row(const std::string& zone, const std::string& device, const Display& display) {
    return {{"Zone", sdbus::Variant(zone)},
            {"Device", sdbus::Variant(device)},
            {"Display", sdbus::Variant(display.number)},
            {"Connector", sdbus::Variant(display.connector)},
            {"Connected", sdbus::Variant(display.is_connected)},
            {"On", sdbus::Variant(display.is_on)},
            {"Width", sdbus::Variant(display.width)},
            {"Height", sdbus::Variant(display.height)},
            {"Refresh", sdbus::Variant(display.refresh)},
            {"Frames", sdbus::Variant(display.frames)},
            {"FramesPerSecond", sdbus::Variant(display.frames_per_second)},
            {"Vnc", sdbus::Variant(display.remote)},
            {"Viewers", sdbus::Variant(display.viewers)},
            {"Renderer", sdbus::Variant(display.renderer)}};
}

Outcome<void> list(Client& client, const std::string& name, const Output& output) {
    const auto zones =
        name.empty() ? all_zones(client) : zone_objects(client, name).transform([](ZoneObjects&& zone) {
            return std::vector{std::move(zone)};
        });
    if (!zones) {
        return std::unexpected(zones.error());
    }
    std::vector<JsonObject> objects;
    Table table({{.title = "ZONE"},
                 {.title = "DISPLAY", .align_right = true},
                 {.title = "CONNECTOR"},
                 {.title = "MODE"},
                 {.title = "STATE"},
                 {.title = "FPS", .align_right = true},
                 {.title = "VNC"},
                 {.title = "VIEWERS", .align_right = true}});
    for (const auto& zone : *zones) {
        const auto zone_name = value_of<std::string>(zone.zone.properties, "Name");
        for (const Object& device : zone.devices) {
            for (const Display& display : displays_of(device)) {
                objects.push_back(
                    json_row(zone_name, value_of<std::string>(device.properties, "Id"), display));
                table.add({zone_name, std::to_string(display.number),
                           display.connector.empty() ? "headless" : display.connector,
                           mode_text(display.width, display.height, display.refresh), state_text(display),
                           std::to_string(display.frames_per_second),
                           display.remote.empty() ? "-" : display.remote, std::to_string(display.viewers)});
            }
        }
    }
    if (output.json) {
        std::print("{}", to_json(objects));
    } else {
        output.print(table);
    }
    return {};
}

Outcome<void> connectors(Client& client, const Output& output) {
    client.tell(manager_path, ManagerProxy::INTERFACE_NAME, "ListConnectors", {"a{sv}", "0"});
    const auto all = client.manager([](ManagerProxy& manager) { return manager.ListConnectors({}); });
    if (!all) {
        return std::unexpected(all.error());
    }
    if (output.json) {
        std::print("{}", to_json(*all));
        return {};
    }
    Table table({{.title = "CARD"},
                 {.title = "CONNECTOR"},
                 {.title = "DISPLAY"},
                 {.title = "MODE"},
                 {.title = "ZONE"}});
    for (const Dictionary& connector : *all) {
        const auto zone = value_of<std::string>(connector, "Zone");
        table.add({value_of<std::string>(connector, "Card"), value_of<std::string>(connector, "Connector"),
                   value_of<bool>(connector, "Connected") ? "plugged in" : "none",
                   mode_text(value_of<std::uint32_t>(connector, "Width"),
                             value_of<std::uint32_t>(connector, "Height"),
                             value_of<std::uint32_t>(connector, "Refresh")),
                   zone.empty() ? "-" : zone});
    }
    output.print(table);
    return {};
}

struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
};

/// "1280x800".
std::optional<Size> parse_size(std::string_view text) {
    Size size;
    const auto width = std::from_chars(text.data(), text.data() + text.size(), size.width);
    const char* end = text.data() + text.size();
    if (width.ec != std::errc{} || width.ptr == end || *width.ptr != 'x') {
        return std::nullopt;
    }
    const auto height = std::from_chars(width.ptr + 1, end, size.height);
    return height.ec == std::errc{} && height.ptr == end ? std::optional(size) : std::nullopt;
}

Outcome<void> resize(Client& client, const DisplayName& name, Size size) {
    const auto device = find_gpu(client, name.zone);
    if (!device) {
        return std::unexpected(device.error());
    }
    client.tell(device->path, GpuProxy::INTERFACE_NAME, "Resize",
                {"uuua{sv}", std::to_string(name.number), std::to_string(size.width),
                 std::to_string(size.height), "0"});
    return client.gpu(device->path,
                      [&](GpuProxy& gpu) { gpu.Resize(name.number, size.width, size.height, {}); });
}

void add_list(CLI::App& display, Command& command, const Output& output) {
    auto* verb = display.add_subcommand("list", "List the displays of a zone, or of all");
    auto name = std::make_shared<std::string>();
    verb->add_option("zone", *name, "Name or number of the zone")->type_name("ZONE");
    verb->callback([&command, &output, name] {
        command = [name, &output](Client& client) { return list(client, *name, output); };
    });
}

void add_connectors(CLI::App& display, Command& command, const Output& output) {
    display
        .add_subcommand("connectors",
                        "List where the root zone's graphics cards have displays, and who uses them")
        ->callback([&command, &output] {
            command = [&output](Client& client) { return connectors(client, output); };
        });
}

void add_resize(CLI::App& display, Command& command) {
    auto* verb = display.add_subcommand("resize", "Ask a zone to draw on a headless display of another size");
    const auto name = add_display_name(*verb);
    auto text = std::make_shared<std::string>();
    verb->add_option("size", *text, "Width and height in pixels, such as 1280x800")
        ->type_name("SIZE")
        ->required()
        ->check([](const std::string& size) {
            return parse_size(size) ? std::string()
                                    : std::format("'{}': expected a size such as 1280x800", size);
        });
    verb->callback([&command, name, text] {
        command = [=](Client& client) { return resize(client, *name, parse_size(*text).value_or(Size{})); };
    });
}

} // namespace

void add_display_commands(CLI::App& app, Command& command, const Output& output) {
    auto* display = app.add_subcommand("display", "Displays of zones: list, connectors, resize");
    display->require_subcommand(1);
    add_list(*display, command, output);
    add_connectors(*display, command, output);
    add_resize(*display, command);
}

} // namespace hvisor::cli
