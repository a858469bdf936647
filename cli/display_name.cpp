// SPDX-License-Identifier: Apache-2.0
#include "display.hpp"

#include "base/error_table.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <format>
#include <tuple>

namespace hvisor::cli {

std::vector<Display> displays_of(const Object& device) {
    const auto counts = value_of<DisplayCounts>(device.properties, "Frames");
    const auto viewers = value_of<DisplayViewers>(device.properties, "Viewers");
    const auto renderer = value_of<std::string>(device.properties, "Renderer");
    std::vector<Display> displays;
    for (const auto& shape : value_of<DisplayShapes>(device.properties, "Displays")) {
        Display display;
        display.number = static_cast<std::uint32_t>(displays.size());
        std::tie(display.connector, display.is_connected, display.is_on, display.width, display.height,
                 display.refresh) = shape;
        if (displays.size() < counts.size()) {
            std::tie(display.frames, display.frames_per_second) = counts[displays.size()];
        }
        if (displays.size() < viewers.size()) {
            std::tie(display.remote, display.viewers) = viewers[displays.size()];
        }
        display.renderer = renderer;
        displays.push_back(std::move(display));
    }
    return displays;
}

std::shared_ptr<DisplayName> add_display_name(CLI::App& verb) {
    auto name = std::make_shared<DisplayName>();
    verb.add_option("zone", name->zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb.add_option("--display", name->number,
                    "Number of the display, as 'display list' has it; 0 without it")
        ->type_name("N");
    return name;
}

Outcome<Object> find_gpu(Client& client, const std::string& zone) {
    const auto found = zone_objects(client, zone);
    if (!found) {
        return std::unexpected(found.error());
    }
    const auto gpu = std::ranges::find(found->devices, true, &Object::is_gpu);
    if (gpu == found->devices.end()) {
        return fail(error_row(ErrorCode::no_such_device).exit_status,
                    std::format("zone {} has no display: it has no gpu device",
                                value_of<std::string>(found->zone.properties, "Name")));
    }
    return *gpu;
}

} // namespace hvisor::cli
