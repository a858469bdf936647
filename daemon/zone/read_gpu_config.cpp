// SPDX-License-Identifier: Apache-2.0
#include "zone/read_gpu_config.hpp"

#include "devices/gpu/canvas.hpp"
#include "zone/read_limits.hpp"
#include "zone/read_vnc_config.hpp"

#include <algorithm>
#include <format>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace hvisor::zone {
namespace {

/// As virtio 1.2, 5.7.6.8 has room for.
constexpr std::size_t max_displays = 16;
constexpr std::uint32_t usual_width = 1280;
constexpr std::uint32_t usual_height = 800;
constexpr std::uint32_t usual_refresh = 60;
constexpr std::uint32_t largest_refresh = 240;
/// One picture of a small screen, and more than any board has.
constexpr std::uint64_t least_memory = std::uint64_t{1} << 20;
constexpr std::uint64_t largest_memory = std::uint64_t{1} << 36;
constexpr std::uint32_t most_resources = 1'000'000;
constexpr std::size_t longest_connector = 31;

constexpr std::string_view cards = "/dev/dri/";

bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// Of a card in its folder: nothing else in the file system is opened for a zone file's word.
bool is_card_name(std::string_view name) {
    constexpr std::string_view prefix = "card";
    if (!name.starts_with(prefix)) {
        return false;
    }
    name.remove_prefix(prefix.size());
    return !name.empty() && name.size() <= 3 &&
           std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

/// "by-path/platform-…-card", which udev makes and which no boot changes.
bool is_link_name(std::string_view name) {
    constexpr std::string_view prefix = "by-path/";
    if (!name.starts_with(prefix)) {
        return false;
    }
    name.remove_prefix(prefix.size());
    return name.ends_with("-card") && std::ranges::all_of(name, [](char c) {
               return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '@';
           });
}

std::string read_card(const ConfigReader& value) {
    constexpr std::string_view expected = R"(a graphics card, such as "card0" or "/dev/dri/card0")";
    const auto word = value.string(expected);
    if (!word) {
        return {};
    }
    std::string_view name = *word;
    if (name.starts_with(cards)) {
        name.remove_prefix(cards.size());
    }
    const bool is_whole_path = name.size() < word->size();
    const bool is_card = is_card_name(name) || (is_whole_path && is_link_name(name));
    if (!is_card) {
        value.problem(
            std::format(R"("{}" is no graphics card; expected one such as "card0", "/dev/dri/card0" )"
                        R"(or "/dev/dri/by-path/platform-gpu-card")",
                        *word));
        return {};
    }
    return std::string(cards).append(name);
}

std::string read_connector(const ConfigReader& value) {
    const auto name = value.string(R"(a connector of the card, such as "HDMI-A-1")");
    const bool is_name = name && !name->empty() && name->size() <= longest_connector &&
                         std::ranges::all_of(*name, [](char c) { return is_letter_or_digit(c) || c == '-'; });
    if (name && !is_name) {
        value.problem(std::format(R"("{}" cannot name a connector; expected one such as "HDMI-A-1")", *name));
    }
    return name.value_or("");
}

/// Width and height together, or neither.
void read_size(const ConfigReader& object, DisplayConfig& display) {
    using devices::gpu::largest_display_side;
    using devices::gpu::least_display_side;
    const auto width = object.find("width");
    const auto height = object.find("height");
    if (width) {
        display.width = read_between(*width, least_display_side, largest_display_side);
    }
    if (height) {
        display.height = read_between(*height, least_display_side, largest_display_side);
    }
    if (width.has_value() != height.has_value()) {
        (width ? *width : *height)
            .problem(std::format("this key is of no use alone; expected {} beside it",
                                 width ? "height" : "width"));
    }
}

DisplayConfig read_headless_display(const ConfigReader& object) {
    DisplayConfig display{.pointer = object.pointer()};
    if (const auto connector = object.find("connector")) {
        connector->problem(R"(a headless screen has no connector; expected the backend "drm" with this key)");
    }
    read_size(object, display);
    if (display.width == 0 || display.height == 0) {
        display.width = usual_width;
        display.height = usual_height;
    }
    const auto refresh = object.find("refresh");
    display.refresh = refresh ? read_between<std::uint32_t>(*refresh, 1, largest_refresh) : usual_refresh;
    if (const auto vnc = object.find("vnc")) {
        display.vnc = read_vnc_config(*vnc);
    }
    return display;
}

DisplayConfig read_card_display(const ConfigReader& object, bool is_size_read) {
    DisplayConfig display{.pointer = object.pointer()};
    if (const auto connector = object.find("connector")) {
        display.connector = read_connector(*connector);
    }
    if (is_size_read) {
        read_size(object, display);
    }
    if (const auto refresh = object.find("refresh")) {
        refresh->problem(
            R"(the display decides how often it shows a picture; expected the backend "headless" )"
            "with this key");
    }
    if (const auto vnc = object.find("vnc")) {
        vnc->problem(
            R"(a display of a graphics card is seen there; expected the backend "headless" with this key)");
    }
    return display;
}

GpuBackend read_backend(const ConfigReader& device) {
    const auto value = device.find("backend");
    const auto word = value ? value->string(R"("drm" or "headless")") : std::nullopt;
    if (word == "headless") {
        return GpuBackend::headless;
    }
    if (word && word != "drm") {
        value->problem(
            std::format(R"("{}" is no back end of a screen; expected "drm" or "headless")", *word));
    }
    return GpuBackend::drm;
}

/// Upstream wants both, and shows what the display prefers.
void read_upstream_size(const ConfigReader& device) {
    for (const std::string_view key : {"width", "height"}) {
        if (const auto value = device.require(key, "a number of pixels")) {
            static_cast<void>(value->number(std::numeric_limits<std::uint32_t>::max()));
        }
    }
}

/// The keys of a single display beside "displays", which has them for each.
void refuse_keys_of_one(const ConfigReader& device) {
    for (const std::string_view key : {"connector", "width", "height", "refresh", "vnc"}) {
        if (const auto value = device.find(key)) {
            value->problem(
                std::format("there are both {} and displays; expected {} in each of displays, or no "
                            "displays",
                            key, key));
        }
    }
}

bool is_listened_at(const GpuConfig& gpu, const std::string& address) {
    return std::ranges::any_of(gpu.displays, [&address](const DisplayConfig& display) {
        return display.vnc && display.vnc->listen == address;
    });
}

void read_displays(const ConfigReader& array, GpuConfig& gpu) {
    if (array.is_empty_array()) {
        array.problem(std::format("there is none; expected 1 to {} displays", max_displays));
    }
    for (const ConfigReader& element : array.elements(max_displays, "displays")) {
        if (!element.require_object("connector, width, height and vnc, all of which may be missing")) {
            continue;
        }
        DisplayConfig display = gpu.backend == GpuBackend::headless ? read_headless_display(element)
                                                                    : read_card_display(element, true);
        const auto connector = element.find("connector");
        if (connector && !display.connector.empty() &&
            std::ranges::contains(gpu.displays, display.connector, &DisplayConfig::connector)) {
            connector->problem(
                std::format("{} is the connector of another display of this device", display.connector));
        }
        if (display.vnc && !display.vnc->listen.empty() && is_listened_at(gpu, display.vnc->listen)) {
            element.problem(
                std::format("{} is the address of another display of this device, too", display.vnc->listen));
        }
        gpu.displays.push_back(std::move(display));
    }
}

} // namespace

GpuConfig read_gpu_config(const ConfigReader& device) {
    GpuConfig gpu;
    gpu.backend = read_backend(device);
    const bool is_headless = gpu.backend == GpuBackend::headless;
    if (const auto card = device.find("card")) {
        gpu.card = read_card(*card);
        if (is_headless) {
            card->problem(
                R"(a headless screen needs no graphics card; expected the backend "drm" with this key)");
        }
    }
    const bool is_upstreams = device.form() == Form::upstream && !is_headless;
    if (const auto displays = device.find("displays")) {
        refuse_keys_of_one(device);
        read_displays(*displays, gpu);
    } else {
        gpu.displays.push_back(is_headless ? read_headless_display(device)
                                           : read_card_display(device, !is_upstreams));
        if (is_upstreams) {
            read_upstream_size(device);
        }
    }
    if (const auto memory = device.find("memory")) {
        gpu.memory = read_between(*memory, least_memory, largest_memory);
    }
    if (const auto resources = device.find("resources")) {
        gpu.resources = read_between<std::uint32_t>(*resources, 1, most_resources);
    }
    if (const auto renderer = device.find("renderer")) {
        const auto word = renderer->string(R"("virgl")");
        gpu.is_3d = word == "virgl";
        if (word && !gpu.is_3d) {
            renderer->problem(std::format(R"("{}" is nothing that draws; expected "virgl")", *word));
        }
    }
    return gpu;
}

} // namespace hvisor::zone
