// SPDX-License-Identifier: Apache-2.0
#include "zone/read_block_config.hpp"

#include "zone/read_limits.hpp"

#include <algorithm>
#include <format>
#include <string_view>

namespace hvisor::zone {
namespace {

constexpr std::size_t longest_serial = 20; // virtio 1.2, 5.2.6.1
/// As many as a device can have.
constexpr std::uint16_t most_queues = 16;

bool read_flag(const ConfigReader& device, std::string_view name) {
    const auto value = device.find(name);
    return value && value->boolean();
}

std::string read_serial(const ConfigReader& value) {
    auto serial = value.string("a serial number of 1 to 20 characters").value_or("");
    const bool is_printable = std::ranges::all_of(serial, [](char c) { return c > ' ' && c < 127; });
    if (value.is(JsonValue::Kind::string) &&
        (serial.empty() || serial.size() > longest_serial || !is_printable)) {
        value.problem(std::format("\"{}\" is no serial number; expected 1 to {} characters, no blanks",
                                  serial, longest_serial));
    }
    return serial;
}

} // namespace

BlockConfig read_block_config(const ConfigReader& device) {
    constexpr std::string_view expected = "the path of a disk image or block device";
    BlockConfig block;
    block.image = device.read_string("img", expected);
    if (const auto image = device.find("img");
        image && block.image.empty() && image->is(JsonValue::Kind::string)) {
        image->problem(std::format("the path is empty; expected {}", expected));
    }
    block.read_only = read_flag(device, "readonly");
    block.direct = read_flag(device, "direct");
    if (const auto value = device.find("serial")) {
        block.serial = read_serial(*value);
    }
    if (const auto value = device.find("queues")) {
        block.queues = read_between<std::uint16_t>(*value, 1, most_queues);
    }
    block.limit = read_limit(device, "rate_limit", "requests");
    return block;
}

} // namespace hvisor::zone
