// SPDX-License-Identifier: Apache-2.0
#include "zone/read_input_config.hpp"

#include "zone/key_use.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::zone {
namespace {

constexpr std::string_view models = R"("keyboard", "tablet", "mouse" or "evdev")";
constexpr std::string_view inputs = "/dev/input/";
constexpr std::string_view input_example =
    R"(one such as "/dev/input/event3" or "/dev/input/by-id/usb-Keyboard-event-kbd")";

bool is_event_name(std::string_view name) {
    constexpr std::string_view prefix = "event";
    constexpr std::size_t most_digits = 4;
    if (!name.starts_with(prefix)) {
        return false;
    }
    name.remove_prefix(prefix.size());
    return !name.empty() && name.size() <= most_digits &&
           std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

/// A link that udev makes, and which no boot changes.
bool is_event_link(std::string_view name) {
    constexpr std::array<std::string_view, 2> folders{"by-id/", "by-path/"};
    const auto* folder =
        std::ranges::find_if(folders, [&](std::string_view one) { return name.starts_with(one); });
    if (folder == folders.end()) {
        return false;
    }
    name.remove_prefix(folder->size());
    constexpr std::size_t longest = 255;
    return name.contains("event") && name.size() <= longest &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~' && c != '/'; });
}

/// Nothing else in the file system is opened for a zone file's word.
std::string read_input_path(const ConfigReader& value) {
    const auto path = value.string("the path of an input device");
    if (!path) {
        return {};
    }
    std::string_view name = *path;
    const bool is_there = name.starts_with(inputs);
    name.remove_prefix(is_there ? inputs.size() : 0);
    if (!is_there || (!is_event_name(name) && !is_event_link(name))) {
        value.problem(std::format(R"("{}" is no input device; expected {})", *path, input_example));
        return {};
    }
    return *path;
}

InputModel read_model(const ConfigReader& device) {
    constexpr std::array all{InputModel::keyboard, InputModel::tablet, InputModel::mouse, InputModel::evdev};
    const auto value = device.require("model", models);
    const auto word = value ? value->string(models) : std::nullopt;
    if (!word) {
        return InputModel::keyboard;
    }
    if (const auto* found = std::ranges::find(all, *word, [](auto model) { return to_string(model); });
        found != all.end()) {
        return *found;
    }
    std::vector<std::string> words;
    std::ranges::transform(all, std::back_inserter(words),
                           [](auto model) { return std::string(to_string(model)); });
    const auto meant = similar_name(*word, words);
    value->problem(std::format(R"("{}" is no model of an input device; expected {}{})", *word, models,
                               meant.empty() ? "" : std::format(R"(; did you mean "{}"?)", meant)));
    return InputModel::keyboard;
}

} // namespace

std::string_view to_string(InputModel model) {
    switch (model) {
    case InputModel::keyboard:
        return "keyboard";
    case InputModel::tablet:
        return "tablet";
    case InputModel::mouse:
        return "mouse";
    case InputModel::evdev:
        return "evdev";
    }
    std::unreachable();
}

InputConfig read_input_config(const ConfigReader& device) {
    InputConfig input{.model = read_model(device)};
    const bool is_real = input.model == InputModel::evdev;
    const auto path = is_real ? device.require("path", input_example) : device.find("path");
    const auto grab = device.find("grab");
    if (is_real) {
        input.path = path ? read_input_path(*path) : "";
        input.grab = !grab || grab->boolean();
        return input;
    }
    const auto model = device.find("model");
    const bool is_sound =
        model && model->is(JsonValue::Kind::string) && model->string("") == to_string(input.model);
    for (const auto* value : {&path, &grab}) {
        if (*value && is_sound) {
            (*value)->problem(
                std::format(R"(a {} is made for the zone, and is none of the root zone's; expected )"
                            R"(the model "evdev" with this key)",
                            to_string(input.model)));
        }
    }
    return input;
}

} // namespace hvisor::zone
