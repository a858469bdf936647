// SPDX-License-Identifier: Apache-2.0
#include "device_options.hpp"

#include "zone/json_members.hpp"
#include "zone/print_json.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <format>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

constexpr std::string_view keys_expected = "addr, len, irq, zone_id, img of a blk or tap of a net";

struct Option {
    std::string_view type;
    std::map<std::string_view, std::string_view> keys;
};

Result<Option> split(std::string_view text) {
    Option option{.type = text.substr(0, text.find(',')), .keys = {}};
    if (option.type != "blk" && option.type != "net" && option.type != "console") {
        return fail(ErrorCode::invalid_config,
                    "--device {}: \"{}\" is no type of device; expected blk, net or console", text,
                    option.type);
    }
    text.remove_prefix(std::min(text.size(), option.type.size() + 1));
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        const std::size_t equals = part.find('=');
        const std::string_view key = part.substr(0, equals);
        const bool is_known = key == "addr" || key == "len" || key == "irq" || key == "zone_id" ||
                              (key == "img" && option.type == "blk") ||
                              (key == "tap" && option.type == "net");
        if (!is_known || equals == std::string_view::npos) {
            return fail(ErrorCode::invalid_config, "--device {}: \"{}\" is no option of it; expected {}",
                        option.type, part, keys_expected);
        }
        option.keys[key] = part.substr(equals + 1);
    }
    return option;
}

/// The number behind a key, which has to be there and above 0.
Result<std::uint64_t> read_number(const Option& option, std::string_view key, int base) {
    const auto found = option.keys.find(key);
    std::string_view text = found == option.keys.end() ? std::string_view{} : found->second;
    if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) {
        text.remove_prefix(2);
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end != text.data() + text.size() || number == 0) {
        return fail(ErrorCode::invalid_config, "--device {}: expected {}=N with a {} number above 0",
                    option.type, key, base == 16 ? "hexadecimal" : "decimal");
    }
    return number;
}

/// One that no other device of the machine has: the tool had one address in its code.
std::string mac(std::uint64_t zone, std::uint64_t interrupt) {
    return std::format(R"(["0x02", "0x00", "0x00", "0x00", "{:#04x}", "{:#04x}"])", zone & 0xffU,
                       interrupt & 0xffU);
}

struct Device {
    std::uint64_t zone = 0;
    std::string text;
};

Result<Device> read_device(const std::string& text) {
    const auto option = split(text);
    if (!option) {
        return std::unexpected(option.error());
    }
    zone::JsonMembers members;
    members.add("type", zone::json_string(option->type));
    std::map<std::string_view, std::uint64_t> numbers;
    for (const auto& [key, base] : {std::pair{"addr", 16}, {"len", 16}, {"irq", 10}, {"zone_id", 10}}) {
        const auto number = read_number(*option, key, base);
        if (!number) {
            return std::unexpected(number.error());
        }
        numbers[key] = *number;
    }
    members.add({{"addr", numbers["addr"]}, {"len", numbers["len"]}, {"irq", numbers["irq"]}});
    for (const std::string_view key : {"img", "tap"}) {
        if (const auto found = option->keys.find(key); found != option->keys.end()) {
            members.add(key, zone::json_string(found->second));
        }
    }
    if (option->type == "net") {
        members.add("mac", mac(numbers["zone_id"], numbers["irq"]));
    }
    members.add("status", zone::json_string("enable"));
    return Device{numbers["zone_id"], members.line()};
}

} // namespace

Result<std::string> virtio_text(std::span<const std::string> devices) {
    std::map<std::uint64_t, std::vector<std::string>> zones;
    for (const std::string& text : devices) {
        auto device = read_device(text);
        if (!device) {
            return std::unexpected(std::move(device).error());
        }
        zones[device->zone].push_back(std::move(device->text));
    }
    std::vector<std::string> list;
    for (const auto& [id, texts] : zones) {
        zone::JsonMembers zone;
        zone.add_number("id", id);
        zone.add("memory_region", "[]"); // the RAM of the zone that starts
        zone.add("devices", "[" + zone::join(texts, ", ") + "]");
        list.push_back(zone.line());
    }
    return "{ \"zones\": [" + zone::join(list, ", ") + "] }";
}

} // namespace hvisor::cli
